"""Configurations of DLRM and DLRM-DCNv2, importable without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of

CRITEO_ROWS = (
    40_000_000, 39_060, 17_295, 7_424, 20_265, 3, 7_122, 1_543, 63, 40_000_000, 3_067_956, 405_282, 10, 2_209, 11_938,
    155, 4, 976, 14, 40_000_000, 40_000_000, 40_000_000, 590_152, 12_973, 108, 36,
)  # fmt: skip
"""Criteo 1TB: ids are taken modulo 40 million."""

CRITEO_HOTS = (3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1)
"""How many ids each feature has in DCNv2: the first is real, the rest are drawn once, offline."""

DEBIAN_ROWS = (64, 8, 4, 1024, 2048, 64, 512, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class DlrmConfig:
    """Everything that decides a DLRM run. The defaults are the reference's script at batch 2048."""

    interaction: str = "dot"  # or "cross"
    data_format: str = "criteo"  # train_ and eval_ dense, sparse and labels .npy; "debian": the package index
    n_dense: int = 13
    rows: tuple[int, ...] = CRITEO_ROWS
    hots: tuple[int, ...] = (1,) * 26
    width: int = 128
    bottom: tuple[int, ...] = (512, 256, 128)
    top: tuple[int, ...] = (1024, 1024, 512, 256, 1)
    cross_layers: int = 3
    cross_rank: int = 512
    global_batch_size: int = 2048
    gradient_accumulation_steps: int = 1
    optimizer: str = "sgd"  # or "adagrad"
    learning_rate: float = 1.0
    warmup_steps: int = 0
    decay_start: int = 0  # 0: no decay
    decay_steps: int = 1
    max_epochs: float = 1.0
    eval_every_epochs: float = 0.05
    clip_norm: float = 0.0
    target: float = 0.8025


def dlrm_reference() -> DlrmConfig:
    return DlrmConfig()


def dcnv2_reference() -> DlrmConfig:
    """Adagrad without decay of any kind, at batch 65,536."""
    return replace(
        DlrmConfig(),
        interaction="cross",
        hots=CRITEO_HOTS,
        global_batch_size=65_536,
        optimizer="adagrad",
        learning_rate=0.005,
        target=0.80275,
    )


def small(interaction: str) -> DlrmConfig:
    """Which Debian packages may be installed for several architectures at once, from the rest of their description."""
    return replace(
        DlrmConfig(),
        interaction=interaction,
        data_format="debian",
        n_dense=6,
        rows=DEBIAN_ROWS,
        hots=(1,) * len(DEBIAN_ROWS),
        width=16,
        bottom=(64, 16),
        top=(64, 32, 1),
        cross_layers=2,
        cross_rank=16,
        global_batch_size=256,
        optimizer="adagrad" if interaction == "cross" else "sgd",
        learning_rate=0.02 if interaction == "cross" else 1.0,
        warmup_steps=0 if interaction == "cross" else 100,
        max_epochs=8.0,
        eval_every_epochs=0.125 if interaction == "cross" else 0.25,
        target=0.983 if interaction == "cross" else 0.98,
    )


def _hyperparameters(c: DlrmConfig) -> dict[str, object]:
    """Under the official keys (training rules, hyperparameter table, DLRM and DCNv2)."""
    if c.optimizer == "adagrad":
        return {
            "opt_name": "adagrad",
            "opt_base_learning_rate": c.learning_rate,
            "opt_adagrad_learning_rate_decay": 0.0,
            "opt_weight_decay": 0.0,
            "opt_adagrad_initial_accumulator_value": 0.0,
            "opt_adagrad_epsilon": 1e-8,
            "opt_learning_rate_warmup_steps": 0,
            "opt_learning_rate_decay_start_step": 0,
            "opt_learning_rate_decay_steps": 0,
        }
    return {
        "opt_name": "sgd",
        "opt_base_learning_rate": c.learning_rate,
        "opt_learning_rate_warmup_steps": c.warmup_steps,
        "lr_decay_start_steps": c.decay_start,
        "sgd_opt_base_learning_rate": c.learning_rate,
        "sgd_opt_learning_rate_decay_poly_power": 2,
        "sgd_opt_learning_rate_decay_steps": c.decay_steps,
    }


def make(name: str, config: DlrmConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.dlrm.train import Dlrm

    spec = spec_of(config, name, profile, (Target("auc", config.target),), _hyperparameters(config))
    return Dlrm(config, spec, around)


def _recipe(name: str, interaction: str, reference: Callable[[], DlrmConfig], free: tuple[str, ...]) -> Recipe:
    return Recipe(
        name=name,
        area="recommendation",
        summary=f"{name} on Criteo 1TB; small: Debian's package index",
        log_id=name,
        profiles={"reference": reference, "small": partial(small, interaction)},
        make=partial(make, name),
        free_keys=("global_batch_size", "gradient_accumulation_steps", "learning_rate", *free),
        verify=later("mlassay.training.dlrm.verify:verify"),
    )


def dlrm() -> Recipe:
    return _recipe("dlrm", "dot", dlrm_reference, ("warmup_steps", "decay_start", "decay_steps"))


def dlrm_dcnv2() -> Recipe:
    return _recipe("dlrm_dcnv2", "cross", dcnv2_reference, ())
