"""ACC: is the result accurate enough, on the whole data set, and can that be believed?"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

from mlassay.core.enums import Scenario
from mlassay.rules.round import QualityTarget
from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.model import ACCURACY, DETAIL, SUMMARY, ResultFolder, Run
from mlassay.submission.schema import at_least
from mlassay.submission.tree import NotReadable

CLAUSE = "Inference rules, accuracy"
MAX_TRUNCATED_BYTES = 10 * 1024
LOWER_IS_BETTER = ("DLRM_NE",)


def _has(result: ResultFolder) -> bool:
    return result.bare is None and result.accuracy_folder is not None and not result.endpoints


@check(
    "ACC001",
    Scope.RESULT,
    "accuracy run missing",
    example="found no accuracy directory",
    official="accuracy_files",
    clause=CLAUSE,
)
def present(result: ResultFolder) -> Iterator[Found]:
    """A speed without an accuracy says nothing: each scenario has its own accuracy run."""
    if result.bare is None and result.accuracy_folder is None and not result.endpoints:
        yield Found(f"{result.path}/accuracy", "absent", "the accuracy run of this scenario")


@check(
    "ACC002",
    Scope.RESULT,
    "accuracy.txt missing or empty",
    example="found no accuracy.txt",
    official="accuracy_files",
    clause=CLAUSE,
)
def text_present(result: ResultFolder) -> Iterator[Found]:
    """accuracy.txt is what the reference accuracy script printed. A file that is only listed counts as absent."""
    if _has(result) and result.accuracy.problem:
        yield Found(result.accuracy.path, result.accuracy.problem, "the output of the accuracy script")


def _targets(result: ResultFolder) -> tuple[QualityTarget, ...]:
    if result.rule is not None and result.rule.quality:
        return result.rule.quality
    return result.benchmark.quality if result.benchmark else ()


@check(
    "ACC003",
    Scope.RESULT,
    "metric missing from accuracy.txt",
    example="found no mAP",
    official="accuracy_target",
    open_severity=Severity.WARNING,
    clause=CLAUSE,
)
def metrics_present(result: ResultFolder) -> Iterator[Found]:
    """Each metric that has a target must be there to be held against it. The scripts' spellings since v0.5 are known,
    wherever they stand in a line."""
    if not _has(result) or result.accuracy.problem or result.accuracy.partial:
        return
    for target in _targets(result):
        if target.minimum is None and target.maximum is not None:
            continue  # a ceiling alone, such as tokens per sample: held only where it is stated
        if result.accuracy.value(target.metric) is None:
            have = ", ".join(result.accuracy.metrics) or "no metric at all"
            yield Found(result.accuracy.path, f"{have}, no {target.metric}", f"{target.metric} of the accuracy script")


@check(
    "ACC004",
    Scope.RESULT,
    "accuracy below the target",
    example="found acc 75.1; expected at least 75.6954",
    official="accuracy_target",
    open_severity=Severity.NOTE,
    clause="Inference rules, quality targets",
)
def target_met(result: ResultFolder) -> Iterator[Found]:
    """Closed and network results reach the target of their benchmark; open results report what they reach. For the
    normalised entropy of DLRMv3 smaller is better, which the v6 tools have the wrong way round."""
    if not _has(result):
        return
    for target in _targets(result):
        value = result.accuracy.value(target.metric)
        if value is None or math.isnan(value):
            continue
        if target.metric in LOWER_IS_BETTER and not result.submitter.submission.as_official:
            if target.reference is not None and target.factor and value > target.reference / target.factor:
                most = target.reference / target.factor
                yield Found(
                    result.accuracy.path, f"{target.metric} {value:g}", f"at most {most:.6g}", clause=target.clause
                )
        elif target.minimum is not None and value < target.minimum - 1e-9 * abs(target.minimum):
            yield Found(
                result.accuracy.path,
                f"{target.metric} {value:g}",
                f"at least {target.minimum:.6g}",
                clause=target.clause,
            )


@check(
    "ACC005",
    Scope.RESULT,
    "accuracy metric above its upper limit",
    example="found TOKENS_PER_SAMPLE 340; expected at most 323.895",
    official="accuracy_target",
    open_severity=Severity.NOTE,
    clause="Inference rules, quality targets",
)
def ceiling_held(result: ResultFolder) -> Iterator[Found]:
    """Some metrics have a band: an image score can be too good to be true, an answer too long."""
    if not _has(result):
        return
    for target in _targets(result):
        value = result.accuracy.value(target.metric)
        if value is not None and target.maximum is not None and value > target.maximum * (1 + 1e-9):
            yield Found(
                result.accuracy.path,
                f"{target.metric} {value:g}",
                f"at most {target.maximum:.6g}",
                clause=target.clause,
            )


@check(
    "ACC006",
    Scope.RESULT,
    "accuracy that is no number, or beyond its scale",
    example="found acc nan",
    clause=CLAUSE,
)
def believable(result: ResultFolder) -> Iterator[Found]:
    """NaN compares false with everything and slips through; a share above 100 per cent was not computed."""
    if not _has(result):
        return
    for name in ("acc", "mAP", "bleu", "AUC", "WER", "ACCURACY", "exact_match", "F1", "DICE"):
        value = result.accuracy.value(name)
        if value is not None and (not math.isfinite(value) or value < 0 or value > 100):
            yield Found(result.accuracy.path, f"{name} {value:g}", "a number from 0 to 100")


@check(
    "ACC007",
    Scope.RESULT,
    "accuracy.txt with contradictory values",
    severity=Severity.WARNING,
    example="found acc 75.9 and 76.4",
    clause=CLAUSE,
)
def one_value(result: ResultFolder) -> Iterator[Found]:
    """The script prints a metric once. When a file holds several, the official tool takes one of them; scripts that
    print their progress are the usual reason. The last value is used here."""
    if not _has(result):
        return
    for target in _targets(result):
        values = result.accuracy.values.get(target.metric, ())
        distinct = list(dict.fromkeys(values))
        if len(distinct) > 1:
            shown = ", ".join(f"{v:g}" for v in distinct[:3])
            more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
            yield Found(result.accuracy.path, f"{target.metric} {shown}{more}", "one value")


@check(
    "ACC008",
    Scope.RESULT,
    "accuracy does not follow from its counts",
    example="found accuracy 76.9 from 38,008 of 50,000, which is 76.016",
    clause=CLAUSE,
)
def counts_agree(result: ResultFolder) -> Iterator[Found]:
    """Classification prints the number of right answers and of all: the accuracy is their quotient."""
    if not _has(result):
        return
    text = result.accuracy
    value = text.value("acc")
    if value is None or text.good is None or not text.total or text.partial:
        return
    expected = 100 * text.good / text.total
    if not math.isclose(value, expected, abs_tol=0.006):
        yield Found(text.path, f"accuracy {value:g} from {text.good:,} of {text.total:,}", f"{expected:.3f}")


@check(
    "ACC009",
    Scope.RESULT,
    "accuracy on a part of the data set",
    example="found 5,000 samples; expected 50,000",
    official="accuracy_full_dataset",
    clause="Inference rules: accuracy is measured on the whole data set",
    open_severity=Severity.WARNING,
)
def whole_set(result: ResultFolder) -> Iterator[Found]:
    """An accuracy run asks for every sample once. The log says how many there were, and so may accuracy.txt. Until
    v5.0 no official tool looked; in v5.1 it only logged. In the open division another number of samples is a warning:
    the data set is not the benchmark's, so the result compares with no other, and the submission has to say so."""
    benchmark, run = result.benchmark, result.accuracy_run
    if not _has(result) or benchmark is None or run is None:
        return
    want = (result.rule.accuracy_samples if result.rule else None) or benchmark.accuracy_samples
    if want is None:
        return
    said = run.log.integer("effective_accuracy_sample_count")
    if said is None or said == 0:
        said = run.log.integer("qsl_reported_total_count")
    if said is not None and said > 0:
        if said != want:
            yield Found(run.where, f"{said:,} samples", f"{want:,}", hint=_OTHER_DATA)
    elif result.accuracy.total is not None and result.accuracy.total != want and not result.accuracy.partial:
        found = f"{result.accuracy.total:,} samples"
        yield Found(result.accuracy.path, found, f"{want:,}", hint=_OTHER_DATA)


_OTHER_DATA = "run the whole data set; on other data, document it: such a result compares with no other"


@check(
    "ACC010",
    Scope.RESULT,
    "accuracy log missing",
    since="v0.7",
    example="found no mlperf_log_accuracy.json",
    official="accuracy_files",
    clause=CLAUSE,
)
def log_present(result: ResultFolder) -> Iterator[Found]:
    """The (truncated) log of all answers is part of the submission; its hash ties it to the whole one."""
    if _has(result) and not result.tree.is_file(f"{result.accuracy_folder}/{ACCURACY}"):
        yield Found(f"{result.accuracy_folder}/{ACCURACY}", "absent", "the truncated accuracy log")


@check(
    "ACC011",
    Scope.RESULT,
    "accuracy log not truncated",
    since="v0.7",
    example="found 12,000,000 bytes; expected at most 10,240",
    official="accuracy_log_hash_and_10KiB",
    clause="Submission rules, truncation of accuracy logs",
)
def truncated(result: ResultFolder) -> Iterator[Found]:
    """Accuracy logs can be gigabytes: the first and last 4,096 bytes are submitted, the whole is kept for an audit."""
    if not _has(result) or not result.round.truncate_accuracy_log:
        return
    path = f"{result.accuracy_folder}/{ACCURACY}"
    size = result.tree.size(path)
    if size > MAX_TRUNCATED_BYTES:
        yield Found(
            path, f"{size:,} bytes", f"at most {MAX_TRUNCATED_BYTES:,}", hint="mlassay check --fix truncates it"
        )


@check(
    "ACC012",
    Scope.RESULT,
    "hash of the accuracy log missing",
    since="v0.7",
    example="found no hash= line",
    official="accuracy_log_hash_and_10KiB",
    clause="Submission rules, truncation of accuracy logs",
)
def hashed(result: ResultFolder) -> Iterator[Found]:
    """accuracy.txt ends with hash=<SHA-256 of the whole accuracy log>, so that the log which is kept cannot be changed
    afterwards."""
    if not _has(result) or not result.round.truncate_accuracy_log or result.accuracy.problem:
        return
    if not result.accuracy.hashes:
        yield Found(result.accuracy.path, "no hash= line", "hash=<64 hexadecimal digits>", hint="truncate the log")


@check(
    "ACC013",
    Scope.RESULT,
    "hash that cannot be right",
    since="v0.7",
    example="found hash=none; expected 64 hexadecimal digits",
    clause="Submission rules, truncation of accuracy logs",
)
def hash_holds(result: ResultFolder) -> Iterator[Found]:
    """A SHA-256 has 64 hexadecimal digits. Where the log is still whole the hash is computed and compared; after
    truncation only the submitter can."""
    if not _has(result) or not result.accuracy.hashes or not result.round.truncate_accuracy_log:
        return
    said = result.accuracy.hashes[-1].lower()
    if len(said) != 64 or set(said) - set("0123456789abcdef"):
        yield Found(result.accuracy.path, f"hash={said[:80]}", "64 hexadecimal digits")
        return
    path = f"{result.accuracy_folder}/{ACCURACY}"
    try:
        if MAX_TRUNCATED_BYTES < result.tree.size(path) <= 8 << 20:
            real = hashlib.sha256(result.tree.read(path)).hexdigest()
            if real != said:
                yield Found(result.accuracy.path, f"hash={said}", f"{real}, the hash of the log that is there")
    except NotReadable:
        return


@check(
    "ACC014",
    Scope.RESULT,
    "log of the accuracy run missing",
    example="found no mlperf_log_detail.txt",
    official="accuracy_files",
    clause="Submission rules, results",
)
def logs_present(result: ResultFolder) -> Iterator[Found]:
    """The load generator's logs show in which mode and on how many samples the accuracy was measured."""
    run = result.accuracy_run
    if not _has(result) or run is None:
        return
    for name, have in ((DETAIL, run.log.has_detail), (SUMMARY, run.has(SUMMARY))):
        if not have:
            old = result.round.log_format == "text"
            reason = run.log.absent.get(name, "absent")
            yield Found(run.file(name), reason, "both logs of the run", severity=Severity.WARNING if old else None)


@check(
    "ACC015",
    Scope.RUN,
    "accuracy run in another mode",
    example="found PerformanceOnly; expected AccuracyOnly",
    clause="Load generator, test modes",
)
def mode(run: Run) -> Iterator[Found]:
    """In performance mode the answers are not logged, and samples are drawn, not gone through."""
    said = run.log.mode
    if run.role == "accuracy" and said and not said.startswith("Accuracy"):
        severity = Severity.WARNING if said.startswith("Submission") else None
        yield Found(run.where, said, "AccuracyOnly", severity=severity)


@check(
    "ACC016",
    Scope.RUN,
    "accuracy run of another scenario",
    severity=Severity.WARNING,
    example="found an accuracy run in Offline for Server",
    clause=CLAUSE,
)
def scenario(run: Run) -> Iterator[Found]:
    """Each scenario has its own accuracy run, in its own mode of running; an inferred result reuses its source's."""
    result = run.result
    if run.role != "accuracy" or result.bare is not None or result.scenario is None or run.log.scenario is None:
        return
    want = Scenario.SERVER if result.scenario is Scenario.INTERACTIVE else result.scenario
    source = result.run.log.scenario if result.inferred and result.run else want
    if run.log.scenario not in (want, source):
        yield Found(run.where, f"an accuracy run in {run.log.scenario.official_name}", want.official_name)


@check(
    "ACC017",
    Scope.RESULT,
    "accuracy and performance of different systems",
    severity=Severity.WARNING,
    example="found SUT 'A' in the accuracy log and 'B' in the performance log",
    clause="Inference rules: one system and one software for all runs of a result",
)
def same_sut(result: ResultFolder) -> Iterator[Found]:
    """The logs carry a name of the system under test. Two names mean two programs, or a copied log."""
    if result.bare is not None or result.run is None or result.accuracy_run is None:
        return
    one, other = result.run.log.get("sut_name"), result.accuracy_run.log.get("sut_name")
    if (
        isinstance(one, str)
        and isinstance(other, str)
        and one.strip()
        and other.strip()
        and one.strip() != other.strip()
    ):
        where = result.accuracy_run.where
        yield Found(where, f"SUT {other.strip()!r}, in the performance log {one.strip()!r}", "one name in both")


@check(
    "ACC018",
    Scope.RESULT,
    "sample outputs missing",
    since="v4.0",
    example="found 9 of 10 images; 4629 is missing",
    official="accuracy_extra_files",
    open_severity=Severity.WARNING,
    clause="Inference rules, generated images and videos are kept for review",
)
def samples_kept(result: ResultFolder) -> Iterator[Found]:
    """Text-to-image and text-to-video results keep ten named outputs, for people to look at."""
    if not _has(result) or result.benchmark is None:
        return
    for kind, ids in result.benchmark.accuracy_files.items():
        folder = f"{result.accuracy_folder}/{kind}"
        names = [n.rpartition(".")[0] or n for n in result.tree.filenames(folder)]
        missing = [str(i) for i in ids if not any(_names_sample(n, i) for n in names)]
        if missing:
            yield Found(folder, f"no output of {', '.join(missing)}", f"{len(ids)} outputs of the given samples")


def _names_sample(name: str, sample: int) -> bool:
    tail = "".join(c if c.isdigit() else " " for c in name).split()
    return bool(tail) and str(int(tail[-1][:12])) == str(sample)


@check(
    "ACC019",
    Scope.RESULT,
    "unexpected file beside the accuracy logs",
    since="v3.0",
    severity=Severity.WARNING,
    example="found predictions.npz",
    official="accuracy_files",
    clause="Submission rules, results",
)
def extra_files(result: ResultFolder) -> Iterator[Found]:
    """The accuracy directory holds four files, and the sample outputs that a benchmark asks for."""
    folder = result.accuracy_folder
    if not _has(result) or folder is None or not at_least(result.round.name, "v3.0"):
        return
    known = {"accuracy.txt", ACCURACY, DETAIL, SUMMARY, "mlperf_log_trace.json"}
    for name in result.tree.filenames(folder):
        if name not in known and not name.startswith(".") and " " not in name:
            yield Found(f"{folder}/{name}", "an unknown file", ", ".join(sorted(known)))


@check(
    "ACC020",
    Scope.RESULT,
    "accuracy.txt that is not clean text",
    severity=Severity.WARNING,
    example="found a byte-order mark",
    clause=CLAUSE,
)
def clean_text(result: ResultFolder) -> Iterator[Found]:
    """A byte-order mark hides the first metric from the official tools, which look at column one."""
    if _has(result):
        for oddity in result.accuracy.oddities:
            yield Found(result.accuracy.path, oddity, "plain UTF-8 text")
