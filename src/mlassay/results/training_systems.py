"""System descriptions of training rounds, in each of their published spellings, as one kind of row.

v0.5: results/<system>/entry.json with a list of nodes, submission.json above. v0.6 on: systems/<system>.json, flat or
with nodes. NVIDIA's of v0.6 are no JSON at all: `key: {json}` lines, and inside a Python dictionary as text.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlassay.results.chips import Chips, count_chips, sockets_of, whole_number
from mlassay.results.labels import is_none
from mlassay.submission.model import JsonFile, read_json
from mlassay.submission.tree import NotReadable, Tree

MAX_CONFIG_BYTES = 64 << 10
_LINE = re.compile(r"(\w+): (\{.*\})\s*")

MISSPELLED = {
    "sumitter": "submitter",
    "number of nodes": "number_of_nodes",
    "host_processors_core_count": "host_processor_core_count",
}
"""Keys of published files, with what they were meant to be."""

CODE_AREAS = {
    "resnet": "image_classification",
    "maskrcnn": "object_detection",
    "gnmt": "rnn_translator",
    "transformer": "translation",
    "ssd": "single_stage_detector",
    "ncf": "recommendation",
}
"""Where v0.5's code directories keep a benchmark."""


@dataclass(frozen=True, slots=True)
class Described:
    """One system description, whatever its spelling. `problems` are (found, expected)."""

    path: str
    data: Mapping[str, Any]
    problem: str = ""  # why nothing could be read: "absent", ...
    problems: tuple[tuple[str, str], ...] = ()

    def text(self, *keys: str) -> str:
        """The first of these keys that says something, at the top or in the first node."""
        for key in keys:
            for place in (self.data, self.node):
                value = place.get(key)
                if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
                    return str(value).strip()
        return ""

    def count(self, *keys: str) -> int | None:
        for key in keys:
            for place in (self.data, self.node):
                found = whole_number(place.get(key))
                if found is not None:
                    return found
        return None

    @property
    def node(self) -> Mapping[str, Any]:
        nodes = self.data.get("nodes")
        first = nodes[0] if isinstance(nodes, list) and nodes else nodes
        return first if isinstance(first, Mapping) else {}

    @property
    def nodes(self) -> int | None:
        return self.count("number_of_nodes", "num_nodes")

    @property
    def accelerator(self) -> str:
        said = self.text("accelerator_model_name", "accelerator")
        return "" if is_none(said) else said

    @property
    def accelerators_per_node(self) -> int | None:
        return self.count("accelerators_per_node", "num_accelerators")

    @property
    def host_sockets(self) -> int | None:
        given = self.count("host_processors_per_node")
        return given or sockets_of(self.text("hardware")) or sockets_of(self.text("host_processor_model_name", "cpu"))


def read_described(tree: Tree, path: str) -> Described:
    """Read a description; nothing in it can raise."""
    said = read_json(tree, path)
    if said.ok:
        return _tidy(path, said)
    if said.problem.startswith("not JSON"):
        lines = _key_lines(tree, path)
        if lines:
            odd = (f"{len(lines)} 'key: {{json}}' lines with a Python dictionary inside", "one JSON object")
            entry = lines.pop("entry", None)
            return Described(path, {**lines, **entry} if isinstance(entry, dict) else lines, problems=(odd,))
    return Described(path, {}, problem=said.problem)


def _tidy(path: str, said: JsonFile) -> Described:
    problems = [(f"{key} is given twice; the last one counts", "each key once") for key in said.duplicates]
    data = dict(said.data)
    for wrong, right in MISSPELLED.items():
        if wrong in data and right not in data:
            data[right] = data[wrong]
            problems.append((f"key {wrong!r}", repr(right)))
    return Described(path, data, problems=tuple(problems))


def _key_lines(tree: Tree, path: str) -> dict[str, Any]:
    """`entry: {"value": "{'hardware': …}"}` lines as one dictionary; the text under "entry" becomes one too."""
    try:
        text = tree.read(path, MAX_CONFIG_BYTES).decode("utf-8", "replace")
    except NotReadable:
        return {}
    out: dict[str, Any] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if not match:
            continue
        try:
            value = json.loads(match[2]).get("value")
        except (ValueError, AttributeError, RecursionError):
            continue
        out[match[1]] = _python_value(value)
    return out


def _python_value(value: object, depth: int = 0) -> Any:
    """Text that spells a Python dictionary becomes one, three levels deep; everything else stays."""
    if not (isinstance(value, str) and value.startswith("{")) or depth > 2:
        return value
    try:
        inner = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return {k: _python_value(v, depth + 1) for k, v in inner.items()} if isinstance(inner, dict) else value


def chips_of(tree: Tree, described: Described, *, system_folder: str, benchmark: str) -> Chips:
    """Chips of an entry: by its run configuration where one is there, else by the system's description."""
    by_config = _configured(tree, system_folder, benchmark)
    if by_config is not None:
        return by_config
    name = system_folder.rpartition("/")[2]
    return count_chips(
        system=name if described.accelerator or not described.data else f"{name} {described.text('hardware')}",
        accelerator=described.accelerator,
        nodes=described.nodes,
        accelerators_per_node=described.accelerators_per_node,
        host_sockets=described.host_sockets or sockets_of(name),
    )


def _configured(tree: Tree, system_folder: str, benchmark: str) -> Chips | None:
    """config_DGX1_multi.sh says on how many nodes and GPUs an entry really ran; entry.json names the whole cluster."""
    submission, _, system = system_folder.partition("/results/")
    match = re.match(r"dgx([12])h?(_multi)?_", system)
    area = CODE_AREAS.get(benchmark)
    if not match or area is None:
        return None
    name = f"config_DGX{match[1]}{match[2] or ''}.sh"
    base = f"{submission}/code/{area}"
    for framework in tree.subfolders(base):
        path = f"{base}/{framework}/{name}"
        if not tree.is_file(path):
            continue
        try:
            text = tree.read(path, MAX_CONFIG_BYTES).decode("utf-8", "replace")
        except NotReadable:
            return None
        nodes = re.search(r"^DGXNNODES=(\d{1,6})", text, re.MULTILINE)
        gpus = re.search(r"^DGXNGPU=(\d{1,4})", text, re.MULTILINE)
        if nodes and gpus:
            n, each = int(nodes[1]), int(gpus[1])
            return Chips(n * each, f"{name}: {n} {'node' if n == 1 else 'nodes'} × {each} GPUs", n)
    return None
