"""MiniGo's configurations, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MinigoConfig:
    """Everything that decides a MiniGo run. The defaults are the v0.5 reference's on 9×9."""

    board: int = 9
    komi: float = 7.5
    n_filters: int = 32
    n_blocks: int = 9
    n_past: int = 8  # past positions among the input planes
    conv_bias: bool = True
    dense: int = 64
    norm_momentum: float = 0.003  # PyTorch's way of saying .997
    value_weight: float = 1.0
    l2: float = 1e-4
    games_per_generation: int = 2000
    readouts: int = 200
    leaves_at_once: int = 8
    puct: float = 1.38
    noise_share: float = 0.25
    resign_at: float = -0.9
    never_resign_share: float = 0.05
    policy_power: float = 0.95  # of visits in the opening moves
    examples_per_generation: int = 100_000
    window_positions: int = 2_000_000
    steps_per_generation: int = 6250
    global_batch_size: int = 16
    gradient_accumulation_steps: int = 1
    learning_rate: float = 1e-2
    boundaries: tuple[int, ...] = (1_000_000, 2_000_000)
    momentum: float = 0.9
    gate: float = 0.55
    gating_games: int = 100
    evaluation: str = "moves"  # share of professional moves found; "match": wins against a fixed opponent
    opponent: str = "area"  # a searcher that counts area; or a file of weights of this network in the data folder
    eval_games: int = 100
    eval_readouts: int = 1000
    opponent_readouts: int = 0  # of the fixed opponent; 0: as many
    max_generations: int = 1000
    max_epochs: float = 1000.0  # not used: generations count
    eval_every_epochs: float = 1.0  # each generation
    first_eval_generation: int = 1
    clip_norm: float = 0.0
    target: float = 0.40


def reference() -> MinigoConfig:
    return MinigoConfig()


def v07_reference() -> MinigoConfig:
    """The network of v0.7 to v2.1 on 19×19, for its published size alone.

    It is not a profile: its 13 input planes include liberties and captures, which `features` does not make.
    """
    return replace(
        MinigoConfig(), board=19, n_filters=64, n_blocks=6, n_past=4, conv_bias=False, norm_momentum=0.05,
        value_weight=0.5, games_per_generation=8192, readouts=800, global_batch_size=4096, learning_rate=0.16,
        boundaries=(10_000, 20_000), evaluation="match", eval_readouts=100, target=0.5, noise_share=0.3,
    )  # fmt: skip


def small() -> MinigoConfig:
    """5×5, 36 thousand parameters: until most games are won against a searcher that counts area.

    The rate falls after six generations. Before that a player's strength comes and goes with its last lessons, so the
    first match is after the eighth: from all 85 openings that no symmetry joins, with either colour.
    """
    return replace(
        MinigoConfig(),
        board=5,
        komi=0.5,
        n_filters=24,
        n_blocks=3,
        n_past=2,
        norm_momentum=0.1,
        games_per_generation=128,
        readouts=24,
        leaves_at_once=4,
        examples_per_generation=4000,
        window_positions=12_000,
        steps_per_generation=120,
        global_batch_size=128,
        learning_rate=0.02,
        boundaries=(720, 1440),
        gating_games=16,
        evaluation="match",
        eval_games=170,
        eval_readouts=64,
        opponent_readouts=24,
        first_eval_generation=8,
        max_generations=20,
        target=0.9,
    )


def make(config: MinigoConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.minigo.train import Minigo

    metric = "move_prediction" if config.evaluation == "moves" else "win_rate"
    hyperparameters: dict[str, object] = {
        "opt_name": "sgd",
        "opt_base_learning_rate": config.learning_rate,
        "opt_learning_rate_decay_boundary_steps": list(config.boundaries),
        "actual_selfplay_games_per_generation": config.games_per_generation,
        "train_batch_size": config.global_batch_size,
    }
    spec = spec_of(config, "minigo", profile, (Target(metric, config.target),), hyperparameters)
    return Minigo(config, spec, around)


def recipe() -> Recipe:
    return Recipe(
        name="minigo",
        area="reinforcement learning",
        summary="MiniGo 9x9; small: 5x5",
        log_id="minigo",
        profiles={"reference": reference, "small": small},
        make=make,
        by_round={"v0.6": {"evaluation": "match", "opponent": "target.pth"}},
        free_keys=("global_batch_size", "learning_rate", "boundaries", "games_per_generation"),
        verify=later("mlassay.training.minigo.verify:verify"),
    )
