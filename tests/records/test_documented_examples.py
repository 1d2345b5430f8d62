"""The Python examples of the reference pages run, on a folder as `mlassay run` leaves it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlassay.records import run_json, trace_file
from mlassay.records.folder import KEPT, RunFolder
from mlassay.records.loadgen_log import AccuracyLogWriter, write_logs
from tests.records.runs import facts, outcome, server_settings
from tests.records.test_run_folder import recording

DOCS = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("page", ["logs.md", "run-folder.md"])
def test_python_examples_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.create(tmp_path / "my-run", server_settings())
    write_logs(folder.path, server_settings(), outcome(), facts())
    with AccuracyLogWriter(folder.accuracy_log) as log:
        log.write([0], [7], [b"abc"])
    folder.finish(recording(), outcome())
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for code in examples:
        exec(compile(code, page, "exec"), {})
    said = capsys.readouterr().out
    assert ("Server VALID 99" in said) if page == "logs.md" else ("every file is as the run left it" in said)


def test_every_file_and_key_is_documented() -> None:
    page = (DOCS / "run-folder.md").read_text(encoding="utf-8")
    for name in (*KEPT, *run_json.RunRecord.__dataclass_fields__, *run_json.State):
        assert f"`{name}`" in page, name
    from tests.records.test_run_folder import some_trace

    for column in trace_file.pack(some_trace()):
        assert f"`{column}`" in page, column
    logs = (DOCS / "logs.md").read_text(encoding="utf-8")
    for name in KEPT[1:5]:
        assert f"`{name}`" in logs
