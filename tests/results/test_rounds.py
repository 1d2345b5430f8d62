"""Submissions of every round and layout, imported whole: the values are those of the logs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from mlassay.results.database import Database
from mlassay.results.importer import import_path
from mlassay.results.queries import Filter, ResultView, results
from mlassay.results.rank import Per, rank
from mlassay.results.store import sources
from mlassay.rules.reader import rounds
from tests.submission.maker import Made, add_power, make, to_endpoints

SHA = "0123456789abcdef0123456789abcdef01234567"


def write(made: Made, root: Path) -> Path:
    tree = made.tree()
    for path in tree.nodes:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(tree.read(path))
    return root


def load(database: Database, root: Path) -> list[ResultView]:
    import_path(database, root)
    with database.reading() as connection:
        return results(connection)


@pytest.mark.parametrize("name", rounds())
def test_every_round_and_layout(database: Database, tmp_path: Path, name: str) -> None:
    rows = load(database, write(make(name, "resnet"), tmp_path / "mine"))
    assert {r.round for r in rows} == {name}
    assert len(rows) >= 2
    for row in rows:
        assert (row.state, row.verdict, row.benchmark, row.published) == ("read", "VALID", "resnet", False)
        assert row.value
        assert row.value > 0
        assert row.unit in ("ms", "samples/s", "queries/s", "streams")
        assert row.quality_met is True
        assert row.chips
        assert row.source_kind == "submission"


def test_official_power_is_kept_and_ranked_by(database: Database, tmp_path: Path) -> None:
    made = make("v4.1", "resnet", suite="datacenter")
    add_power(made, "Offline")
    rows = {r.scenario: r for r in load(database, write(made, tmp_path / "mine"))}
    assert rows["Offline"].power_unit == "watts"
    assert rows["Offline"].power_value
    assert rows["Server"].power_value is None
    with database.reading() as connection:
        wanted = Filter(benchmark=("resnet",), scenario=("Offline",))
        (place,) = rank(connection, wanted, per=Per.WATT).places
        assert results(connection, Filter(has_power=True)) == [rows["Offline"]]
    assert place.score == pytest.approx((rows["Offline"].value or 0) / rows["Offline"].power_value)
    assert place.unit == "samples/s per W"


def test_http_endpoints_of_v61(database: Database, tmp_path: Path) -> None:
    made = make("v6.1", "llama3.1-8b", suite="datacenter")
    to_endpoints(made, "Offline")
    rows = {r.scenario: r for r in load(database, write(made, tmp_path / "mine"))}
    assert rows["Offline"].value is not None


def test_a_clone_and_an_archive_name_their_commit(database: Database, tmp_path: Path) -> None:
    clone = write(make("v4.1", "resnet"), tmp_path / "inference_results_v4.1")
    (clone / ".git" / "refs" / "heads").mkdir(parents=True)
    (clone / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (clone / ".git" / "refs" / "heads" / "main").write_text(SHA + "\n")
    rows = load(database, clone)
    assert {(r.source, r.commit_id, r.published, r.url) for r in rows} == {
        ("inference_results_v4.1", SHA, True, "https://github.com/mlcommons/inference_results_v4.1")
    }
    packed = tmp_path / f"inference_results_v4.0-{SHA}.zip"
    tree = make("v4.0", "resnet").tree()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in tree.nodes:
            archive.writestr(f"inference_results_v4.0-{SHA}/{path}", tree.read(path))
    import_path(database, packed)
    assert {s.name: s.commit_id for s in sources(database)} == {
        "inference_results_v4.0": SHA,
        "inference_results_v4.1": SHA,
    }
