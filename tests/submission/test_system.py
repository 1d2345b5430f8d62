"""System descriptions: captured from a machine's files, edited, validated, and honest about what was not seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlassay.cli.main import main
from mlassay.cli.system import system as command
from mlassay.core.errors import BadFile, UsageError
from mlassay.rules.reader import load_round, rounds
from mlassay.submission.accelerators import accelerators
from mlassay.submission.capture import capture
from mlassay.submission.describe import changed, open_fields, validate
from tests.submission.maker import system_json

CPU = """processor\t: {n}
model name\t: Example CPU 9000 @ 2.10GHz
physical id\t: {socket}
cpu cores\t: 2
"""


def machine(root: Path) -> Path:
    """A made-up two-socket machine with an NVMe disk, a network card and two AMD accelerators."""
    files = {
        "proc/cpuinfo": "\n".join(CPU.format(n=n, socket=n // 2) for n in range(4)),
        "proc/meminfo": "MemTotal:       67108864 kB\nMemFree: 1 kB\n",
        "proc/sys/kernel/osrelease": "6.1.0\n",
        "proc/1/cgroup": "0::/\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "3700000\n",
        "sys/devices/system/cpu/cpu0/cache/index0/level": "1",
        "sys/devices/system/cpu/cpu0/cache/index0/type": "Data",
        "sys/devices/system/cpu/cpu0/cache/index0/size": "32K",
        "sys/devices/system/cpu/cpu0/cache/index3/level": "3",
        "sys/devices/system/cpu/cpu0/cache/index3/type": "Unified",
        "sys/devices/system/cpu/cpu0/cache/index3/size": "16384K",
        "sys/devices/system/edac/mc/mc0/dimm0/size": "32768",
        "sys/devices/system/edac/mc/mc0/dimm0/dimm_mem_type": "Registered-DDR5",
        "sys/devices/system/edac/mc/mc0/dimm1/size": "32768",
        "sys/devices/system/edac/mc/mc0/dimm1/dimm_mem_type": "Registered-DDR5",
        "sys/block/nvme0n1/size": "1953525168",
        "sys/block/nvme0n1/queue/rotational": "0",
        "sys/block/loop0/size": "1000",
        "sys/class/net/eth0/device/vendor": "0x8086",
        "sys/class/net/eth0/speed": "100000",
        "sys/class/net/lo/speed": "0",
        "sys/class/powercap/intel-rapl:0/name": "package-0",
        "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw": "125000000",
    }
    for n in range(2):
        base = f"sys/class/drm/card{n}/device"
        files |= {
            f"{base}/vendor": "0x1002",
            f"{base}/mem_info_vram_total": str(64 << 30),
            f"{base}/product_name": "Example Accelerator",
            f"{base}/max_link_speed": "16.0 GT/s PCIe",
            f"{base}/max_link_width": "16",
        }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_machine_is_described_from_its_files(tmp_path: Path) -> None:
    found = capture(load_round("v5.1"), machine(tmp_path))
    fields = dict(found.fields)
    versions = fields.pop("framework") + fields.pop("other_software_stack")
    assert "mlassay" in versions
    assert {k: v for k, v in fields.items() if v} == {
        "number_of_nodes": "1",
        "host_processors_per_node": "2",
        "host_processor_model_name": "Example CPU 9000 @ 2.10GHz",
        "host_processor_core_count": "2",
        "host_processor_frequency": "3.70 GHz maximum",
        "host_processor_caches": "L1d 32K, L3 16384K",
        "host_memory_capacity": "64.0 GiB",
        "host_memory_configuration": "2 x 32768 MB Registered-DDR5",
        "host_storage_capacity": "932 GiB",
        "host_storage_type": "1 x NVMe SSD",
        "host_networking": "100 Gbit/s Ethernet",
        "host_networking_topology": "N/A",
        "host_network_card_count": "1",
        "accelerators_per_node": "2",
        "accelerator_model_name": "Example Accelerator",
        "accelerator_memory_capacity": "64.0 GiB",
        "accelerator_host_interconnect": "PCIe Gen4 x16",
        "operating_system": "Debian GNU/Linux 12 (6.1.0)",
        "hw_notes": "package-0 limit 125 W",
    }
    assert set(found.unseen) == {name for name, value in found.fields.items() if not value}
    assert found.unseen["cooling"] == "air, liquid or passive: no sensor tells"


def test_an_empty_machine_says_what_it_does_not_show(tmp_path: Path) -> None:
    found = capture(load_round("v5.1"), tmp_path)
    assert found.fields["accelerators_per_node"] == "0"
    assert found.fields["accelerator_model_name"] == "N/A"
    assert found.unseen["host_processor_model_name"] == "/proc/cpuinfo names no model"
    assert all(why for why in found.unseen.values())


@pytest.mark.parametrize("round_name", rounds())
def test_this_machine_in_every_round(round_name: str) -> None:
    round_ = load_round(round_name)
    found = capture(round_)
    assert list(found.fields) == list(round_.system_fields.required)
    assert found.fields["operating_system"]


def test_processing_accelerators_on_the_bus(tmp_path: Path) -> None:
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "class").write_text("0x120000\n")
    (device / "vendor").write_text("0x1e60\n")
    (device / "device").write_text("0x2864\n")
    display = tmp_path / "sys/bus/pci/devices/0000:00:02.0"
    display.mkdir(parents=True)
    (display / "class").write_text("0x030000\n")
    assert [a.model for a in accelerators(tmp_path)] == ["Hailo device 0x2864"]


def test_editing_knows_fields_and_values() -> None:
    round_ = load_round("v5.1")
    fields = changed({}, {"status": "available", "number_of_nodes": "2"}, round_)
    assert fields == {"status": "available", "number_of_nodes": "2"}
    with pytest.raises(UsageError, match=r"v5\.1 knows no field 'staus'"):
        changed({}, {"staus": "available"}, round_)
    with pytest.raises(UsageError, match="status cannot be 'soon'"):
        changed({}, {"status": "soon"}, round_)
    with pytest.raises(UsageError, match="number_of_nodes cannot be 'two'"):
        changed({}, {"number_of_nodes": "two"}, round_)
    open_now = {f.name for f in open_fields(fields, round_)}
    assert "status" not in open_now
    assert "cooling" in open_now
    assert not open_now & {"division", "submitter"}


def test_validation_is_the_checkers(tmp_path: Path) -> None:
    path = tmp_path / "box.json"
    data = system_json(load_round("v5.1"), "edge", "closed", "ACME", "box")
    path.write_text(json.dumps(data))
    assert validate(path, "v5.1") == []
    path.write_text(json.dumps({**data, "system_type": "edge, datacenter", "cooling": "", "division": ""}))
    assert sorted(f.id for f in validate(path, "v5.1")) == ["SYS004", "SYS007"]
    path.write_text("{")
    assert [f.id for f in validate(path, "v5.1")] == ["SYS002"]
    path.write_text(json.dumps({**data, "division": "N/A"}))
    (finding,) = validate(path, "v5.1")
    assert (finding.id, finding.found, finding.expected) == ("SYS009", "division 'N/A'", "closed or open or network")
    with pytest.raises(BadFile, match="absent"):
        validate(tmp_path / "none.json", "v5.1")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "box.json")

    def run(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["system", *words])
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    code, out, err = run("capture", "--round", "v5.1", "--json")
    assert code == 0
    assert set(json.loads(out)) == {"fields", "unseen"}
    code, out, err = run("capture", "--round", "v5.1", "--out", path)
    assert code == 0
    assert "  open: cooling (air, liquid or passive: no sensor tells)" in out
    code, out, err = run("capture", "--round", "v5.1", "--out", path)
    assert (code, out) == (2, "")
    assert "exists" in err
    code, out, err = run("validate", path, "--round", "v5.1")
    assert code == 1
    assert out.rstrip().splitlines()[-1].startswith(f"FAIL: {path} for v5.1")
    sets = [f"{f.name}={f.choices[0] if f.choices else '1'}" for f in _open(path)]
    code, out, err = run("edit", path, "--round", "v5.1", *[w for s in sets for w in ("--set", s)])
    assert code == 0
    assert out == f"{path}: {len(sets)} set, 0 open\n"
    code, out, err = run("validate", path, "--round", "v5.1", "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "pass")
    code, out, err = run("fields", "--round", "v0.5")
    assert len(out.splitlines()) == 17


def _open(path: str) -> list:  # type: ignore[type-arg]
    return open_fields(json.loads(Path(path).read_text()), load_round("v5.1"))


def test_editing_asks_for_what_is_open_and_asks_again(tmp_path: Path) -> None:
    path = tmp_path / "box.json"
    data = system_json(load_round("v5.1"), "edge", "closed", "ACME", "box")
    path.write_text(json.dumps({**data, "status": "", "cooling": ""}))
    result = CliRunner().invoke(command, ["edit", str(path), "--round", "v5.1"], input="soon\navailable\n\n")
    assert result.exit_code == 0
    assert "status cannot be 'soon'; one of available, preview, rdi" in result.output
    saved = json.loads(path.read_text())
    assert (saved["status"], saved["cooling"]) == ("available", "")
    assert result.output.endswith(f"{path}: 1 set, 1 open: cooling\n")
