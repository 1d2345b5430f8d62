"""mlassay: measure how fast a machine-learning system really is, at a stated quality, by rules anyone can repeat.

The public names are imported on first use, so that `import mlassay` stays instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mlassay._version import __version__

if TYPE_CHECKING:
    from mlassay.core.enums import Division, Mode, Scenario
    from mlassay.core.errors import MlassayError
    from mlassay.core.query import Query
    from mlassay.runs.api import audit, run

_PUBLIC = {
    "Division": "mlassay.core.enums",
    "Mode": "mlassay.core.enums",
    "Scenario": "mlassay.core.enums",
    "MlassayError": "mlassay.core.errors",
    "Query": "mlassay.core.query",
    "audit": "mlassay.runs.api",
    "run": "mlassay.runs.api",
}

__all__ = ["Division", "MlassayError", "Mode", "Query", "Scenario", "__version__", "audit", "run"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mlassay' has no attribute {name!r}")
