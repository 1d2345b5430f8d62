"""NCF's configurations, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NcfConfig:
    """Everything that decides an NCF run. The defaults are the v0.5 reference's on MovieLens-20M."""

    data_format: str = "movielens"  # ratings.csv or u.data; or "debian": the package index's dependencies
    n_users: int = 138_493  # 0: whatever the data holds
    n_items: int = 26_744
    mf_dim: int = 64
    mlp_dims: tuple[int, ...] = (256, 256, 128, 64)  # the first is both embeddings together
    min_interactions: int = 20  # of a user
    global_batch_size: int = 2048
    gradient_accumulation_steps: int = 1
    optimizer: str = "adam"  # or "lazy-adam"
    learning_rate: float = 5e-4
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    n_negatives: int = 4  # for each positive, drawn anew each epoch
    n_eval_negatives: int = 999  # for each user, drawn once
    max_epochs: float = 20.0
    eval_every_epochs: float = 1.0
    clip_norm: float = 0.0
    target: float = 0.635


def reference() -> NcfConfig:
    return NcfConfig()


def small() -> NcfConfig:
    """17,700 Debian packages and the 7,850 that they depend on; popularity alone gives a hit rate of 0.68."""
    return NcfConfig(
        data_format="debian",
        n_users=0,
        n_items=0,
        mf_dim=16,
        mlp_dims=(64, 64, 32, 16),
        min_interactions=5,
        global_batch_size=4096,
        learning_rate=2e-3,
        n_eval_negatives=99,
        max_epochs=14.0,
        eval_every_epochs=1.0,
        target=0.925,
    )


def make(config: NcfConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.ncf.train import Ncf

    hyperparameters: dict[str, object] = {
        "opt_name": config.optimizer,
        "opt_learning_rate": config.learning_rate,
        "opt_hp_Adam_beta1": config.beta1,
        "opt_hp_Adam_beta2": config.beta2,
        "opt_hp_Adam_epsilon": config.epsilon,
    }
    spec = spec_of(config, "ncf", profile, (Target("hr_at_10", config.target),), hyperparameters)
    return Ncf(config, spec, around)


def recipe() -> Recipe:
    return Recipe(
        name="ncf",
        area="recommendation",
        summary="NeuMF on MovieLens-20M; small: Debian's package dependencies",
        log_id="ncf",
        profiles={"reference": reference, "small": small},
        make=make,
        free_keys=("global_batch_size", "learning_rate", "beta1", "beta2", "optimizer", "gradient_accumulation_steps"),
        verify=later("mlassay.training.ncf.verify:verify"),
    )
