"""MEAS: how the model was prepared, the settings of the runs, and the code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.model import ResultFolder
from mlassay.submission.schema import at_least
from mlassay.submission.tree import NotReadable

CLAUSE = "Submission rules, measurements"


def _applies(result: ResultFolder) -> bool:
    return result.bare is None and result.submitter.tree.is_dir(result.measurements_folder)


@check(
    "MEAS001",
    Scope.RESULT,
    "measurements directory missing",
    example="found no measurements/T4x8/resnet/Offline",
    official="measurements_dir",
    clause=CLAUSE,
)
def present(result: ResultFolder) -> Iterator[Found]:
    """Each result says how its model was prepared and which settings it ran with."""
    if result.bare is None and not result.tree.is_dir(result.measurements_folder):
        yield Found(
            result.measurements_folder, "absent", "the measurements of this result", hint="mlassay pack writes it"
        )


@check(
    "MEAS002",
    Scope.RESULT,
    "settings file or README missing",
    example="found no user.conf",
    official="measurements_dir",
    clause=CLAUSE,
)
def files(result: ResultFolder) -> Iterator[Found]:
    """user.conf and README.md make a result repeatable; mlperf.conf was wanted until v4.1, when it moved into the load
    generator."""
    if not _applies(result):
        return
    names = result.tree.filenames(result.measurements_folder)
    present = {n.lower() for n in names}
    for name in result.round.measurement_files:
        if result.endpoints and name == "user.conf":
            continue
        if name.lower() in present:
            continue
        if name == "README.md" and any(n.lower().startswith("readme") for n in names):
            continue
        severity = Severity.WARNING if name == "README.md" and result.round.name == "v0.5" else None
        yield Found(f"{result.measurements_folder}/{name}", "absent", f"a file {name}", severity=severity)


@check(
    "MEAS003",
    Scope.RESULT,
    "settings file or README empty",
    since="v3.1",
    example="found an empty README.md",
    official="measurements_empty",
    clause=CLAUSE,
)
def files_filled(result: ResultFolder) -> Iterator[Found]:
    """An empty user.conf repeats nothing, an empty README explains nothing."""
    if not _applies(result):
        return
    for name in ("user.conf", "README.md"):
        path = f"{result.measurements_folder}/{name}"
        if result.tree.is_file(path) and result.tree.size(path) == 0:
            yield Found(path, "an empty file", "a file with something in it")


@check(
    "MEAS004",
    Scope.RESULT,
    "measurements JSON missing",
    example="found no <system>_<implementation>_<scenario>.json",
    official="measurements_json",
    clause=CLAUSE,
)
def json_present(result: ResultFolder) -> Iterator[Found]:
    """The JSON names the numerics, the weights and what was done to them."""
    if _applies(result) and not result.measurement_files:
        merged = result.submitter.submission.layout.name == "merged"
        name = "measurements.json" if merged else f"{result.place.system}_<implementation>_<scenario>.json"
        yield Found(result.measurements_folder, "no measurements JSON", name)


@check(
    "MEAS005",
    Scope.RESULT,
    "measurements JSON is not a JSON object",
    example="found not JSON (Expecting value: line 1 column 1)",
    official="measurements_json",
    clause=CLAUSE,
)
def json_readable(result: ResultFolder) -> Iterator[Found]:
    """What cannot be read says nothing about numerics, weights or retraining."""
    if _applies(result) and result.measurement_files and not result.measurements.ok:
        yield Found(result.measurements.path, result.measurements.problem, "a JSON object")


_SPELLINGS = {"starting_weights_filename": ("starting_weights_filename", "starting_weight_filename")}


@check(
    "MEAS006",
    Scope.RESULT,
    "measurements field missing",
    example="found no weight_data_types",
    official="measurements_fields",
    clause=CLAUSE,
)
def fields(result: ResultFolder) -> Iterator[Found]:
    """Input and weight types, retraining, weights and their transformations decide whether two results compare."""
    if not _applies(result) or not result.measurements.ok:
        return
    for name in result.round.system_fields.measurements:
        if not any(n in result.measurements.data for n in _SPELLINGS.get(name, (name,))):
            reqired = next((k for k in result.measurements.data if "reqired" in k), "")
            hint = f"the template's misspelt key {reqired!r} is still there" if reqired else ""
            yield Found(result.measurements.path, f"no {name}", name, hint=hint)


@check(
    "MEAS007",
    Scope.RESULT,
    "measurements field empty",
    since="v3.1",
    example="found an empty retraining",
    official="measurements_empty",
    clause=CLAUSE,
)
def fields_filled(result: ResultFolder) -> Iterator[Found]:
    """Since v3.1 each of the five fields says something."""
    if not _applies(result) or not result.measurements.ok:
        return
    for name in result.round.system_fields.measurements:
        value = result.measurements.data.get(name, "x")
        if value is None or (isinstance(value, str) and not value.strip()):
            yield Found(result.measurements.path, f"an empty {name}", "a value", hint="write N/A if it does not apply")


@check(
    "MEAS008",
    Scope.RESULT,
    "code missing",
    since="v0.7",
    example="found neither code/resnet nor code/resnet/pytorch",
    official="code_dir",
    clause="Submission rules, source code",
)
def code(result: ResultFolder) -> Iterator[Found]:
    """Results are reproducible from the published code: code/<benchmark>[/<implementation>], a file there that names
    another directory, or src/ since v6.0."""
    if result.bare is not None:
        return
    submitter, tree = result.submitter, result.tree
    if submitter.submission.layout.name == "merged":
        if not tree.names(submitter.path("src")):
            yield Found(submitter.path("src"), "absent or empty", "the code of the submission")
        return
    base = submitter.path(f"code/{result.place.benchmark}")
    if tree.is_dir(base) and tree.names(base):
        return
    if tree.is_file(base):
        target = _pointed(result, base)
        if target and tree.names(submitter.path(f"code/{target}")):
            return
        yield Found(base, f"a file that names {target!r}", "the name of another directory below code/")
        return
    yield Found(base, "absent", "the code of this benchmark", hint="a file naming another directory of code/ will do")


def _pointed(result: ResultFolder, path: str) -> str:
    try:
        return result.tree.read(path, 4096).decode("utf-8", "replace").strip().strip("/")
    except NotReadable:
        return ""


@check(
    "MEAS009",
    Scope.RESULT,
    "retrained model in closed",
    severity=Severity.WARNING,
    example="found retraining 'yes'",
    clause="Inference rules, closed division: no retraining",
)
def retraining(result: ResultFolder) -> Iterator[Found]:
    """The closed division allows quantisation with the given calibration data, but no training."""
    if result.bare is not None or result.is_open or not result.measurements.ok:
        return
    said = str(result.measurements.data.get("retraining", "")).strip()
    if re.match(r"(y|yes|true|1)\b", said, re.IGNORECASE):
        yield Found(
            result.measurements.path, f"retraining {said!r}", "no retraining in closed", hint="or move it to open"
        )


RESERVED = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed", "mode", "accuracy_log_probability",
            "accuracy_log_rng_seed", "accuracy_log_sampling_target", "test05")  # fmt: skip


@check(
    "MEAS010",
    Scope.RESULT,
    "user.conf sets what only the round sets",
    severity=Severity.WARNING,
    example="found resnet50.*.qsl_rng_seed = 7",
    clause="Load generator, user.conf: keys that a submitter may set",
)
def reserved_keys(result: ResultFolder) -> Iterator[Found]:
    """Seeds, modes and audit options come from mlperf.conf or audit.config. In user.conf they are ignored by newer
    load generators and obeyed by older ones."""
    if not _applies(result) or not at_least(result.round.name, "v0.7"):
        return
    path = f"{result.measurements_folder}/user.conf"
    if not result.tree.is_file(path):
        return
    try:
        text = result.tree.read(path, 1 << 20).decode("utf-8", "replace")
    except NotReadable:
        return
    for line in text.splitlines():
        key = line.partition("#")[0].partition("=")[0].strip()
        if key.rpartition(".")[2] in RESERVED:
            yield Found(path, line.strip()[:120], "no such key", hint="remove the line")
