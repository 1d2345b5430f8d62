"""Compliance tests catch each kind of cheat, and let an honest system pass: on a virtual clock, and once for real."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.core.clock import VirtualClock
from mlassay.core.enums import Division, Mode, Scenario
from mlassay.core.errors import UsageError
from mlassay.core.model import Generation, ModelSpec
from mlassay.core.query import Query
from mlassay.core.settings import Settings
from mlassay.core.sut import Outputs, SampleLibrary, Sink
from mlassay.loadgen.drive import drive
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.rules.audit import apply_test, find_test
from mlassay.rules.reader import load_round
from mlassay.rules.resolve import resolve
from mlassay.rules.wishes import Wishes
from mlassay.runs.audit import _tests, shortened
from mlassay.runs.audit_checks import AuditCheck, Evidence, Measured, checks_of
from mlassay.runs.audit_modified import ModifiedLibrary, modified
from mlassay.runs.recorder import AccuracyRecorder
from mlassay.stats.compliance import LOOKS, confidence_of_a_look
from mlassay.tasks.task import AccuracyResult, Answers, OpenTask, Profile
from mlassay.testing import NumberLibrary

N = 512
MS = 1_000_000
SS, OFF, SRV = Scenario.SINGLE_STREAM, Scenario.OFFLINE, Scenario.SERVER


def score(answers: Answers) -> AccuracyResult:
    found = [(index, int.from_bytes(data, "little")) for index, data in answers]
    right = sum(value == index + 1000 for index, value in found)
    return AccuracyResult(
        metric="right", value=100 * right / max(1, len(found)), unit="%", n=len(found), expected_n=N, official_line=""
    )


def task(generation: Generation | None = None) -> OpenTask:
    return OpenTask(
        name="numbers",
        profile=Profile(name="small", summary="", benchmarks=("resnet",)),
        library=NumberLibrary(N),
        model=ModelSpec(name="n", files={}, inputs=(), generation=generation),
        target=None,
        encode=(lambda a: np.asarray(a, "<i8").tobytes()) if generation else (lambda a: int(a).to_bytes(8, "little")),
        score=score,
        truth=lambda i: i + 1000,
        timed="",
    )


class Honest:
    """Takes `cost_ns` a sample, and answers sample i with i + 1000."""

    cost_ns = 2 * MS

    def __init__(self, clock: VirtualClock, settings: Settings) -> None:
        self.clock, self.settings = clock, settings

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self.sink, self.samples = sink, samples

    def cost(self, query: Query) -> int:
        return self.cost_ns * len(query.indices)

    def answer(self, index: int, sample: int) -> int:
        return sample + 1000

    def issue(self, query: Query) -> Outputs | None:
        samples = self.samples.get(query.indices)
        self.clock.advance(self.cost(query))
        return [self.answer(int(i), int(s)) for i, s in zip(query.indices, samples, strict=True)]

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def describe(self) -> Mapping[str, Any]:
        return {"name": type(self).__name__}


class CachesByIndex(Honest):
    """Remembers what it answered."""

    def __init__(self, clock: VirtualClock, settings: Settings) -> None:
        super().__init__(clock, settings)
        self.known: set[int] = set()

    def cost(self, query: Query) -> int:
        new = {int(i) for i in query.indices} - self.known
        self.known |= new
        return max(self.cost_ns * len(new), 1000 * len(query.indices))


class KnowsTheSeed(Honest):
    """Has prepared for the published order of samples: anything else takes longer."""

    def cost(self, query: Query) -> int:
        published = load_round(self.settings.round).seeds
        return super().cost(query) // (2 if self.settings.seeds == published else 1)


class LessPrecise(Honest):
    """Answers with less care where only speed is looked at: one answer in twenty is wrong."""

    def answer(self, index: int, sample: int) -> int:
        right = super().answer(index, sample)
        return right if self.settings.mode is Mode.ACCURACY or index % 20 else right + 1


class DropsHardSamples(LessPrecise):
    """Does not work on the hard samples of a performance run at all."""

    def cost(self, query: Query) -> int:
        hard = sum(int(i) % 20 == 0 for i in query.indices)
        return super().cost(query) - (self.cost_ns - 1000) * hard


class AnswersReady(Honest):
    """Knows the data set by heart and does not look at what it is given."""

    def answer(self, index: int, sample: int) -> int:
        return index + 1000


def settings_of(round_name: str, scenario: Scenario, mode: Mode = Mode.PERFORMANCE) -> Settings:
    wishes = Wishes(
        scenario=scenario, round=round_name, benchmark="resnet", division=Division.OPEN, mode=mode,
        target_qps=100.0 if scenario is SRV else 400.0,
        expected_latency_ns=2 * MS, min_duration_ns=2_000_000_000, min_query_count=1000, min_sample_count=2000,
    )  # fmt: skip
    return resolve(wishes)


def measured(make: Callable[[VirtualClock, Settings], Any], settings: Settings, on: OpenTask, log: Path) -> Measured:
    clock = VirtualClock(start_ns=1)
    plans = plan(settings, N, N)
    with AccuracyRecorder(log, plans, on.encoded) as recorder:
        keep, first = (recorder.keep, recorder.keep_first) if recorder.wanted else (None, None)
        sut = make(clock, settings)
        recording = drive(settings, plans, sut, on.library, clock=clock, keep=keep, keep_first=first)
    assert recording.complete, recording.faults
    return settings, judge(recording, settings), recording.trace


def audited(
    make: Callable[[VirtualClock, Settings], Any],
    test: str,
    base: Path,
    *,
    scenario: Scenario = SS,
    round_name: str = "v2.1",
    official: bool = False,
    on: OpenTask | None = None,
    share: float = 1.0,
) -> dict[str, AuditCheck]:
    on = on or task()
    round_ = load_round(round_name)
    usual = settings_of(round_name, scenario)
    if on.model.generation:
        usual = replace(usual, token_latencies=True)
    measured(make, replace(usual, mode=Mode.ACCURACY), on, base / "accuracy.json")
    result = measured(make, usual, on, base / "result.json")
    changed = apply_test(usual, round_, round_.benchmarks["resnet"], test)
    if test == "TEST03":
        on = replace(on, library=ModifiedLibrary(on.library))
        changed = replace(changed, accuracy_log=replace(changed.accuracy_log, probability=1.0))
    if test == "TEST04-B":
        unique = apply_test(usual, round_, round_.benchmarks["resnet"], "TEST04-A")
        result = measured(make, unique, on, base / "unique.json")
    changed = shortened(changed, share)
    evidence = Evidence(
        test=find_test(round_, test), task=on, result=result, measured=measured(make, changed, on, base / "test.json"),
        test_log=base / "test.json", accuracy_log=base / "accuracy.json", official=official, strict=False,
        confidence=confidence_of_a_look(len(LOOKS)) if share < 1 else 99.0,
    )  # fmt: skip
    return {c.id: c for c in checks_of(evidence)}


@pytest.mark.parametrize("scenario", [SS, OFF, SRV])
@pytest.mark.parametrize(
    ("test", "round_name"),
    [("TEST01", "v2.1"), ("TEST04", "v2.1"), ("TEST05", "v2.1"), ("TEST03", "v0.5"), ("TEST04-B", "v0.5")],
)
def test_an_honest_system_passes(test: str, round_name: str, scenario: Scenario, tmp_path: Path) -> None:
    found = audited(Honest, test, tmp_path, scenario=scenario, round_name=round_name)
    assert [c.text for c in found.values() if not c.passed] == []
    assert "speed" in found


@pytest.mark.parametrize(
    ("cheat", "test", "round_name", "scenario", "caught_by", "text"),
    [
        (CachesByIndex, "TEST04", "v2.1", SS, "speed", "times as fast as the result; allowed: at most 1.1"),
        (CachesByIndex, "TEST04", "v5.1", OFF, "speed", "times as fast as the result"),
        (CachesByIndex, "TEST04-B", "v0.5", OFF, "speed", "times as fast as the run of TEST04-A"),
        (KnowsTheSeed, "TEST05", "v2.1", SS, "speed", "0.500 times as fast as the result; allowed: at least 0.95"),
        (KnowsTheSeed, "TEST05", "v2.1", OFF, "speed", "0.500 times as fast"),
        (LessPrecise, "TEST01", "v2.1", SS, "answers", "logged answers differ from the accuracy run"),
        (DropsHardSamples, "TEST01", "v2.1", OFF, "answers", "% apart; allowed: 1 %"),
        (AnswersReady, "TEST03", "v0.5", SS, "answers", "they were there before the data"),
    ],
)
def test_each_cheat_is_caught(
    cheat: type[Honest], test: str, round_name: str, scenario: Scenario, caught_by: str, text: str, tmp_path: Path
) -> None:
    found = audited(cheat, test, tmp_path, scenario=scenario, round_name=round_name)
    assert not found[caught_by].passed
    assert text in found[caught_by].text


@pytest.mark.parametrize(
    ("sut", "test", "passed"),
    [
        (Honest, "TEST05", True),
        (KnowsTheSeed, "TEST05", False),
        (Honest, "TEST04", True),
        (CachesByIndex, "TEST04", False),
    ],
)
def test_a_clear_case_is_sure_after_a_quarter_of_the_time(
    sut: type[Honest], test: str, passed: bool, tmp_path: Path
) -> None:
    found = audited(sut, test, tmp_path, share=1 / 4)
    assert (found["speed"].passed, found["speed"].sure) == (passed, True), found["speed"].text
    assert "99.7 % sure" in found["speed"].text


def test_a_close_case_is_not_sure(tmp_path: Path) -> None:
    class Uneven(Honest):
        """Ten per cent faster in the mean, and very uneven."""

        def cost(self, query: Query) -> int:
            published = load_round(self.settings.round).seeds
            wild = np.random.default_rng(int(query.ids[0])).exponential(super().cost(query))
            return int(wild / (1.05 if self.settings.seeds == published else 1))

    found = audited(Uneven, "TEST05", tmp_path, scenario=SS, share=1 / 16)
    assert not found["speed"].sure
    assert "not sure: longer runs would tell" in found["speed"].text


def test_all_answers_at_one_moment_have_no_spread_to_be_sure_by(tmp_path: Path) -> None:
    found = audited(Honest, "TEST05", tmp_path, scenario=OFF, share=1 / 4)["speed"]
    assert (found.passed, found.sure) == (True, False)


def test_few_equal_answers_are_not_enough(tmp_path: Path) -> None:
    few, many = (audited(Honest, "TEST01", tmp_path, scenario=OFF, share=n)["answers"] for n in (1 / 16, 1.0))
    assert few.passed
    assert many.passed
    assert (few.sure, many.sure) == (False, True), (few.text, many.text)


def test_a_shorter_run_has_a_share_of_everything() -> None:
    whole = settings_of("v2.1", OFF)
    short = shortened(whole, 1 / 4)
    assert (short.min_duration_ns, short.load.min_sample_count) == (500_000_000, 500)  # type: ignore[union-attr]
    assert short.required == whole.required, (
        "what the round requires stays, so that a short run cannot pass for a whole one"
    )
    assert shortened(whole, 1) is whole


def test_the_official_arithmetic_overlooks_what_ours_sees(tmp_path: Path) -> None:
    """It looks at the first byte of each answer: a slip in a later one goes by."""

    class LaterByte(Honest):
        def answer(self, index: int, sample: int) -> int:
            right = super().answer(index, sample)
            return right if self.settings.mode is Mode.ACCURACY or index % 20 else right + (1 << 20)

    ours = audited(LaterByte, "TEST01", tmp_path)
    official = audited(LaterByte, "TEST01", tmp_path, official=True)
    assert (ours["answers"].passed, official["answers"].passed) == (False, True)


# --- tokens ----------------------------------------------------------------------------------------------------------


class Writes(Honest):
    """Answers with tokens and reports the first of them."""

    tokens: Sequence[int] = (7, 8, 9, 0)
    said: int | None = None
    first: int | None = 7

    def issue(self, query: Query) -> None:
        self.clock.advance(self.cost(query))
        if self.first is not None and self.settings.scenario is not OFF:
            self.sink.first_token(query.ids, outputs=[np.asarray([self.first])] * len(query.ids))
        self.clock.advance(MS)
        n = len(query.ids)
        count = len(self.tokens) if self.said is None else self.said
        self.sink.complete(query, [np.asarray(self.tokens)] * n, n_tokens=[count] * n)


def writes(**how: Any) -> type[Writes]:
    return type("Wrote", (Writes,), how)


@pytest.mark.parametrize(
    ("sut", "failed"),
    [
        (Writes, set()),
        (writes(first=5), {"first-token"}),  # an early token that is not the answer's
        (writes(first=None), {"first-token"}),
        (writes(tokens=(7, 8, 0, 0, 0)), {"eos"}),  # padded with end marks to look longer
        (writes(said=9), {"length"}),
    ],
)
def test_token_consistency(sut: type[Writes], failed: set[str], tmp_path: Path) -> None:
    on = task(Generation(ends=(0,), most=8))
    found = audited(sut, "TEST06", tmp_path, scenario=SRV, round_name="v4.0", on=on)
    assert {c.id for c in found.values() if not c.passed} == failed


@pytest.mark.parametrize(
    ("sut", "share", "sure"),
    [(Writes, 1 / 16, False), (Writes, 1.0, True), (writes(tokens=(7, 8, 0, 0, 0)), 1 / 16, True)],
)
def test_few_answers_condemn_but_do_not_clear(sut: type[Writes], share: float, sure: bool, tmp_path: Path) -> None:
    on = task(Generation(ends=(0,), most=8))
    found = audited(sut, "TEST06", tmp_path, scenario=SRV, round_name="v4.0", on=on, share=share)
    assert found["eos"].sure == sure, found["eos"].text


def test_official_speeds_keep_the_interval_of_the_figure_of_merit(tmp_path: Path) -> None:
    found = audited(Honest, "TEST05", tmp_path, official=True)["speed"]
    assert "(99 % sure: " in found.text


def test_offline_reports_no_first_tokens(tmp_path: Path) -> None:
    on = task(Generation(ends=(0,), most=8))
    found = audited(Writes, "TEST06", tmp_path, scenario=OFF, round_name="v4.0", on=on)
    assert "first-token" not in found
    assert all(c.passed for c in found.values())


# --- the texts, the samples, the whole command -----------------------------------------------------------------------


def test_changed_samples_are_changed_copies() -> None:
    picture = np.ones((3, 4, 4), np.float32)
    assert modified(picture)[0].sum() == 0
    assert picture.sum() == 48
    assert modified(np.arange(3)).tolist() == [2, 1, 0]
    assert modified(np.ones(4)).tolist() == [0, 0, 1, 1]
    assert modified(5) == 6
    assert modified((np.arange(2), "name"))[1] == "name"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run on the packed classifier."""
    pytest.importorskip("onnxruntime")
    import mlassay

    path = tmp_path_factory.mktemp("audit") / "run"
    mlassay.run("image-classification", scenario="offline", round="v2.0", division="open", duration="200ms", out=path)
    return path


def test_a_real_run_is_audited(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mlassay.cli.main import main

    with pytest.raises(SystemExit) as stopped:
        main(["audit", str(real), "--test", "test01", "--out", str(real.parent / "audit"), "--json"])
    said = json.loads(capsys.readouterr().out)
    (report,) = said["tests"]
    checks = {c["id"]: c for c in report["checks"]}
    assert checks["answers"]["passed"]  # how fast a busy machine was is another matter
    assert stopped.value.code == int(not said["passed"])
    folder = real.parent / "audit" / "TEST01"
    assert "TEST PASS" in (folder / "verify_accuracy.txt").read_text()
    assert json.loads((folder / "run.json").read_text())["extra"] == {"compliance_test": "TEST01"}


def test_until_sure_begins_short(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mlassay.cli.main import main

    out = real.parent / "until-sure"
    with pytest.raises(SystemExit) as stopped:
        main(["audit", str(real), "--test", "TEST05", "--until-sure", "--out", str(out), "--json"])
    said = json.loads(capsys.readouterr().out)
    (report,) = said["tests"]
    assert stopped.value.code == int(not said["passed"])
    looks = sorted(p.name for p in out.iterdir())
    assert looks == [f"TEST05-look-{n}" for n in range(1, len(looks) + 1)]
    assert report["length"] == LOOKS[len(looks) - 1]
    assert report["path"].endswith(looks[-1])
    assert report["length"] == 1 or all(c["sure"] for c in report["checks"])
    with pytest.raises(SystemExit):
        main(["audit", str(real), "--test", "TEST05", "--until-sure", "--out", str(out.with_name("words"))])
    assert "times as fast as the result" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no-such-run"], "there is no run no-such-run"),
        (["{run}", "--test", "TEST77"], "unknown compliance test of v2.0 'TEST77'"),
        (["{run}", "--tests-of", "v6.1", "--test", "TEST08"], "TEST08 cannot be run"),
        (["{run}", "--accuracy", "{run}"], "no accuracy run with its log"),
    ],
)
def test_a_wrong_wish_is_one_clear_error(
    words: list[str], message: str, real: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlassay.cli.main import main

    out = str(real.parent / f"wrong-{len(message)}")
    with pytest.raises(SystemExit) as stopped:
        main(["audit", *(w.format(run=real) for w in words), "--out", out])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_what_is_compared_with_a_test_brings_that_test_along() -> None:
    round_ = load_round("v0.5")
    benchmark = round_.benchmarks["resnet"]
    names = [t.id for t in _tests(["TEST04-B", "TEST01"], round_, benchmark)[0]]
    assert names == ["TEST04-A", "TEST04-B", "TEST01"]
    assert [t.id for t in _tests(["TEST04-B", "TEST04-A"], round_, benchmark)[0]] == ["TEST04-A", "TEST04-B"]


def test_code_of_ones_own_is_given_again(tmp_path: Path) -> None:
    import mlassay

    def predict(samples: Sequence[Any]) -> list[int]:
        return [int(np.asarray(s).sum()) % 10 for s in samples]

    run = mlassay.run(
        "image-classification", sut=predict, scenario="single-stream", duration="50ms", out=tmp_path / "run"
    )
    with pytest.raises(UsageError, match="code of the submitter's own"):
        mlassay.audit(run.path, round="v2.1", tests=["TEST04"])
    found = mlassay.audit(run.path, sut=predict, round="v2.1", tests=["TEST04"], out=tmp_path / "audit")
    assert [r.test for r in found.reports] == ["TEST04"]
    assert (tmp_path / "audit" / "TEST04" / "verify_performance.txt").is_file()
