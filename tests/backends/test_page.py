"""The reference page of backends is the code's, and every backend can be listed without its runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mlassay.backends import backend_registry
from mlassay.backends.onnx_providers import INSTALL

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/backends.md"


def test_the_page_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "scripts/backends_page.py"), "--check"], check=False)
    assert done.returncode == 0, "run scripts/backends_page.py"


def test_every_backend_and_provider_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    ours = [entry for entry in backend_registry if entry.target.startswith("mlassay.")]
    assert [entry.name for entry in ours if f"\n## {entry.name}\n" not in text] == []
    assert [name for name in INSTALL if f"| `{name.lower()}` |" not in text] == []
    wanted = {"CUDA", "Tensorrt", "OpenVINO", "QNN", "SNPE", "ArmNN", "ACL", "ROCM", "MIGraphX", "Dml", "CoreML"}
    assert wanted | {"VitisAI"} <= set(INSTALL)


def test_listing_loads_no_runtime() -> None:
    code = (
        "import sys; from mlassay.backends import backend_registry as r; [e.missing for e in r]; "
        "heavy = {'torch', 'onnxruntime', 'openvino', 'tensorflow', 'llama_cpp', 'cv2', 'ai_edge_litert', 'pyarmnn'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_not_installed_says_how() -> None:
    entry = backend_registry.entry("armnn")
    assert entry.missing in ("", "apt-get install python3-pyarmnn, and let this Python see it")
    from mlassay.core.registry import Entry

    assert Entry("x", "y:z", extra="no-such-module").missing == "pip install 'mlassay[no-such-module]'"
    assert Entry("x", "y:z", extra="e", module="json").missing == ""
