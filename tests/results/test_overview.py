"""What the dashboard asks besides lists: the newest, what needs attention, one task across rounds, one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.core.errors import UnknownName
from mlassay.core.outcome import Verdict
from mlassay.results.database import Database
from mlassay.results.detail import run_detail
from mlassay.results.importer import import_path
from mlassay.results.overview import across_rounds, attention, newest
from tests.results.runs import lognormal, write_run
from tests.results.test_rounds import write
from tests.submission.maker import make


def test_your_newest_results_and_what_needs_attention(either: Database, tmp_path: Path) -> None:
    for name, verdict in (("good", Verdict.VALID), ("short", Verdict.INDICATIVE), ("bad", Verdict.INVALID)):
        write_run(tmp_path / "runs" / name, lognormal(1), verdict=verdict)
    write_run(tmp_path / "runs" / "cut", lognormal(1), finish=False)
    import_path(either, tmp_path / "runs")
    import_path(either, write(make("v4.1", "resnet"), tmp_path / "inference_results_v4.1"))
    with either.reading() as connection:
        assert {Path(r.path).name for r in newest(connection)} == {"cut", "bad", "short", "good"}
        assert {Path(r.path).name for r in attention(connection)} == {"cut", "bad", "short"}
        assert len(newest(connection, limit=2)) == 2


def test_one_task_across_the_rounds_with_its_breaks(database: Database, tmp_path: Path) -> None:
    for name in ("v0.5", "v1.0", "v2.0", "v5.1"):
        import_path(
            database, write(make(name, "resnet", scenarios=("MultiStream",)), tmp_path / f"inference_results_{name}")
        )
    with database.reading() as connection:
        points = across_rounds(connection, "resnet", "MultiStream")
    assert [(p.round, p.comparable) for p in points] == [
        ("v0.5", None),
        ("v1.0", True),
        ("v2.0", False),
        ("v5.1", True),
    ]
    assert "the metric changed from streams to ms" in points[2].reason


@pytest.mark.shared
def test_training_rounds_are_never_linked(history_db: Database) -> None:
    with history_db.reading() as connection:
        points = across_rounds(connection, "resnet", "")
    assert [(p.round, p.comparable, round(p.best.value or 0, 2)) for p in points] == [
        ("v0.5", None, 6.24),
        ("v0.6", False, 1.28),
    ]


def test_one_run_query_by_query(either: Database, tmp_path: Path) -> None:
    import_path(either, write_run(tmp_path / "r", lognormal(1)))
    with either.reading() as connection:
        found = run_detail(connection, 1)
        with pytest.raises(UnknownName, match="unknown run '7'"):
            run_detail(connection, 7)
    assert (found.n_answered, found.n_unanswered) == (5000, 0)
    assert sum(found.histogram["counts"]) == 5000
    assert [b.text for b in found.bounds] == ["enough queries"]
    assert found.failed == ()
    assert found.timeline["bucket_s"] > 0
    assert found.result.benchmark == "toy"
