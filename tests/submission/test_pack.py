"""Run folders to a submission: it passes, it is the same twice, and what the rules refuse is refused before writing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlassay.core.enums import Division, Mode, Scenario
from mlassay.core.errors import BadFile, RuleViolation, UsageError
from mlassay.rules.reader import load_round
from mlassay.submission.checker import check
from mlassay.submission.pack import plan_pack
from mlassay.submission.pack_request import PackRequest
from mlassay.submission.pack_write import write_archive, write_plan
from tests.submission.maker import system_json
from tests.submission.simulated import run_folder

SAID = {"weight_data_types": "fp32", "weight_transformations": "none", "retraining": "no"}
SS, MS, OFF, SRV = Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.OFFLINE, Scenario.SERVER
WISHES = {SS: {"expected_latency_ns": 9_000_000}, MS: {"expected_latency_ns": 9_000_000}, OFF: {"target_qps": 120.0}}
SMALL = "3d-unet-99"  # 42 or 43 samples
DICE = "Accuracy: mean = 0.87, kidney = 0.9, tumor = 0.8\n"


def both(base: Path, round_name: str, benchmark: str, scenario: Scenario, **more: object) -> list[Path]:
    """A performance and an accuracy run."""
    latency = 700 * 10**9 if scenario is OFF else 10_000_000
    paths = []
    for mode in (Mode.PERFORMANCE, Mode.ACCURACY):
        path = base / f"{benchmark}-{scenario.value}-{mode.value}"
        wishes = WISHES.get(scenario, {})
        run_folder(path, round_name, benchmark, scenario, mode=mode, latency_ns=latency, **wishes, **more)  # type: ignore[arg-type]
        paths.append(path)
    return paths


def description(base: Path, round_name: str, suite: str = "edge", name: str = "box") -> Path:
    path = base / f"{name}.json"
    data = system_json(load_round(round_name), suite, "open", "somebody", name)
    path.write_text(json.dumps(data))
    return path


def request(base: Path, round_name: str, division: Division = Division.OPEN, **more: object) -> PackRequest:
    return PackRequest(
        round=round_name,
        division=division,
        submitter="ACME",
        system=description(base, round_name),
        **{"measurements": SAID, **more},  # type: ignore[arg-type]
    )


def audited(base: Path, round_name: str, scenario: Scenario, division: Division) -> list[Path]:
    """The compliance runs that a closed 3D-UNet result needs."""
    paths = []
    for test in load_round(round_name).benchmarks[SMALL].compliance:
        path = base / f"{scenario.value}-{test}"
        latency = 700 * 10**9 if scenario is OFF else 10_000_000
        wishes = WISHES.get(scenario, {})
        run_folder(path, round_name, SMALL, scenario, latency_ns=latency, division=division, test=test, **wishes)  # type: ignore[arg-type]
        paths.append(path)
    return paths


@pytest.mark.parametrize(
    ("round_name", "benchmark"), [("v0.5", "resnet"), ("v1.0", SMALL), ("v5.1", SMALL), ("v6.0", SMALL)]
)
def test_our_own_runs_pass_in_every_layout(round_name: str, benchmark: str, tmp_path: Path) -> None:
    words = {} if benchmark == "resnet" else {"accuracy": DICE}
    runs = both(tmp_path, round_name, benchmark, SS, **words)
    plan = plan_pack(runs, request(tmp_path, round_name, infer=False))
    assert plan.findings == ()
    packed = write_plan(plan, tmp_path / "out")
    report = check(tmp_path / "out")
    assert (report.round, report.verdict, report.findings) == (round_name, "pass", ())
    assert [(r.division, r.scenario, r.value, r.valid) for r in report.results] == [
        ("open", "SingleStream", 10.0, True)
    ]
    manifest = json.loads(packed.manifest.read_text())
    for path, row in manifest["files"].items():
        content = (tmp_path / "out" / path).read_bytes()
        assert (row["bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert len(manifest["files"]) == len(plan.files)


@pytest.mark.parametrize("round_name", ["v0.5", "v1.1", "v5.1", "v6.0"])
def test_runs_on_other_data_pass_in_open_and_say_so(round_name: str, tmp_path: Path) -> None:
    """As those of the quickstart: another model on 2,000 photographs of clothing, by the rules of ResNet-50."""
    text = "accuracy=94.050%, good=1881, total=2000\n"
    runs = both(tmp_path, round_name, "resnet", SS, accuracy=text, own_data=2000)
    plan = plan_pack(runs, request(tmp_path, round_name, infer=False, model="fashion-mobilenet"))
    assert [(f.id, f.severity.value, f.found, f.expected) for f in plan.findings] == [
        ("ACC009", "warning", "2,000 samples", "50,000")
    ]
    write_plan(plan, tmp_path / "out")
    assert check(tmp_path / "out").verdict == "pass"
    (said,) = (tmp_path / "out").rglob("open_division.md")
    assert "(2000 samples) in place of the benchmark's" in said.read_text()


def closed_runs(base: Path, round_name: str) -> list[Path]:
    division = Division.CLOSED
    runs = []
    for scenario in (SS, OFF):
        runs += both(base, round_name, SMALL, scenario, division=division, accuracy=DICE)
        runs += audited(base, round_name, scenario, division)
    return runs


@pytest.mark.parametrize("round_name", ["v2.1", "v5.1", "v6.0"])
def test_a_closed_submission_with_its_compliance_tests(round_name: str, tmp_path: Path) -> None:
    note = tmp_path / "calibration.md"
    note.write_text("Nothing was quantised.\n")
    runs = closed_runs(tmp_path, round_name)
    plan = plan_pack(runs, request(tmp_path, round_name, Division.CLOSED, calibration=note))
    assert plan.findings == ()
    write_plan(plan, tmp_path / "out")
    report = check(tmp_path / "out")
    assert (report.verdict, report.findings, len(report.results)) == ("pass", (), 2)


def test_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    runs = both(tmp_path, "v5.1", SMALL, SS, accuracy=DICE)
    asked = request(tmp_path, "v5.1")
    sums = []
    for name in ("one", "two"):
        write_archive(plan_pack(runs, asked), tmp_path / f"{name}.tar.gz")
        write_plan(plan_pack(list(reversed(runs)), asked), tmp_path / name)
        sums.append(hashlib.sha256((tmp_path / f"{name}.tar.gz").read_bytes()).hexdigest())
    assert sums[0] == sums[1]
    assert (tmp_path / "one-manifest.json").read_bytes() == (tmp_path / "two-manifest.json").read_bytes()
    assert check(tmp_path / "one.tar.gz").findings == check(tmp_path / "one").findings == ()


def test_a_folder_stands_for_the_runs_in_it(tmp_path: Path) -> None:
    """`mlassay run --mode submission` leaves accuracy/ and performance/run_1/ in one folder."""
    runs = both(tmp_path / "mine", "v5.1", SMALL, SS, accuracy=DICE)
    asked = request(tmp_path, "v5.1")
    apart, together, twice = (plan_pack(r, asked) for r in (runs, [tmp_path / "mine"], [*runs, tmp_path / "mine"]))
    assert set(apart.files) == set(together.files) == set(twice.files)
    (tmp_path / "none").mkdir()
    with pytest.raises(BadFile, match="no run folder"):
        plan_pack([tmp_path / "none"], asked)


def test_an_edge_scenario_is_inferred_when_it_may_be(tmp_path: Path) -> None:
    runs = both(tmp_path, "v5.1", "resnet", SS)
    plan = plan_pack(runs, request(tmp_path, "v5.1"))
    assert plan.notes == [
        "resnet MultiStream is inferred from SingleStream",
        "resnet Offline is inferred from SingleStream",
    ]
    write_plan(plan, tmp_path / "out")
    rows = check(tmp_path / "out").results
    assert [(r.scenario, r.inferred) for r in rows] == [
        ("MultiStream", True),
        ("Offline", True),
        ("SingleStream", False),
    ]
    assert rows[0].value == 80.0
    plain = plan_pack(runs, request(tmp_path, "v5.1", infer=False))
    assert plain.notes == []


def test_accuracy_logs_are_truncated_and_kept_beside(tmp_path: Path) -> None:
    runs = both(tmp_path, "v5.1", SMALL, SS, accuracy=DICE)
    whole = (runs[1] / "mlperf_log_accuracy.json").read_bytes()
    packed = write_plan(plan_pack(runs, request(tmp_path, "v5.1", infer=False)), tmp_path / "out")
    folder = f"open/ACME/results/box/{SMALL}/SingleStream/accuracy"
    text = (packed.tree / folder / "accuracy.txt").read_text()
    assert text == DICE + f"hash={hashlib.sha256(whole).hexdigest()}\n"
    assert (packed.tree / folder / "mlperf_log_accuracy.json").stat().st_size <= 10 * 1024
    assert packed.originals is not None
    assert (packed.originals / folder / "mlperf_log_accuracy.json").read_bytes() == whole


def test_own_models_are_mapped(tmp_path: Path) -> None:
    runs = both(tmp_path, "v5.1", SMALL, SS, accuracy=DICE)
    plan = plan_pack(runs, request(tmp_path, "v5.1", model="my-net"))
    assert plan.findings == ()
    assert json.loads(plan.files["open/ACME/model_mapping.json"].content or b"") == {"my-net": SMALL}
    assert any(p.startswith("open/ACME/results/box/my-net/SingleStream/") for p in plan.files)


def test_a_second_system_joins_and_a_different_file_is_refused(tmp_path: Path) -> None:
    runs = both(tmp_path, "v5.1", SMALL, SS, accuracy=DICE)
    asked = request(tmp_path, "v5.1", infer=False)
    write_plan(plan_pack(runs, asked), tmp_path / "out")
    write_plan(plan_pack(runs, asked), tmp_path / "out")
    other = description(tmp_path, "v5.1", name="crate")
    from dataclasses import replace

    write_plan(plan_pack(runs, replace(asked, system=other)), tmp_path / "out")
    assert len(check(tmp_path / "out").results) == 2
    before = sorted((p, p.read_bytes()) for p in (tmp_path / "out").rglob("*") if p.is_file())
    changed = plan_pack(runs, replace(asked, measurements={**SAID, "retraining": "yes"}))
    with pytest.raises(UsageError, match="exists and differs"):
        write_plan(changed, tmp_path / "out")
    assert sorted((p, p.read_bytes()) for p in (tmp_path / "out").rglob("*") if p.is_file()) == before


def test_what_would_be_rejected_is_not_written(tmp_path: Path) -> None:
    runs = both(tmp_path, "v5.1", SMALL, OFF, division=Division.CLOSED, accuracy=DICE)
    plan = plan_pack(runs, request(tmp_path, "v5.1", Division.CLOSED))
    assert sorted({f.id for f in plan.refusals}) == ["COMP001", "SCN004", "TREE021"]
    with pytest.raises(RuleViolation) as caught:
        write_plan(plan, tmp_path / "out")
    assert "this submission would be rejected, so it is not written" in caught.value.message
    assert "COMP001 closed/ACME/compliance/box/3d-unet-99/Offline/TEST01: found absent" in caught.value.message
    assert not (tmp_path / "out").exists()


Case = tuple[Callable[[Path], tuple[list[Path], PackRequest]], type[Exception], str]


def _other_round(base: Path) -> tuple[list[Path], PackRequest]:
    return both(base, "v5.0", SMALL, SS, accuracy=DICE), request(base, "v5.1")


def _open_run_in_closed(base: Path) -> tuple[list[Path], PackRequest]:
    return both(base, "v5.1", SMALL, SS, accuracy=DICE), request(base, "v5.1", Division.CLOSED)


def _two_runs(base: Path) -> tuple[list[Path], PackRequest]:
    (base / "a").mkdir()
    (base / "b").mkdir()
    runs = both(base / "a", "v5.1", SMALL, SS, accuracy=DICE) + both(base / "b", "v5.1", SMALL, SS, accuracy=DICE)
    return runs, request(base, "v5.1")


def _edited(base: Path) -> tuple[list[Path], PackRequest]:
    runs = both(base, "v5.1", SMALL, SS, accuracy=DICE)
    log = runs[0] / "mlperf_log_detail.txt"
    log.write_bytes(log.read_bytes() + b"\n")
    return runs, request(base, "v5.1")


def _unknown_fields(base: Path) -> tuple[list[Path], PackRequest]:
    return both(base, "v5.1", SMALL, SS, accuracy=DICE), request(base, "v5.1", measurements={})


def _no_division(base: Path) -> tuple[list[Path], PackRequest]:
    return both(base, "v1.0", "resnet", SS), request(base, "v1.0", Division.NETWORK)


@pytest.mark.parametrize(
    ("case", "kind", "message"),
    [
        (_other_round, RuleViolation, "was run for v5.0, not for v5.1"),
        (_open_run_in_closed, RuleViolation, "is an open-division run"),
        (_two_runs, UsageError, "2 performance runs of 3d-unet-99 single-stream"),
        (_edited, UsageError, "mlperf_log_detail.txt was changed after the run"),
        (_unknown_fields, UsageError, "retraining, weight_data_types, weight_transformations: not known from"),
        (_no_division, RuleViolation, "v1.0 has no network division"),
    ],
)
def test_refusals(case: Callable[[Path], object], kind: type[Exception], message: str, tmp_path: Path) -> None:
    runs, asked = case(tmp_path)  # type: ignore[misc]
    with pytest.raises(kind, match=message):
        plan_pack(runs, asked)


def test_a_run_folder_is_checked_by_its_own_benchmark(tmp_path: Path) -> None:
    path = run_folder(tmp_path / "run", "v5.1", SMALL, SS, expected_latency_ns=9_000_000)
    report = check(path)
    assert (report.round, report.findings) == ("v5.1", ())
    assert [(r.benchmark, r.scenario, r.value) for r in report.results] == [(SMALL, "SingleStream", 10.0)]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mlassay.cli.main import main

    runs = both(tmp_path, "v5.1", SMALL, SS, accuracy=DICE)
    words = ["pack", *map(str, runs), "--round", "v5.1", "--division", "open", "--submitter", "ACME", "--no-infer"]
    words += ["--system", str(description(tmp_path, "v5.1"))]
    words += [w for key, value in SAID.items() for w in ("-m", f"{key}={value}")]

    def run(*more: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([*words, *more])
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    code, out, _ = run("--plan")
    assert (code, out.splitlines()[-1].partition(",")[0]) == (0, "14 files")
    assert not (tmp_path / "out").exists()
    code, out, _ = run("--plan", "--json")
    assert (code, json.loads(out)["refused"]) == (0, False)
    code, out, _ = run("--out", str(tmp_path / "out"))
    assert code == 0
    assert out.splitlines()[-1] == f"next: mlassay check {tmp_path / 'out'}"
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "where to?" in err
