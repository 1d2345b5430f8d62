"""A submitter's user.conf and a test's audit.config decide a run as they do officially."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlassay.core.enums import Division, SampleOrder, Scenario
from mlassay.core.errors import BadFile, RuleViolation
from mlassay.core.settings import Server
from mlassay.rules.resolve import resolve
from mlassay.rules.wishes import Wishes
from mlassay.runs.request import RunRequest
from mlassay.runs.user_conf import confs_of, laid_over, overruled, with_expectations


def settings_with(folder: Path, user: str, audit: str = "", division: Division = Division.CLOSED) -> object:
    (folder / "user.conf").write_text(user, encoding="utf-8")
    (folder / "audit.config").write_text(audit, encoding="utf-8")
    wishes = Wishes(scenario=Scenario.SERVER, round="v5.1", benchmark="resnet", division=division)
    request = RunRequest(
        task="image-classification",
        wishes=wishes,
        user_conf=folder / "user.conf",
        audit_config=folder / "audit.config" if audit else None,
    )
    confs = confs_of(request)
    wishes = with_expectations(wishes, confs)
    return laid_over(resolve(wishes), wishes, confs)


def test_the_rate_comes_from_the_file(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, "resnet50.Server.target_qps = 321.5\n*.Server.target_qps = 1\n")
    assert isinstance(settings.load, Server)  # type: ignore[attr-defined]
    assert settings.load.target_qps == 321.5  # type: ignore[attr-defined]


def test_an_audit_lies_on_top(tmp_path: Path) -> None:
    settings = settings_with(
        tmp_path, "*.Server.target_qps = 10\n", "*.*.performance_issue_same = 1\n*.*.performance_issue_same_index = 3\n"
    )
    assert settings.sample_order is SampleOrder.SAME  # type: ignore[attr-defined]
    assert settings.same_index == 3  # type: ignore[attr-defined]


def test_closed_refuses_a_changed_bound_and_names_the_line(tmp_path: Path) -> None:
    text = "*.Server.target_qps = 10\n*.Server.target_latency = 500\n"
    with pytest.raises(RuleViolation, match=r"user\.conf, line 2: \*.Server.target_latency changes what is judged"):
        settings_with(tmp_path, text)
    settings = settings_with(tmp_path, text, division=Division.OPEN)
    assert settings.load.latency_bound_ns == 500_000_000  # type: ignore[attr-defined]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"user\.conf"):
        settings_with(tmp_path, "*.Server.target_qps = fast\n")


@pytest.mark.parametrize(
    ("scenario", "asked", "laid", "said"),
    [
        (Scenario.SERVER, {"target_qps": 100.0}, {"target_qps": 40.0}, "target_qps 40 is taken, not the 100 asked for"),
        (
            Scenario.SINGLE_STREAM,
            {"expected_latency_ns": 2_000_000},
            {"expected_latency_ns": 300_000},
            "target_latency 0.3 ms is taken, not the 2 ms asked for",
        ),
        (Scenario.SERVER, {}, {"target_qps": 40.0}, ""),
        (Scenario.SERVER, {"target_qps": 40.0}, {"target_qps": 40.0}, ""),
    ],
)
def test_a_file_does_not_win_in_silence(
    scenario: Scenario, asked: dict[str, Any], laid: dict[str, Any], said: str
) -> None:
    found = overruled(Wishes(scenario=scenario, **asked), Wishes(scenario=scenario, **laid))
    assert "".join(found).removeprefix("user.conf's ") == said
