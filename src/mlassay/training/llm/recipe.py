"""Configurations of the language models, importable without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

from mlassay.core.errors import UsageError
from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """What decides a decoder-only model. The defaults are Llama-3.1-8B's."""

    shape: str = (
        "llama"  # RMSNorm, rotary positions, SwiGLU, grouped queries; "gpt3": LayerNorm, learned positions, GELU
    )
    vocabulary: int = 128_256
    n_layers: int = 32
    hidden: int = 4096
    ffn: int = 14_336
    n_heads: int = 32
    n_kv_heads: int = 8
    sequence_length: int = 8192
    rope_theta: float = 500_000.0
    init_std: float = 0.02
    recompute: bool = False  # keep only what enters each layer, and compute the layer again on the way back


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmConfig(ModelShape):
    """Everything that decides a pre-training run. The defaults are Llama-3.1-8B's at global batch 32."""

    data_format: str = "megatron"  # an indexed .bin/.idx pair each for train and valid; "text": bytes of a text
    parallel: str = "ddp"  # how several processes share the work; "fsdp": each keeps a part of every layer
    global_batch_size: int = 32
    gradient_accumulation_steps: int = 1
    learning_rate: float = 5e-4
    end_learning_rate_ratio: float = 0.1
    warmup_steps: int = 512
    decay_steps: int = 1_200_000 - 512  # after the warm-up; GPT-3 counts the warm-up in
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-5
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    max_epochs: float = 1.0
    eval_every_epochs: float = 1.0  # not used: evaluation goes by samples
    eval_every_samples: int = 12_288
    n_eval_sequences: int = 1024
    max_steps: int = 1_200_000
    target: float = 3.3


def llama31_8b_reference() -> LlmConfig:
    return LlmConfig()


def llama31_405b_reference() -> LlmConfig:
    """At global batch 1152; vocabulary of the tokenizer that the round prescribes, padded to 32,768."""
    return replace(
        LlmConfig(),
        vocabulary=32_768,
        n_layers=126,
        hidden=16_384,
        ffn=53_248,
        n_heads=128,
        global_batch_size=1152,
        learning_rate=8e-5,
        end_learning_rate_ratio=0.01,
        warmup_steps=8000,
        decay_steps=1_200_000 - 8000,
        eval_every_samples=46_080,
        n_eval_sequences=5760,
        target=5.6,
    )


def gpt3_reference() -> LlmConfig:
    """175B at global batch 1536; weight decay covers LayerNorm and biases too, as Megatron does."""
    batch = 1536
    return replace(
        LlmConfig(),
        shape="gpt3",
        vocabulary=50_257,
        n_layers=96,
        hidden=12_288,
        ffn=49_152,
        n_heads=96,
        n_kv_heads=96,
        sequence_length=2048,
        init_std=0.006,
        global_batch_size=batch,
        learning_rate=2e-5,
        warmup_steps=ceil(265 * 1536 / batch),
        decay_steps=ceil(108_600 * 1536 / batch),
        epsilon=1e-8,
        eval_every_samples=24_576,
        n_eval_sequences=24_567,
        target=2.69,
    )


def small(shape: str) -> LlmConfig:
    """About 0.7 M parameters on the bytes of a public-domain text."""
    return replace(
        LlmConfig(),
        shape=shape,
        data_format="text",
        vocabulary=256,
        n_layers=3,
        hidden=128,
        ffn=352 if shape == "llama" else 512,
        n_heads=4,
        n_kv_heads=2 if shape == "llama" else 4,
        sequence_length=128,
        rope_theta=10_000.0,
        global_batch_size=32,
        learning_rate=4e-3,
        warmup_steps=50,
        decay_steps=550,
        epsilon=1e-8,
        eval_every_samples=1600,
        n_eval_sequences=512,
        max_epochs=4.0,
        max_steps=600,
        target=1.6 if shape == "llama" else 1.8,
    )


def _hyperparameters(c: LlmConfig) -> dict[str, object]:
    """Under the official keys (training rules, hyperparameter table, language models).

    Every run starts from random weights, so a round that wants a given checkpoint (GPT-3) refuses it in closed.
    """
    adam = "adam" if c.shape == "gpt3" else "adamw"
    return {
        "opt_name": adam,
        "opt_base_learning_rate": c.learning_rate,
        "opt_end_learning_rate": c.learning_rate * c.end_learning_rate_ratio,
        "opt_learning_rate_warmup_steps": c.warmup_steps,
        "opt_learning_rate_decay_steps": c.decay_steps,
        "opt_learning_rate_decay_schedule": "cosine with linear warmup",
        f"opt_{adam}_beta_1": c.beta1,
        f"opt_{adam}_beta_2": c.beta2,
        f"opt_{adam}_epsilon": c.epsilon,
        f"opt_{adam}_weight_decay": c.weight_decay,
        "opt_gradient_clip_norm": c.clip_norm,
        "max_sequence_length": c.sequence_length,
        "max_steps": c.max_steps,
        "init_checkpoint_step": 0,
    }


def check_parallel(parallel: str) -> None:
    if parallel not in ("ddp", "fsdp"):
        raise UsageError(f"parallel is {parallel!r}; expected ddp or fsdp")


def make(name: str, config: LlmConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.llm.train import Llm

    check_parallel(config.parallel)
    spec = spec_of(
        config,
        name,
        profile,
        (Target("log_perplexity", config.target, higher_is_better=False),),
        _hyperparameters(config),
        progress_in_samples=True,
    )
    return Llm(config, spec, around)


def _recipe(name: str, summary: str, shape: str, reference: Callable[[], LlmConfig]) -> Recipe:
    return Recipe(
        name=name,
        area="language model",
        summary=summary,
        log_id=name,
        profiles={"reference": reference, "small": partial(small, shape)},
        make=partial(make, name),
        free_keys=(
            "global_batch_size", "learning_rate", "warmup_steps", "gradient_accumulation_steps",
            "parallel", "recompute",
        ),
        verify=later("mlassay.training.llm.verify:verify"),
    )  # fmt: skip


def gpt3() -> Recipe:
    return _recipe("gpt3", "GPT-3 175B; small: its shape on English bytes", "gpt3", gpt3_reference)


def llama31_8b() -> Recipe:
    return _recipe("llama31_8b", "Llama-3.1-8B; small: its shape on English bytes", "llama", llama31_8b_reference)


def llama31_405b() -> Recipe:
    return _recipe("llama31_405b", "Llama-3.1-405B; small as llama31_8b", "llama", llama31_405b_reference)
