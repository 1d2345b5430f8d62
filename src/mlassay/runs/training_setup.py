"""What one training run is made from: its recipe, configuration, seed and place; and how its loop is set."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from mlassay.core.units import NS_PER_S
from mlassay.rules.log_keys import KeyRule
from mlassay.rules.training_scoring import round_or_none
from mlassay.runs.training_request import TrainRequest
from mlassay.runs.training_rules import rule_of
from mlassay.training.benchmark import Benchmark, Recipe, Surroundings
from mlassay.training.common.processes import Place
from mlassay.training.loop import LoopSettings


@dataclass(frozen=True, slots=True)
class Maker:
    """Everything needed to make one run's benchmark."""

    recipe: Recipe
    config: Any
    request: TrainRequest
    here: Place
    seed: int

    def make(self) -> Benchmark:
        r = self.request
        device = f"cuda:{self.here.local_rank}" if r.device == "cuda" and self.here.world_size > 1 else r.device
        around = Surroundings(self.seed, device, r.data, self.here.rank, self.here.world_size)
        return self.recipe.make(self.config, r.profile, around)


def loop_settings(request: TrainRequest, recipe: Recipe) -> LoopSettings:
    def ns(seconds: float | None) -> int | None:
        return None if seconds is None else round(seconds * NS_PER_S)

    asked = _lines_asked(request, recipe)
    return LoopSettings(
        init_allowance_ns=round(_allowance_minutes(request) * 60 * NS_PER_S),
        clock_starts_before_build=request.round == "v0.5",
        max_duration_ns=ns(request.time_limit_s),
        checkpoint_every_ns=ns(request.checkpoint_every_s),
        samples_as_epochs=any(
            "epoch_num" in check.get("metadata_has", ())
            for key in ("eval_start", "eval_accuracy")
            if key in asked
            for check in asked[key].each
        ),
        tensors_in_log="weights_initialization" in asked,
    )


def _lines_asked(request: TrainRequest, recipe: Recipe) -> Mapping[str, KeyRule]:
    """The lines that the round wants in this log, by their keys."""
    rules = round_or_none(request.round)
    if rules is None or rules.log_rules is None:
        return {}
    benchmark = rule_of(rules, recipe).id
    return rules.log_rules.for_log({"submission_division": request.division.value, "submission_benchmark": benchmark})


def _allowance_minutes(request: TrainRequest) -> float:
    """Untimed initialisation; without a round the twenty minutes of most rounds."""
    rules = round_or_none(request.round)
    return 20.0 if rules is None else rules.timing.allowance_minutes(request.benchmark, request.division)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does, with an aborted log: schedulers and torchrun end processes that way."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def drop_caches(request: TrainRequest) -> bool:
    """Ask Linux to forget its file caches. True only when that was asked for and done."""
    if not request.drop_caches:
        return False
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
    except OSError:
        return False
    return True


def submission(maker: Maker) -> dict[str, str]:
    """Who ran what: the log's submission_* lines."""
    r = maker.request
    about = {
        "benchmark": maker.recipe.rule_id.get(r.round, maker.recipe.log_id),
        "division": r.division.value,
        "org": r.org,
        "platform": r.system,
    }
    if r.round == "v0.6":
        about |= {"poc_name": r.org, "entry": r.system}
    return about | {"status": "research" if r.round in ("v0.6", "v0.7") else "onprem"}
