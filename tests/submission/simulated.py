"""Run folders of full-length runs, made on a virtual clock: ten minutes of load in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlassay.core.enums import Division, Mode, Scenario
from mlassay.core.outcome import Verdict
from mlassay.core.settings import Settings
from mlassay.core.trace import Recording
from mlassay.core.units import NS_PER_MS
from mlassay.loadgen.drive import drive
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import Plan, plan
from mlassay.records.folder import ACCURACY_TXT, RunFolder
from mlassay.records.loadgen_log import ACCURACY, LogFacts, Phase, write_logs
from mlassay.rules.reader import load_round
from mlassay.rules.resolve import resolve
from mlassay.rules.wishes import Wishes
from mlassay.testing import NumberLibrary, ScriptedSUT, VirtualClock

START_UNIX_NS = 1_700_000_000 * 10**9


def run_folder(
    path: Path,
    round_name: str,
    benchmark: str,
    scenario: Scenario,
    *,
    mode: Mode = Mode.PERFORMANCE,
    division: Division = Division.OPEN,
    latency_ns: int = 10 * NS_PER_MS,
    accuracy: str = "accuracy=76.0%, good=38000, total=50000\n",
    test: str = "",
    own_data: int = 0,
    **wishes: Any,
) -> Path:
    """Write the folder of one run as `mlassay run` would, by a SUT that takes `latency_ns` a query.

    `own_data`: so many samples of a data set that is not the benchmark's.
    """
    rule = load_round(round_name).benchmarks[benchmark]
    settings = resolve(
        Wishes(
            scenario=scenario, round=round_name, benchmark=benchmark, division=division, mode=mode, test=test, **wishes
        )
    )
    total = own_data or rule.dataset_size or 1000
    held = min(total, settings.performance_sample_count or total)
    clock = VirtualClock(start_ns=1_000)
    library = NumberLibrary(total)
    sut = ScriptedSUT(clock, latency_ns, servers=1, inline=True)
    plans = plan(settings, total, held)
    recording = drive(settings, plans, sut, library, clock=clock)
    outcome = judge(recording, settings)
    if mode is Mode.PERFORMANCE:
        assert outcome.verdict is Verdict.VALID, outcome.failed
    folder = RunFolder.create(
        path,
        settings,
        command=(f"mlassay run something --scenario {scenario.value} --round {round_name} --out {path}",),
        request={"task": "something", "official_profile": not own_data},
        library={"name": "numbers", "total_count": total},
        sut={"name": "scripted", "model": {"file": "net.onnx", "sha256": "ab" * 32, "inputs": ["x float32 (?, 3)"]}},
        extra={"compliance_test": test} if test else {},
    )
    write_logs(path, settings, outcome, _facts(settings, plans, recording, total, held))
    (path / ACCURACY).write_bytes(
        b"[\n"
        + (
            b'{ "seq_id": 0, "qsl_idx": 0, "data": "00" },\n' * 400
            if accuracy and mode is not Mode.PERFORMANCE
            else b""
        )
        + b"]\n"
    )
    if mode is not Mode.PERFORMANCE:
        (path / ACCURACY_TXT).write_text(accuracy)
    if test:
        (path / "verify_performance.txt").write_text("TEST PASS\n")
        (path / "verify_accuracy.txt").write_text("TEST PASS\n")
    folder.finish(recording, outcome)
    return path


def _facts(settings: Settings, plans: list[Plan], recording: Recording, total: int, held: int) -> LogFacts:
    phases = []
    row, first = 0, 0
    trace = recording.trace
    for one in plans:
        rows, samples = one.generated_query_count, len(one.index)
        issued, done = trace.issued_ns[row : row + rows], trace.done_ns[first : first + samples]
        begin = int(issued[0]) if len(issued) else 0
        end = int(done.max()) if len(done) else begin
        phases.append(
            Phase(
                mode=one.mode,
                loaded=one.load,
                query_count=rows,
                samples_per_query=one.samples_per_query,
                schedule_ns=int(one.due_ns[-1]) if len(one.due_ns) else 0,
                begin_unix_ns=START_UNIX_NS + begin,
                end_unix_ns=START_UNIX_NS + end,
            )
        )
        row, first = row + rows, first + samples
    return LogFacts(
        figures=plans[0].effective,
        phases=tuple(phases),
        opened_unix_ns=START_UNIX_NS,
        sut_name="scripted",
        qsl_name="numbers",
        qsl_total_count=total,
        qsl_performance_count=held,
        pid=1,
    )
