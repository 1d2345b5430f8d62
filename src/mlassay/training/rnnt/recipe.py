"""RNN-T's configurations, importable without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RnntConfig:
    """Everything that decides an RNN-T run. The defaults are the reference's (LAMB, global batch 1024)."""

    data_format: str = "librispeech"  # or "digits": recordings that come along
    train_sets: tuple[str, ...] = ("train-clean-100", "train-clean-360", "train-other-500")
    eval_set: str = "dev-clean"
    pieces: str = "librispeech1023.model"  # of sentencepiece, in the data folder
    n_eval: int = 0  # digits only: how many recordings judge
    encoder: int = 1024
    layers_before: int = 2  # of the encoder, before rows are stacked
    layers_after: int = 3
    stack: int = 2
    prediction: int = 512
    prediction_layers: int = 2
    joint: int = 512
    encoder_dropout: float = 0.1
    prediction_dropout: float = 0.3
    joint_dropout: float = 0.3
    init_scale: float = 0.5  # of all weights and biases of LSTMs
    max_duration_s: float = 16.7  # longer recordings are left out of training
    n_buckets: int = 6
    speed_min: float = 0.85
    speed_max: float = 1.15
    n_band_masks: int = 2
    widest_band_mask: int = 20  # bands
    n_time_masks: int = 10
    longest_time_mask: float = 0.03  # share of the recording
    dither: float = 1e-5
    global_batch_size: int = 1024
    gradient_accumulation_steps: int = 64
    learning_rate: float = 4e-3
    min_learning_rate: float = 1e-5
    warmup_epochs: float = 6.0
    hold_epochs: float = 40.0
    decay_gamma: float = 0.935  # an epoch, after warm-up and hold
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-9
    weight_decay: float = 1e-3
    clip_norm: float = 1.0  # 0: none
    ema: float = 0.999  # of the weights, by step; evaluation uses the average
    max_symbols: int = 300  # of one recording, in evaluation
    max_symbols_a_row: int = 30
    eval_batch_size: int = 32
    max_epochs: float = 100.0
    eval_every_epochs: float = 1.0
    target: float = 0.058
    n_workers: int = 4


def reference() -> RnntConfig:
    return RnntConfig()


def small() -> RnntConfig:
    """450 recordings of spoken digits to learn from, 150 to be judged by; a network of 0.2 M parameters."""
    return RnntConfig(
        data_format="digits",
        n_eval=150,
        encoder=96,
        layers_before=1,
        layers_after=1,
        prediction=32,
        prediction_layers=1,
        joint=96,
        encoder_dropout=0.1,
        prediction_dropout=0.1,
        joint_dropout=0.1,
        init_scale=1.0,
        widest_band_mask=10,
        dither=1e-3,
        global_batch_size=25,
        gradient_accumulation_steps=1,
        learning_rate=1.2e-2,
        warmup_epochs=3.0,
        hold_epochs=15.0,
        decay_gamma=0.93,
        ema=0.98,
        max_symbols=16,
        max_symbols_a_row=4,
        eval_batch_size=50,
        max_epochs=50.0,
        eval_every_epochs=1.0,
        target=0.15,
        n_workers=0,
    )


def _hyperparameters(c: RnntConfig) -> dict[str, object]:
    """Under the official keys of the closed division (training rules, hyperparameter table, RNN-T)."""
    return {
        "opt_name": "lamb",
        "opt_base_learning_rate": c.learning_rate,
        "opt_lamb_epsilon": c.epsilon,
        "opt_lamb_learning_rate_decay_poly_power": c.decay_gamma,  # no power, but the key that the rules give it
        "opt_lamb_learning_rate_hold_epochs": c.hold_epochs,
        "opt_learning_rate_warmup_epochs": c.warmup_epochs,
        "opt_weight_decay": c.weight_decay,
        "opt_lamb_beta_1": c.beta1,
        "opt_lamb_beta_2": c.beta2,
        "opt_gradient_clip_norm": c.clip_norm or math.inf,
        "opt_learning_rate_alt_decay_func": True,
        "opt_learning_rate_alt_warmup_func": True,
        "opt_lamb_learning_rate_min": c.min_learning_rate,
        "data_train_max_duration": c.max_duration_s,
        "data_train_num_buckets": c.n_buckets,
        "data_speed_perturbaton_min": c.speed_min,  # spelt so in the rule files
        "data_speed_perturbaton_max": c.speed_max,
        "data_spec_augment_freq_n": c.n_band_masks,
        "data_spec_augment_freq_min": 0,
        "data_spec_augment_freq_max": c.widest_band_mask,
        "data_spec_augment_time_n": c.n_time_masks,
        "data_spec_augment_time_min": 0,
        "data_spec_augment_time_max": c.longest_time_mask,
        "model_eval_ema_factor": c.ema,
        "model_weights_initialization_scale": c.init_scale,
        "eval_max_prediction_symbols": c.max_symbols,
    }


def make(config: RnntConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.rnnt.train import RnntTraining

    targets = (Target("WER", config.target, higher_is_better=False),)
    spec = spec_of(config, "rnnt", profile, targets, _hyperparameters(config))
    return RnntTraining(config, spec, around)


def recipe() -> Recipe:
    return Recipe(
        name="rnnt",
        area="speech recognition",
        summary="RNN-T on LibriSpeech; small: two layers on spoken digits",
        log_id="rnnt",
        profiles={"reference": reference, "small": small},
        make=make,
        free_keys=(
            "global_batch_size",
            "gradient_accumulation_steps",
            "learning_rate",
            "decay_gamma",
            "hold_epochs",
            "warmup_epochs",
            "beta1",
            "beta2",
            "clip_norm",
            "max_duration_s",
            "n_buckets",
            "ema",
            "init_scale",
            "max_epochs",
            "eval_batch_size",
            "n_workers",
        ),
        verify=later("mlassay.training.rnnt.verify:verify"),
    )
