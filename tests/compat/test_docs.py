"""The how-to's harness is run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "replace-loadgen.md"


def test_the_harness_of_the_how_to_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (harness,) = [block for block in blocks if "StartTest(" in block]
    subprocess.run([sys.executable, "-c", harness], cwd=tmp_path, check=True, timeout=60)
    assert "Result is : VALID" in (tmp_path / "mlperf_log_summary.txt").read_text()
    assert len(list(tmp_path.glob("mlperf_log_*"))) == 4
