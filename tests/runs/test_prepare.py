"""What is measured before a run because nobody said it, and what a run's files warn of."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlassay.backends.functions import FunctionSUT
from mlassay.core.enums import Scenario
from mlassay.runs.api import make_request
from mlassay.runs.inference import run_inference, run_report
from mlassay.runs.prepare import LONG_ENOUGH_NS, prepare, probe_offline_rate
from mlassay.testing import NumberLibrary

pytest.importorskip("onnxruntime")


def test_the_offline_probe_grows_until_it_can_be_trusted() -> None:
    asked: list[int] = []

    def slow_at_first(samples: Any) -> list[int]:
        asked.append(len(samples))
        time.sleep(2e-4 * len(samples) + (0.05 if len(asked) == 1 else 0))
        return [0] * len(samples)

    task: Any = SimpleNamespace(library=NumberLibrary(64))
    rate, samples = probe_offline_rate(task, FunctionSUT(slow_at_first))
    assert samples * 2e-4 * 1e9 >= 0.9 * LONG_ENOUGH_NS / 4
    assert asked[-1] == asked[-2] == samples
    assert 2500 < rate < 5000  # of 5000 without any overhead; the slow beginning does not count


def test_lines_of_user_conf_that_do_nothing_are_told(tmp_path: Path) -> None:
    conf = tmp_path / "user.conf"
    conf.write_text("*.Server.min_durashun = 5\n*.Server.target_qps=50\n")
    request = make_request(
        "image-classification", scenario="server", sut=lambda samples: [0] * len(samples), duration="100ms", queries=1,
        user_conf=conf, out=tmp_path / "run",
    )  # fmt: skip
    warnings = (
        f"{conf}, line 1: no load generator knows the key 'min_durashun', it has no effect; did you mean min_duration?",
        f"{conf}, line 2: the official reader skips *.Server.target_qps without spaces around '='",
    )
    results = run_inference(request)
    assert results.warnings == warnings
    assert run_report(results)["warnings"] == list(warnings)


@pytest.mark.parametrize("scenario", [Scenario.SERVER, Scenario.OFFLINE, Scenario.SINGLE_STREAM])
def test_hints_name_options_that_exist(scenario: Scenario) -> None:
    """A user reads what to type, not how a field is called inside."""
    import re

    from mlassay.cli.run import command
    from mlassay.loadgen.drive import drive
    from mlassay.loadgen.judge import judge
    from mlassay.loadgen.plan import plan

    known = {name for param in command.params for name in param.opts}
    request = make_request(
        "image-classification", scenario=scenario, sut=lambda samples: (time.sleep(0.002), [0] * len(samples))[1],
        round="v5.1", duration="30ms", queries=1, samples=1, target_qps=600.0, latency_bound="1ms",
    )  # fmt: skip
    prepared = prepare(request)
    library = prepared.task.library
    plans = plan(prepared.settings, library.total_count, library.performance_count)
    outcome = judge(drive(prepared.settings, plans, prepared.sut, library), prepared.settings)
    hints = " ".join([*outcome.advice, *(c.hint for c in outcome.checks)])
    named = set(re.findall(r"--[a-z-]+", hints))
    assert named
    assert named <= known
    assert not re.search(r"[a-z]_[a-z]", hints)
