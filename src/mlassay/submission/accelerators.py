"""Accelerators of this machine: by NVIDIA's library if present, AMD's driver files, else what the PCI bus names."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Accelerator:
    model: str
    memory_bytes: int = 0
    link: str = ""
    clock_mhz: int = 0
    power_limit_w: float = 0.0


def accelerators(root: Path = Path("/")) -> list[Accelerator]:
    """Every accelerator that can be seen. Below another root (tests) only files are looked at."""
    found = list(_nvml()) if root == Path("/") else []
    return found or list(_amd(root)) or list(_pci(root))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def _nvml() -> Iterator[Accelerator]:
    """NVIDIA's management library, by its C interface: no package needed, nothing changed."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return
    if library.nvmlInit_v2() != 0:
        return
    try:
        count = ctypes.c_uint()
        if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return
        for index in range(min(count.value, 1024)):
            handle = ctypes.c_void_p()
            if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0:
                yield _nvml_device(library, handle)
    finally:
        library.nvmlShutdown()


def _nvml_device(library: ctypes.CDLL, handle: ctypes.c_void_p) -> Accelerator:
    name = ctypes.create_string_buffer(128)
    library.nvmlDeviceGetName(handle, name, 128)
    memory = _Memory()
    library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))

    def number(function: str, *before: int) -> int:
        value = ctypes.c_uint()
        call = getattr(library, function, None)
        return value.value if call is not None and call(handle, *before, ctypes.byref(value)) == 0 else 0

    generation, width = number("nvmlDeviceGetMaxPcieLinkGeneration"), number("nvmlDeviceGetMaxPcieLinkWidth")
    return Accelerator(
        model=name.value.decode("utf-8", "replace"),
        memory_bytes=memory.total,
        link=f"PCIe Gen{generation} x{width}" if generation and width else "",
        clock_mhz=number("nvmlDeviceGetMaxClockInfo", 1),  # streaming multiprocessors
        power_limit_w=number("nvmlDeviceGetPowerManagementLimit") / 1000,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (OSError, ValueError):
        return ""


def _devices(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _amd(root: Path) -> Iterator[Accelerator]:
    """Cards that AMD's driver shows below /sys/class/drm, with their memory."""
    for card in _devices(root / "sys/class/drm"):
        device = card / "device"
        memory = _text(device / "mem_info_vram_total")
        if "-" in card.name or _text(device / "vendor") != "0x1002" or not memory.isdigit():
            continue
        name = _text(device / "product_name") or f"AMD device {_text(device / 'device')}"
        yield Accelerator(name, int(memory), _link(device))


def _link(device: Path) -> str:
    speed, width = _text(device / "max_link_speed"), _text(device / "max_link_width")
    generation = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}.get(speed.split(" ")[0], 0)
    return f"PCIe Gen{generation} x{width}" if generation and width.isdigit() else ""


_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x1da3": "Habana", "0x1e60": "Hailo"}


def _pci(root: Path) -> Iterator[Accelerator]:
    """Devices of the classes "3D controller" and "processing accelerator"; plain display adapters are not counted."""
    for device in _devices(root / "sys/bus/pci/devices"):
        if _text(device / "class")[:6] in ("0x0302", "0x1200"):
            vendor = _text(device / "vendor")
            name = f"{_VENDORS.get(vendor, f'vendor {vendor}')} device {_text(device / 'device')}"
            yield Accelerator(name, link=_link(device))
