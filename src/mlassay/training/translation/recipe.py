"""Configurations of GNMT and Transformer, importable without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from mlassay.training.benchmark import Benchmark, Logged, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationConfig:
    """Everything that decides a translation run. The defaults are Transformer-big's."""

    model: str = "transformer"  # or "gnmt"
    data_format: str = "pieces"  # parallel files of word pieces; "numbers": number words, English to German
    n_numbers: int = 12_000  # "numbers": so many to learn from, drawn from 0 up to `below`
    n_eval_numbers: int = 400
    below: int = 100_000
    vocabulary: int = 33_712
    hidden: int = 1024
    n_layers: int = 6  # of encoder and decoder each
    n_heads: int = 16
    ffn: int = 4096
    dropout: float = 0.1
    init_bound: float = 0.1  # GNMT: weights start between -bound and bound
    max_pieces: int = 256
    global_batch_size: int = 128  # sentences; about 4096 pieces
    gradient_accumulation_steps: int = 1
    optimizer: str = "lazy-adam"
    learning_rate: float = 2.0  # Transformer: times h^-½·min(1,s/w)/√max(s,w)
    warmup_steps: int = 16_000
    decay_start: float = 2 / 3  # GNMT: of all steps
    decay_times: int = 4
    decay_factor: float = 0.5
    beta1: float = 0.9
    beta2: float = 0.997
    epsilon: float = 1e-9
    label_smoothing: float = 0.1
    clip_norm: float = 0.0
    beam: int = 4
    length_penalty: float = 0.6
    coverage_penalty: float = 0.0
    extra_pieces: int = 50  # an answer may be so much longer than the question
    max_epochs: float = 10.0
    eval_every_epochs: float = 1.0
    target: float = 25.0


def transformer_reference() -> TranslationConfig:
    return TranslationConfig()


def gnmt_reference() -> TranslationConfig:
    """v0.6: Adam 1e-3, exponential warm-up of 200 steps, clip 5."""
    return replace(
        TranslationConfig(),
        model="gnmt",
        vocabulary=32_320,
        n_layers=4,
        n_heads=1,
        dropout=0.2,
        max_pieces=50,
        optimizer="adam",
        learning_rate=1e-3,
        warmup_steps=200,
        beta2=0.999,
        epsilon=1e-8,
        clip_norm=5.0,
        beam=5,
        coverage_penalty=0.1,
        extra_pieces=150,
        max_epochs=8.0,
        target=24.0,
    )


def transformer_small() -> TranslationConfig:
    return replace(
        transformer_reference(),
        data_format="numbers",
        n_numbers=6_000,
        n_eval_numbers=200,
        below=10_000,
        vocabulary=96,
        hidden=96,
        n_layers=2,
        n_heads=4,
        ffn=192,
        dropout=0.0,
        max_pieces=80,
        global_batch_size=64,
        learning_rate=0.35,
        warmup_steps=200,
        beta2=0.98,
        max_epochs=6.0,
        eval_every_epochs=0.25,
        beam=2,
        target=99.0,
    )


def gnmt_small() -> TranslationConfig:
    return replace(
        gnmt_reference(),
        data_format="numbers",
        n_numbers=6_000,
        n_eval_numbers=200,
        below=10_000,
        vocabulary=96,
        hidden=96,
        n_layers=2,
        dropout=0.0,
        init_bound=0.33,  # 0.1·√(1024/96): as wide for the narrow layers as 0.1 is for the reference's
        max_pieces=80,
        global_batch_size=64,
        learning_rate=4e-3,
        warmup_steps=50,
        beam=2,
        extra_pieces=50,
        max_epochs=8.0,
        eval_every_epochs=0.5,
        target=99.0,
    )


def _hyperparameters(c: TranslationConfig) -> dict[str, object]:
    """Under the official keys (training rules, hyperparameter table, GNMT and Transformer)."""
    about: dict[str, object] = {
        "opt_name": c.optimizer.replace("-", "_"),
        "opt_base_learning_rate": c.learning_rate,
        "opt_learning_rate_warmup_steps": c.warmup_steps,
        "opt_adam_beta_1": c.beta1,
        "opt_adam_beta_2": c.beta2,
        "opt_adam_epsilon": c.epsilon,
        "max_sequence_length": Logged(c.max_pieces, {"method": "discard"}),
    }
    if c.model == "gnmt":
        about |= {
            "opt_learning_rate_decay_factor": c.decay_factor,
            "opt_learning_rate_decay_steps": c.decay_times,
            "opt_learning_rate_decay_interval": (1 - c.decay_start) / c.decay_times,  # of the whole run, as is the next
            "opt_learning_rate_remain_steps": c.decay_start,
            "opt_learning_rate_alt_decay_func": False,
            "opt_learning_rate_alt_warmup_func": False,
        }
    return about


def make(name: str, config: TranslationConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.translation.train import Translation

    spec = spec_of(config, name, profile, (Target("bleu", config.target),), _hyperparameters(config))
    return Translation(config, spec, around)


def _recipe(
    name: str, reference: Callable[[], TranslationConfig], small: Callable[[], TranslationConfig], free: tuple[str, ...]
) -> Recipe:
    return Recipe(
        name=name,
        area="translation",
        summary=f"{name} on WMT English-German; small: number words",
        log_id=name,
        profiles={"reference": reference, "small": small},
        make=partial(make, name),
        free_keys=("global_batch_size", "gradient_accumulation_steps", "learning_rate", "warmup_steps", *free),
        verify=later("mlassay.training.translation.verify:verify"),
    )


def gnmt() -> Recipe:
    return _recipe("gnmt", gnmt_reference, gnmt_small, ("decay_start", "decay_times", "max_pieces"))


def transformer() -> Recipe:
    return _recipe("transformer", transformer_reference, transformer_small, ("optimizer", "max_pieces"))
