"""A packed submission runs again from its own folder: the same, materially different, or damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlassay.cli.main import main
from mlassay.core.errors import BadFile, UsageError
from mlassay.records.folder import open_run
from mlassay.records.replay_file import kept_text, read_kept
from mlassay.runs.replay import ReplayRequest, kept_runs, replay


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real short run, kept as `pack` keeps it."""
    pytest.importorskip("onnxruntime")
    import mlassay

    base = tmp_path_factory.mktemp("replay")
    for mode in ("performance", "accuracy"):
        mlassay.run(
            "image-classification", scenario="offline", mode=mode, duration="100ms", round="v5.1", division="open",
            data=None, out=base / mode,
        )  # fmt: skip
        folder = base / "submission" / "open" / "ACME" / "code" / "resnet50" / "mlassay" / "replay"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"box_Offline_{mode}.json").write_bytes(kept_text(open_run(base / mode).record))
    return base / "submission"


def test_every_kept_run_runs_again(submission: Path, tmp_path: Path) -> None:
    found = {r.mode.value: r for r in replay(ReplayRequest(submission=submission, out=tmp_path / "again"))}
    assert set(found) == {"performance", "accuracy"}
    accuracy = found["accuracy"]
    assert (accuracy.submitted, accuracy.ratio, accuracy.material) == (accuracy.again, 1.0, False)
    assert found["performance"].differs == (), "the same machine and software"
    assert found["performance"].ratio > 0
    assert open_run(found["performance"].path).complete


def test_a_submission_that_promised_more_is_told(
    submission: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy" / "replay"
    copy.mkdir(parents=True)
    data = json.loads(next(submission.rglob("*_accuracy.json")).read_text())
    data["accuracy"] *= 1.1
    data["machine"]["versions"]["onnxruntime"] = "0.1"
    (copy / "forged.json").write_text(json.dumps(data))
    with pytest.raises(SystemExit) as stopped:
        main(["replay", str(copy.parent), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 1
    said = capsys.readouterr().out
    assert "resnet Offline accuracy: materially different" in said
    assert "differs: versions onnxruntime: 0.1 then" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "no JSON object of schema 1"),
        (b"[1]", "no JSON object of schema 1"),
        (b'{"schema": 9}', "no JSON object of schema 1"),
        (b'{"schema": 1, "request": [], "machine": {}}', "request is no object"),
        (b'{"schema": 1, "request": {}, "machine": {}, "settings": 5, "outcome": {}}', "settings"),
    ],
)
def test_damaged_files_are_one_clear_error(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=message):
        read_kept(path)


def test_what_keeps_no_runs_is_told(tmp_path: Path, submission: Path) -> None:
    with pytest.raises(BadFile, match="without any replay"):
        kept_runs(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        kept_runs(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="none of bert is in"):
        replay(ReplayRequest(submission=submission, only=("bert",), out=tmp_path / "x"))


def test_paths_of_the_submitters_machine_are_neither_kept_nor_opened(tmp_path: Path, submission: Path) -> None:
    record = open_run(submission.parent / "performance").record
    mine = tmp_path / "mine.onnx"
    mine.touch()
    private = replace(record, request={**record.request, "data": "/home/me/data", "model": str(mine)})
    text = kept_text(private)
    assert str(tmp_path).encode() not in text
    assert b"/home/me" not in text
    (tmp_path / "replay").mkdir()
    kept = tmp_path / "replay" / "one.json"
    kept.write_bytes(text)
    wish = ReplayRequest(submission=tmp_path, out=tmp_path / "x")
    with pytest.raises(UsageError, match="on data of the submitter's"):
        replay(wish)
    with pytest.raises(UsageError, match=r"with the model file mine\.onnx"):
        replay(replace(wish, data=tmp_path))
    forged = json.loads(text)
    forged["request"] |= {"model": str(mine), "model_file": "", "data_given": False}
    kept.write_text(json.dumps(forged))
    with pytest.raises(UsageError, match="if you trust it"):
        replay(wish)


def test_nothing_to_compare_with_is_no_agreement(tmp_path: Path, submission: Path) -> None:
    data = json.loads(next(submission.rglob("*_accuracy.json")).read_text())
    data["accuracy"] = 0
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "zero.json").write_text(json.dumps(data))
    (found,) = replay(ReplayRequest(submission=tmp_path, out=tmp_path / "out"))
    assert found.material


def test_links_are_not_followed_out_of_the_submission(tmp_path: Path, submission: Path) -> None:
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "link.json").symlink_to(next(submission.rglob("*.json")))
    with pytest.raises(BadFile, match="without any replay"):
        kept_runs(tmp_path)
