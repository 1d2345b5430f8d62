"""BERT's configurations, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BertConfig:
    """Everything that decides a BERT run. The defaults are BERT-large's at global batch 8192."""

    data_format: str = "arrays"  # prepared examples in .npy files; "text": bytes of a text, masked on the way
    vocabulary: int = 30_522
    n_layers: int = 24
    hidden: int = 1024
    n_heads: int = 16
    ffn: int = 4096
    sequence_length: int = 512
    n_predictions: int = 76
    masked_share: float = 0.15
    next_sentence: bool = True
    dropout: float = 0.1
    norm_epsilon: float = 1e-12
    init_std: float = 0.02
    global_batch_size: int = 8192
    gradient_accumulation_steps: int = 1
    learning_rate: float = 2.883e-3
    beta1: float = 0.88
    beta2: float = 0.88
    epsilon: float = 1e-6
    weight_decay: float = 0.0166629
    training_steps: int = 600
    warmup_steps: int = 287
    start_warmup_step: int = -76
    clip_norm: float = 1.0
    max_epochs: float = 1.0
    eval_every_epochs: float = 1.0  # not used: evaluation goes by samples
    eval_every_samples: int = 0  # 0: the round's formula from v1.0 on
    target: float = 0.720

    @property
    def eval_interval_samples(self) -> int:
        """floor(0.05·(230.23·batch + 3e6)/25000)·25000 (training rules v1.0 on)."""
        if self.eval_every_samples:
            return self.eval_every_samples
        return floor(0.05 * (230.23 * self.global_batch_size + 3_000_000) / 25_000) * 25_000


def reference() -> BertConfig:
    return BertConfig()


def small() -> BertConfig:
    """0.4 M parameters, 32 bytes at a time of a public-domain text, no next-sentence task."""
    return replace(
        BertConfig(),
        data_format="text",
        vocabulary=257,  # the bytes, and the mask
        n_layers=2,
        hidden=128,
        n_heads=4,
        ffn=384,
        sequence_length=32,
        n_predictions=5,
        next_sentence=False,
        dropout=0.0,
        init_std=0.06,  # 0.02·√(1024/128): as wide for the narrow layers as 0.02 is for the reference's
        global_batch_size=64,
        learning_rate=8e-3,
        beta1=0.9,
        beta2=0.98,
        weight_decay=0.01,
        training_steps=3000,
        warmup_steps=100,
        start_warmup_step=0,
        max_epochs=4.0,
        eval_every_samples=12_800,
        target=0.5,
    )


def _hyperparameters(c: BertConfig) -> dict[str, object]:
    """Under the official keys (training rules, hyperparameter table, BERT): all free, all to be logged."""
    return {
        "opt_base_learning_rate": c.learning_rate,
        "opt_epsilon": c.epsilon,  # until v0.7
        "opt_lamb_epsilon": c.epsilon,
        "opt_learning_rate_training_steps": c.training_steps,
        "opt_learning_rate_warmup_steps": c.warmup_steps,
        "num_warmup_steps": c.warmup_steps,
        "start_warmup_step": c.start_warmup_step,
        "opt_lamb_beta_1": c.beta1,
        "opt_lamb_beta_2": c.beta2,
        "opt_lamb_weight_decay_rate": c.weight_decay,
        "opt_gradient_clip_norm": c.clip_norm,
        "max_sequence_length": c.sequence_length,
        "max_predictions_per_seq": c.n_predictions,
    }


def make(config: BertConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.bert.train import Bert

    spec = spec_of(
        config,
        "bert",
        profile,
        (Target("masked_lm_accuracy", config.target),),
        _hyperparameters(config),
        progress_in_samples=True,
    )
    return Bert(config, spec, around)


def recipe() -> Recipe:
    return Recipe(
        name="bert",
        area="language",
        summary="BERT-large; small: masked bytes of English text",
        log_id="bert",
        profiles={"reference": reference, "small": small},
        make=make,
        free_keys=(
            "global_batch_size",
            "gradient_accumulation_steps",
            "learning_rate",
            "beta1",
            "beta2",
            "epsilon",
            "weight_decay",
            "training_steps",
            "warmup_steps",
            "start_warmup_step",
        ),
        verify=later("mlassay.training.bert.verify:verify"),
    )
