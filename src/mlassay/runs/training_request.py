"""What a user wishes of a training run, and how wishes become a benchmark's complete frozen configuration."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlassay.core.enums import Division
from mlassay.core.errors import RuleViolation, UnknownName, UsageError
from mlassay.training.benchmark import Recipe

CLOSED_MODEL_CLAUSE = "training rules, closed division: model, optimiser, data and quality are the reference's"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """One command's worth of training: a benchmark, how often, by which rules, where."""

    benchmark: str
    profile: str = "small"
    round: str = "none"
    division: Division = Division.OPEN
    n_runs: int = 1
    seed: int | None = None  # None: from the system's entropy, as the rules allow
    device: str = "cpu"
    data: Path | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    out: Path = Path("mlassay-training")
    threads: int | None = None
    checkpoint_every_s: float | None = None
    time_limit_s: float | None = None
    drop_caches: bool = False
    only_missing: bool = False  # runs that `out` holds already count towards n_runs
    org: str = "unnamed"
    system: str = "this-machine"

    def __post_init__(self) -> None:
        if self.n_runs < 1:
            raise UsageError(f"--runs is {self.n_runs}; expected at least 1")


def configure(recipe: Recipe, request: TrainRequest) -> tuple[Any, dict[str, str]]:
    """The configuration that will run, and how it deviates from its profile ("key": "found, the profile has …")."""
    if request.profile not in recipe.profiles:
        known = sorted(recipe.profiles)
        near = difflib.get_close_matches(request.profile, known)
        raise UnknownName(f"profile of {recipe.name}", request.profile, known, near)
    base = recipe.profiles[request.profile]()
    changed = override(base, request.overrides)
    deviations = {
        f.name: f"{getattr(changed, f.name)!r}, the profile has {getattr(base, f.name)!r}"
        for f in dataclasses.fields(base)
        if getattr(changed, f.name) != getattr(base, f.name)
    }
    return changed, deviations


def override(config: Any, wishes: Mapping[str, str]) -> Any:
    """`config` with some fields replaced by the text a user wrote. Raises UsageError or UnknownName."""
    known = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    values: dict[str, Any] = {}
    for key, text in wishes.items():
        if key not in known:
            raise UnknownName("setting", key, sorted(known), difflib.get_close_matches(key, known, 3, 0.5))
        values[key] = _parse(key, text, known[key])
    changed = dataclasses.replace(config, **values)
    for key, smallest in (("global_batch_size", 1), ("gradient_accumulation_steps", 1)):
        if getattr(changed, key, smallest) < smallest:
            raise UsageError(f"{key} is {getattr(changed, key)}; expected at least {smallest}")
    for key in ("max_epochs", "eval_every_epochs"):
        if getattr(changed, key, 1.0) <= 0:
            raise UsageError(f"{key} is {getattr(changed, key)}; expected more than 0")
    return changed


def _parse(key: str, text: str, like: Any) -> Any:
    """The text as the type that the setting has now."""
    try:
        if isinstance(like, bool):
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if isinstance(like, int):
            return int(text)
        if isinstance(like, float):
            return float(text)
        if isinstance(like, tuple):
            item = like[0] if like else ""
            return tuple(type(item)(part) for part in text.split(",") if part)
    except (ValueError, KeyError):
        names = {bool: "true or false", int: "a whole number", float: "a number", tuple: "numbers between commas"}
        wanted = next(name for kind, name in names.items() if isinstance(like, kind))
        raise UsageError(f"--set {key} is {text!r}; expected {wanted}") from None
    return text


def check_division(recipe: Recipe, request: TrainRequest, deviations: Mapping[str, str]) -> tuple[str, ...]:
    """What open records; in closed of a round, the first forbidden thing is refused with its clause."""
    if request.round == "none":
        return tuple(f"{k} is {v}" for k, v in deviations.items())
    notes = []
    if request.profile != "reference":
        text = f"the {request.profile} profile of {recipe.name} is not the reference"
        if request.division is Division.CLOSED:
            raise RuleViolation(
                text, clause=CLOSED_MODEL_CLAUSE, hint="use --profile reference, --division open or --round none"
            )
        notes.append(text)
    for key, found in deviations.items():
        if key in recipe.free_keys:
            continue
        text = f"{key} is {found}"
        if request.division is Division.CLOSED:
            raise RuleViolation(
                text,
                clause=f"training rules {request.round}, closed division: {key} is not in the list of free values",
                hint="leave it, or use --division open",
            )
        notes.append(text)
    return tuple(notes)
