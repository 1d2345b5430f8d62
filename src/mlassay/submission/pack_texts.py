"""The small files of a submission that are written, not copied: descriptions, settings, notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mlassay.core.enums import Division, Mode, Scenario
from mlassay.core.errors import BadFile, UsageError
from mlassay.records.folder import Run
from mlassay.rules.round import Round
from mlassay.rules.write_conf import mlperf_conf_text, user_conf_text
from mlassay.submission.pack_request import PackRequest

_PRECISIONS = {
    "float64": "fp64",
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "uint8": "uint8",
    "int8": "int8",
}


def system_text(request: PackRequest, round_: Round) -> tuple[bytes, tuple[str, ...]]:
    """The system description with division and submitter set to the submission's, and its suites."""
    path = request.system
    try:
        with open(path, "rb") as stream:
            data = json.loads(stream.read(4 << 20))
    except FileNotFoundError:
        raise BadFile(
            path, found="absent", expected="a system description", hint=f"mlassay system capture --round {round_.name}"
        ) from None
    except (ValueError, RecursionError, OSError) as error:
        raise BadFile(path, found=f"not JSON ({str(error)[:80]})", expected="a system description") from error
    if not isinstance(data, dict):
        raise BadFile(path, found="no object", expected="a system description, one JSON object")
    data["division"], data["submitter"] = request.division.value, request.submitter
    suites = tuple(s for s in ("datacenter", "edge") if s in str(data.get("system_type", "")).split(","))
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode(), suites


def measurements_json(run: Run, round_: Round, request: PackRequest) -> bytes:
    """The five fields: what was said on the command line, else what the run's record knows.

    Raises UsageError for a field that nobody knows: a guess would be published as a fact.
    """
    known = _known_measurements(run)
    data: dict[str, Any] = {
        name: request.measurements.get(name, known.get(name, "")) for name in round_.system_fields.measurements
    }
    missing = [name for name, value in data.items() if not value]
    if missing:
        raise UsageError(
            f"{', '.join(missing)}: not known from {run.path}",
            hint="say it with " + " ".join(f"-m {name}=..." for name in missing),
        )
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _known_measurements(run: Run) -> dict[str, str]:
    model = run.record.sut.get("model")
    if not isinstance(model, dict):
        return {}
    known = {"starting_weights_filename": str(model.get("file") or model.get("name") or "")}
    inputs = model.get("inputs")
    if isinstance(inputs, list):
        kinds = [_PRECISIONS[word] for text in inputs for word in str(text).split() if word in _PRECISIONS]
        known["input_data_types"] = ", ".join(dict.fromkeys(kinds))
    for name in ("weight_data_types", "weight_transformations", "retraining"):
        if isinstance(model.get(name), str):
            known[name] = model[name]
    return known


def user_conf(run: Run, round_: Round, benchmark: str) -> bytes:
    rule = round_.benchmarks.get(benchmark)
    return user_conf_text(run.settings, rule.conf_name if rule else benchmark).encode()


def mlperf_conf(round_: Round) -> bytes:
    return mlperf_conf_text(round_).encode()


def result_readme(run: Run, scenario: Scenario) -> bytes:
    """How to repeat the result, from the run's own record."""
    record = run.record
    command = " ".join(record.command)
    versions = record.system.get("versions")
    lines = [
        f"# {run.settings.benchmark} {scenario.official_name}",
        "",
        f"Measured with mlassay {record.mlassay}, an independent implementation of the MLPerf rules.",
        "",
        "```",
        _without_output(command),
        "```",
        "",
    ]
    if isinstance(versions, dict):
        lines += ["Versions: " + ", ".join(f"{k} {v}" for k, v in sorted(versions.items()) if v), ""]
    model = record.sut.get("model")
    if isinstance(model, dict) and model.get("sha256"):
        lines += [f"Model: {model.get('file') or model.get('name')}, SHA-256 `{model['sha256']}`", ""]
    if scenario is not run.settings.scenario:
        lines += [
            f"Inferred from the {run.settings.scenario.official_name} run, as the rules allow for edge systems.",
            "",
        ]
    return "\n".join(lines).encode()


def _without_output(command: str) -> str:
    """The command without the folder that it wrote to, which means nothing elsewhere."""
    words, kept, skip = command.split(), [], False
    for word in words:
        if skip or word.startswith("--out="):
            skip = False
            continue
        if word == "--out":
            skip = True
            continue
        kept.append(word)
    return " ".join(kept) or "(composed in Python)"


def code_readme(runs: Sequence[Run]) -> bytes:
    """Where the code is, when none was given: the program that ran is public."""
    first = runs[0].record
    commands = dict.fromkeys(
        _without_output(" ".join(r.record.command)) for r in runs if r.settings.mode is not Mode.FIND_PEAK
    )
    commit = first.system.get("commit")
    lines = [
        "# Code",
        "",
        f"The results were measured with mlassay {first.mlassay}" + (f", commit {commit}" if commit else "") + ".",
        "Install it, then run:",
        "",
        "```",
        *commands,
        "```",
        "",
    ]
    return "\n".join(lines).encode()


def documentation(request: PackRequest, round_: Round, runs: Sequence[Run]) -> dict[str, bytes]:
    """The calibration note, and in open what differs from the benchmark, where the round's layout wants them."""
    below = "" if round_.layout == "v0.5" else "documentation/"
    deviations = _deviations(runs) if request.division is Division.OPEN else ""
    files = {f"{below}open_division.md": deviations.encode()} if deviations else {}
    if request.calibration is None:
        return files
    try:
        content = request.calibration.read_bytes()
    except OSError as error:
        raise BadFile(
            request.calibration, found=str(error.strerror).lower(), expected="the calibration note"
        ) from error
    name = "calibration.adoc" if request.calibration.suffix == ".adoc" else "calibration.md"
    return files | {f"{below}{name}": content}


def _deviations(runs: Sequence[Run]) -> str:
    """Own data, own models and changed bounds, each once. Open is free, but documented (inference rules, divisions)."""
    lines: dict[str, None] = {}
    for run in runs:
        record, settings = run.record, run.settings
        name = settings.benchmark
        if record.request.get("official_profile") is False:
            library = record.library
            count = library.get("total_count")
            lines[f"- {name}: data set {library.get('name')} ({count} samples) in place of the benchmark's."] = None
            model = record.sut.get("model")
            own = model.get("name") if isinstance(model, dict) else record.sut.get("name")
            lines[f"- {name}: model {own} in place of the reference model."] = None
        for text in settings.deviations:
            lines[f"- {name} {settings.scenario.official_name}: {text}."] = None
    if not lines:
        return ""
    head = "# What differs from the benchmark\n\n"
    head += "These results compare with no result on the benchmark's own model and data.\n\n"
    return head + "\n".join(lines) + "\n"
