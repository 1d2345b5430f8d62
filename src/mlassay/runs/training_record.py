"""The record beside each training log, result_<i>.json: what ran, how it ended, and what can be taken up again.

A record that still says "running" belongs to a run that was killed.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlassay._version import __version__
from mlassay.core.enums import Division
from mlassay.core.errors import BadFile
from mlassay.records.atomic import atomic_write
from mlassay.runs.training_request import TrainRequest
from mlassay.runs.training_setup import Maker
from mlassay.training.benchmark import Benchmark
from mlassay.training.loop import TrainingOutcome

SCHEMA_VERSION = 1
"""1: first version."""


def run_record(maker: Maker, benchmark: Benchmark, number: int, notes: tuple[str, ...]) -> dict[str, Any]:
    r = maker.request
    return {
        "schema_version": SCHEMA_VERSION,
        "mlassay": __version__,
        "number": number,
        "benchmark": r.benchmark,
        "profile": r.profile,
        "round": r.round,
        "division": r.division.value,
        "seed": maker.seed,
        "device": r.device,
        "processes": maker.here.world_size,
        "data": str(r.data) if r.data else None,
        "threads": r.threads,
        "overrides": dict(r.overrides),
        "checkpoint_every_s": r.checkpoint_every_s,
        "config": dict(benchmark.spec.config),
        "targets": [dataclasses.asdict(t) for t in benchmark.spec.targets],
        "deviations": list(notes),
        "host": {"machine": platform.machine(), "python": platform.python_version(), "system": platform.platform()},
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def finish(path: Path, record: Mapping[str, Any], outcome: TrainingOutcome) -> None:
    body = dataclasses.asdict(outcome)
    body["final_loss"] = outcome.final_loss if outcome.final_loss == outcome.final_loss else None
    write_record(path, {**record, **body, "status": outcome.status.value})
    path.with_suffix(".position.json").unlink(missing_ok=True)
    drop_checkpoints(path)


def checkpoint_path(path: Path, step: int) -> Path:
    """Beside the log: result_0.1200.checkpoint. It counts once the position names its step."""
    return path.with_name(f"{path.stem}.{step}.checkpoint")


def drop_checkpoints(path: Path, *, but: Path | None = None) -> None:
    for old in path.parent.glob(f"{path.stem}.*.checkpoint*"):
        if old != but:
            old.unlink(missing_ok=True)


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    atomic_write(path.with_suffix(".json"), json.dumps(record, indent=2, default=str) + "\n")


def finished_seeds(folder: Path, request: TrainRequest, config: Any) -> list[int]:
    """Seeds of the runs in a folder that ended by themselves, with this configuration and under these rules."""
    wanted = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    seeds = []
    for path in sorted(folder.glob("result_*.json")):
        record = _read(path)
        same = record.get("config") == wanted and record.get("round") == request.round
        if same and record.get("division") == request.division.value and _ended(record):
            seeds.append(int(record["seed"]))
    return seeds


def _ended(record: Mapping[str, Any]) -> bool:
    """Met the target, or learned to the end without; what an interruption or an error cut off does not count."""
    reason = str(record.get("reason"))
    learned = record.get("status") == "aborted" and reason.startswith(("budget of", "the loss is"))
    return record.get("status") == "success" or learned


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def is_cut_off(record_path: Path) -> bool:
    try:
        status = json.loads(record_path.read_text(encoding="utf-8")).get("status")
    except (ValueError, AttributeError):
        return False
    return status == "running" and record_path.with_suffix(".position.json").exists()


def request_from(record: Mapping[str, Any], path: Path) -> TrainRequest:
    try:
        return TrainRequest(
            benchmark=record["benchmark"],
            profile=record["profile"],
            round=record["round"],
            division=Division(record["division"]),
            device=record["device"],
            data=Path(record["data"]) if record["data"] else None,
            overrides=record["overrides"],
            threads=record["threads"],
            checkpoint_every_s=record["checkpoint_every_s"],
        )
    except (KeyError, ValueError) as error:
        raise BadFile(path, found=f"without {error}", expected="a training record of this version") from error
