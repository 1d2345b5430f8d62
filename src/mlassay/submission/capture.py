"""What this machine tells about itself without root and without changing anything: a system description's first draft.

Everything is read from /proc, /sys and the drivers' own libraries. What cannot be seen is left empty and named, with
the reason, so that a person fills it in; nothing is guessed.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mlassay.core.units import format_bytes
from mlassay.rules.round import Round
from mlassay.submission.accelerators import Accelerator, accelerators
from mlassay.submission.schema import system_schema

FRAMEWORKS = ("onnxruntime", "openvino", "torch", "tensorflow", "ai-edge-litert", "jax")
LIBRARIES = ("mlassay", "numpy", "onnx", "pillow", "scipy")


@dataclass(frozen=True, slots=True)
class Captured:
    """A description's fields, and the ones that could not be seen with the reason why."""

    fields: Mapping[str, str]
    unseen: Mapping[str, str]


@dataclass(slots=True)
class _Draft:
    values: dict[str, str] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)

    def say(self, name: str, value: str, why_not: str = "") -> None:
        if value:
            self.values[name] = value
        else:
            self.unseen[name] = why_not or "not visible to an ordinary user"


def capture(round_: Round, root: Path = Path("/")) -> Captured:
    """Describe the machine below `root` (another one only in tests) in the fields of a round."""
    draft = _Draft()
    _processor(draft, root)
    _memory(draft, root)
    _storage(draft, root)
    _network(draft, root)
    _accelerators(draft, accelerators(root))
    _software(draft, root)
    _power(draft, root)
    draft.say("number_of_nodes", "1")
    draft.say("host_networking_topology", "N/A")
    for name, why in _PEOPLE.items():
        draft.say(name, "", why)
    schema = system_schema(round_)
    fields = {name: draft.values.get(name, "") for name in schema.required}
    unseen = {}
    for name in schema.required:
        if not fields[name]:
            unseen[name] = draft.unseen.get(name, "not visible to an ordinary user")
    return Captured(fields, unseen)


_PEOPLE = {
    "submitter": "who submits",
    "division": "mlassay pack sets it",
    "status": "available, preview or rdi: only you know",
    "system_type": "datacenter or edge: only you know",
    "system_type_detail": "may stay empty",
    "system_name": "the name that people know the system by",
    "cooling": "air, liquid or passive: no sensor tells",
    "host_processor_interconnect": "may stay empty; no interface tells",
}


def _read(path: Path) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20).replace("\0", "").strip()
    except (OSError, ValueError):
        return ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _list(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def _processor(draft: _Draft, root: Path) -> None:
    blocks = [b for b in _read(root / "proc/cpuinfo").split("\n\n") if b.strip()]
    rows = [dict(_pair(line) for line in block.splitlines() if ":" in line) for block in blocks]
    names = [r.get("model name") or r.get("Model") or r.get("cpu model") or "" for r in rows]
    model = next((n for n in names if n), "") or _read(root / "sys/firmware/devicetree/base/model")
    draft.say("host_processor_model_name", model, "/proc/cpuinfo names no model")
    sockets = {r["physical id"] for r in rows if "physical id" in r}
    draft.say("host_processors_per_node", str(len(sockets)) if sockets else "", "/proc/cpuinfo shows no sockets")
    cores = next((r["cpu cores"] for r in rows if "cpu cores" in r), "")
    draft.say("host_processor_core_count", cores, "/proc/cpuinfo shows no cores")
    base = root / "sys/devices/system/cpu/cpu0"
    khz = _number(_read(base / "cpufreq/cpuinfo_max_freq"))
    draft.say("host_processor_frequency", f"{khz / 1e6:.2f} GHz maximum" if khz else "", "no cpufreq interface")
    draft.say("host_processor_caches", _caches(base / "cache"), "no cache interface")


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _caches(folder: Path) -> str:
    parts = []
    for index in _list(folder):
        level, kind, size = (_read(index / n) for n in ("level", "type", "size"))
        if level and size:
            letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
            shared = _read(index / "shared_cpu_list")
            parts.append(f"L{level}{letter} {size}" + (f" (cpus {shared})" if shared else ""))
    return ", ".join(parts)


def _memory(draft: _Draft, root: Path) -> None:
    lines = dict(_pair(line) for line in _read(root / "proc/meminfo").splitlines() if ":" in line)
    kib = _number(lines.get("MemTotal", "").removesuffix("kB").strip())
    draft.say("host_memory_capacity", format_bytes(kib * 1024) if kib else "", "no /proc/meminfo")
    modules: Counter[str] = Counter()
    for controller in _list(root / "sys/devices/system/edac/mc"):
        for module in _list(controller):
            size = _number(_read(module / "size"))
            if module.name.startswith(("dimm", "rank")) and size:
                modules[f"{size} MB {_read(module / 'dimm_mem_type')}".strip()] += 1
    text = ", ".join(f"{count} x {kind}" for kind, count in modules.items())
    draft.say("host_memory_configuration", text, "modules are shown to root only (dmidecode -t memory)")


def _storage(draft: _Draft, root: Path) -> None:
    total, kinds = 0, Counter[str]()
    for disk in _list(root / "sys/block"):
        sectors = _number(_read(disk / "size"))
        if not sectors or disk.name.startswith(("loop", "ram", "zram", "dm-", "md", "sr", "fd")):
            continue
        total += 512 * sectors
        rotates = _read(disk / "queue/rotational") == "1"
        if disk.name.startswith("nvme"):
            kinds["NVMe SSD"] += 1
        elif disk.name.startswith("mmcblk"):
            kinds["eMMC or SD card"] += 1
        elif disk.name.startswith(("vd", "xvd")):
            kinds["virtual disk"] += 1
        else:
            kinds["hard disk" if rotates else "SSD"] += 1
    draft.say("host_storage_capacity", format_bytes(total) if total else "", "no block device visible")
    draft.say("host_storage_type", ", ".join(f"{n} x {kind}" for kind, n in kinds.items()), "no block device visible")


def _network(draft: _Draft, root: Path) -> None:
    cards, speeds = set(), []
    for port in _list(root / "sys/class/net"):
        device = port / "device"
        if not device.exists():
            continue  # virtual
        cards.add(os.path.realpath(device))
        mbit = _read(port / "speed")
        wireless = (port / "wireless").exists()
        kind = "Wi-Fi" if wireless else "InfiniBand" if port.name.startswith("ib") else "Ethernet"
        speeds.append(f"{int(mbit) / 1000:g} Gbit/s {kind}" if mbit.isdigit() and int(mbit) > 0 else kind)
    draft.say("host_networking", ", ".join(dict.fromkeys(speeds)), "no network card visible; N/A if it plays no part")
    draft.say(
        "host_network_card_count", f"{len(cards)}" if cards else "", "no network card visible; N/A if none matters"
    )


def _accelerators(draft: _Draft, found: list[Accelerator]) -> None:
    draft.say("accelerators_per_node", str(len(found)))
    if not found:
        for name in _ACCELERATOR_FIELDS:
            draft.say(name, "N/A")
        return
    models = Counter(a.model for a in found)
    draft.say("accelerator_model_name", ", ".join(m if n == len(found) else f"{n} x {m}" for m, n in models.items()))
    first = found[0]
    draft.say("accelerator_memory_capacity", format_bytes(first.memory_bytes) if first.memory_bytes else "")
    draft.say("accelerator_host_interconnect", first.link)
    draft.say("accelerator_frequency", f"{first.clock_mhz} MHz maximum" if first.clock_mhz else "")
    draft.say("accelerator_memory_configuration", "", "such as HBM3 or GDDR6: the driver does not say")
    draft.say("accelerator_on-chip_memories", "", "may stay empty")
    draft.say("accelerator_interconnect", "N/A" if len(found) == 1 else "", "such as NVLink: see the vendor's tool")
    draft.say("accelerator_interconnect_topology", "N/A" if len(found) == 1 else "", "may stay empty")


_ACCELERATOR_FIELDS = (
    "accelerator_model_name",
    "accelerator_memory_capacity",
    "accelerator_host_interconnect",
    "accelerator_frequency",
    "accelerator_on-chip_memories",
    "accelerator_memory_configuration",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
)


def _versions(names: tuple[str, ...]) -> str:
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _software(draft: _Draft, root: Path) -> None:
    release = dict(line.partition("=")[::2] for line in _read(root / "etc/os-release").splitlines() if "=" in line)
    name = release.get("PRETTY_NAME", "").strip('"')
    kernel = _read(root / "proc/sys/kernel/osrelease")
    text = f"{name} ({kernel})" if name and kernel else name or kernel or platform.platform()
    draft.say("operating_system", text)
    draft.say("framework", _versions(FRAMEWORKS), "none of the known runtimes is installed")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    draft.say("other_software_stack", ", ".join(p for p in (python, _versions(LIBRARIES)) if p))
    container = _container(root)
    draft.say("sw_notes", f"container: {container}" if container else "", "may stay empty")


def _container(root: Path) -> str:
    for path, name in ((".dockerenv", "Docker"), ("run/.containerenv", "Podman")):
        if (root / path).exists():
            return name
    groups = _read(root / "proc/1/cgroup")
    return next((word for word in ("kubepods", "docker", "lxc", "containerd") if word in groups), "")


def _power(draft: _Draft, root: Path) -> None:
    limits = []
    for zone in _list(root / "sys/class/powercap"):
        microwatts = _number(_read(zone / "constraint_0_power_limit_uw"))
        label = _read(zone / "name")
        if microwatts and label:
            limits.append(f"{label} limit {microwatts / 1e6:g} W")
    limits += [f"{a.model} limit {a.power_limit_w:g} W" for a in accelerators(root) if a.power_limit_w]
    draft.say("hw_notes", "; ".join(dict.fromkeys(limits)), "may stay empty; no power limit visible")
