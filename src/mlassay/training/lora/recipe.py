"""Configurations of the LoRA benchmark, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

from mlassay.core.errors import UsageError
from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of
from mlassay.training.llm.recipe import ModelShape, check_parallel
from mlassay.training.llm.recipe import small as small_llama

NAME = "llama2_70b_lora"
PACKED, RANDOM = "packed", "none"
"""What `base_weights` may say besides a path: our own small base; random weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig(ModelShape):
    """Everything that decides a fine-tuning run. The defaults are Llama-2-70B's at global batch 8."""

    vocabulary: int = 32_000
    n_layers: int = 80
    hidden: int = 8192
    ffn: int = 28_672
    n_heads: int = 64
    rope_theta: float = 10_000.0
    recompute: bool = True
    data_format: str = "packed"  # token rows of the reference's preparation; "text": the bytes of a text
    base_weights: str = "model"  # a folder or file, looked for in --data; "packed": our small base; "none": random
    base_dtype: str = "bfloat16"  # of the frozen weights; adapters are always 32 bits wide
    parallel: str = "ddp"
    lora_rank: int = 16
    lora_alpha: float = 32.0
    lora_dropout: float = 0.1
    global_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    learning_rate: float = 4e-4
    warmup_ratio: float = 0.0  # of max_steps
    max_steps: int = 1024  # the cosine reaches zero there
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 1e-4
    clip_norm: float = 0.3
    max_epochs: float = 100.0  # a bound beside max_steps
    eval_every_epochs: float = 1.0  # not used: evaluation goes by samples
    eval_every_samples: int = 384
    skip_evals_per_batch: float = 0.125  # the first floor(this · batch + skip_evals) evaluations are left out
    skip_evals: int = 2
    n_eval_sequences: int = 1_000_000  # at most
    eval_batch_size: int = 1
    target: float = 0.925

    @property
    def skipped_evaluations(self) -> int:
        return floor(self.skip_evals_per_batch * self.global_batch_size + self.skip_evals)


def reference() -> LoraConfig:
    return LoraConfig()


def small() -> LoraConfig:
    """The packed base, pre-trained on the Bible, learns to predict technical manuals: 30,720 trained parameters."""
    base = small_llama("llama")
    shape = {name: getattr(base, name) for name in ModelShape.__dataclass_fields__}
    return replace(
        LoraConfig(),
        **shape,
        data_format="text",
        base_weights=PACKED,
        base_dtype="float32",
        global_batch_size=16,
        learning_rate=0.012,
        warmup_ratio=0.05,
        max_steps=320,
        eval_every_samples=320,
        n_eval_sequences=512,
        eval_batch_size=32,
        target=2.14,
    )


def _hyperparameters(c: LoraConfig) -> dict[str, object]:
    """Under the official keys (training rules, hyperparameter table, llama2_70b_lora)."""
    return {
        "opt_name": "adamw",
        "opt_base_learning_rate": c.learning_rate,
        "opt_learning_rate_warmup_factor": c.warmup_ratio,
        "opt_learning_rate_training_steps": c.max_steps,
        "opt_learning_rate_decay_schedule": "cosine with linear warmup",
        "opt_adamw_beta_1": c.beta1,
        "opt_adamw_beta_2": c.beta2,
        "opt_adamw_epsilon": c.epsilon,
        "opt_adamw_weight_decay": c.weight_decay,
        "opt_gradient_clip_norm": c.clip_norm,
        "max_sequence_length": c.sequence_length,
        "lora_rank": c.lora_rank,
        "lora_alpha": int(c.lora_alpha) if c.lora_alpha == int(c.lora_alpha) else c.lora_alpha,
        "lora_dropout": c.lora_dropout,
    }


def make(config: LoraConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.lora.train import Lora

    check_parallel(config.parallel)
    if config.shape != "llama":
        raise UsageError(f"shape is {config.shape!r}; expected llama")
    if config.base_dtype not in ("float32", "bfloat16"):
        raise UsageError(f"base_dtype is {config.base_dtype!r}; expected float32 or bfloat16")
    if config.lora_rank < 1:
        raise UsageError(f"lora_rank is {config.lora_rank}; expected at least 1")
    spec = spec_of(
        config,
        NAME,
        profile,
        (Target("eval_loss", config.target, higher_is_better=False),),
        _hyperparameters(config),
        progress_in_samples=True,
    )
    return Lora(config, spec, around)


def recipe() -> Recipe:
    return Recipe(
        name=NAME,
        area="language model",
        summary="Llama-2-70B fine-tuned by LoRA; small: adapters from the Bible to manuals",
        log_id=NAME,
        profiles={"reference": reference, "small": small},
        make=make,
        free_keys=(
            "global_batch_size", "learning_rate", "warmup_ratio", "max_steps", "gradient_accumulation_steps",
            "parallel", "recompute", "base_dtype",
        ),
        verify=later("mlassay.training.lora.verify:verify"),
    )  # fmt: skip
