"""How many chips did the work? Counted one way for every submitter, always with the reason for the count.

Accelerators where there are any, else processor sockets. TPU entries of v2 and v3 count cores, two to a chip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlassay.results.labels import is_none

_TPU = re.compile(r"tpu[- ]?(?:rdi-)?v([23])[-.](\d+)(?:x(\d+))?", re.IGNORECASE)
TPU_CORES_PER_CHIP = 2


@dataclass(frozen=True, slots=True)
class Chips:
    """A count and where it comes from; `count` is None when nothing tells it. `nodes` where the count knows better."""

    count: int | None
    source: str
    nodes: int | None = None


def count_chips(
    *,
    system: str,
    accelerator: str,
    nodes: int | None,
    accelerators_per_node: int | None,
    host_sockets: int | None,
) -> Chips:
    """Chips of a system description. `system` and `accelerator` are searched for TPU slice names."""
    for text in (system, accelerator):
        cores = tpu_cores(text)
        if cores:
            chips = cores // TPU_CORES_PER_CHIP
            return Chips(chips, f"{text}: {cores} cores, {TPU_CORES_PER_CHIP} to a chip")
    if not is_none(accelerator) and accelerators_per_node:
        return Chips((nodes or 1) * accelerators_per_node, _times(nodes, accelerators_per_node, "accelerator"))
    if host_sockets:
        return Chips((nodes or 1) * host_sockets, _times(nodes, host_sockets, "processor socket"))
    return Chips(None, "the system description gives no count")


def tpu_cores(text: str) -> int | None:
    """'tpu-v3.8x32' -> 256, 'tpuv3-32' -> 32; None for what is no TPU v2 or v3 slice."""
    match = _TPU.search(text)
    return int(match[2]) * int(match[3] or 1) if match else None


def _times(nodes: int | None, each: int, what: str) -> str:
    what = what if each == 1 else f"{what}s"
    if nodes is None:
        return f"{each} {what}; number of nodes not given, one assumed"
    return f"{nodes} {'node' if nodes == 1 else 'nodes'} × {each} {what}"


def sockets_of(text: str) -> int | None:
    """Sockets named in free text: '8-nodes 2x Intel(R) Xeon(R)', 'skx_8180_4s_4x'."""
    match = re.search(r"(?<![\d-])(\d{1,2})\s?x\s+(?:Intel|AMD|Arm|Ampere|IBM)", text, re.IGNORECASE)
    match = match or re.search(r"(?<![\da-z])(\d{1,2})[sS](?![a-z\d])", text)
    return int(match[1]) if match else None


def whole_number(value: object) -> int | None:
    """A count as submitters write it: 8, '8', '8.0', ' 2 '; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"\s*(\d{1,7})(?:\.0+)?\s*", str(value))
    return int(match[1]) if match else None
