"""ResNet's configurations, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ResnetConfig:
    """Everything that decides a ResNet run. The defaults are the reference's (SGD, global batch 256)."""

    data_format: str = "imagenet"  # "imagenet": folders of JPEG by class; "idx": the MNIST family's files
    depths: tuple[int, ...] = (3, 4, 6, 3)
    base_width: int = 64
    block: str = "bottleneck"  # or "basic"
    stem: str = "imagenet"  # 7x7 stride 2 and max-pool; "small": 3x3
    n_classes: int = 1000  # the reference has 1001, one unused; 1000 is allowed
    in_channels: int = 3
    image_size: int = 224
    global_batch_size: int = 256
    gradient_accumulation_steps: int = 1
    optimizer: str = "sgd"  # or "lars"
    learning_rate: float = 0.128  # at batch 256; scaled by batch/256
    momentum: float = 0.9
    weight_decay: float = 1e-4
    nesterov: bool = False
    label_smoothing: float = 0.0
    schedule: str = "steps"  # "steps": x0.1 at 30/60/80/90; "poly": power 2; "one-cycle"
    warmup_epochs: float = 5.0
    end_learning_rate: float = 1e-4
    max_epochs: float = 90.0
    eval_every_epochs: float = 4.0
    clip_norm: float = 0.0
    target: float = 0.749
    n_workers: int = 4

    @property
    def peak_rate(self) -> float:
        return self.learning_rate * self.global_batch_size / 256 if self.optimizer == "sgd" else self.learning_rate


def reference() -> ResnetConfig:
    return ResnetConfig()


def small() -> ResnetConfig:
    """Fashion-MNIST, an eight-layer basic-block net, two to three epochs."""
    return ResnetConfig(
        data_format="idx",
        depths=(1, 1, 1),
        base_width=16,
        block="basic",
        stem="small",
        n_classes=10,
        in_channels=1,
        image_size=28,
        global_batch_size=128,
        learning_rate=0.4,
        weight_decay=5e-4,
        nesterov=True,
        schedule="one-cycle",
        warmup_epochs=0.6,
        max_epochs=3.0,
        eval_every_epochs=0.25,
        target=0.905,
        n_workers=0,
    )


def _hyperparameters(c: ResnetConfig) -> dict[str, object]:
    """Under the official keys of the closed division (training rules, hyperparameter table, ResNet)."""
    common: dict[str, object] = {
        "opt_name": c.optimizer,
        "opt_learning_rate_warmup_epochs": c.warmup_epochs,
        "model_bn_span": c.global_batch_size,
    }
    p = c.optimizer
    common |= {
        f"{p}_opt_base_learning_rate": c.peak_rate,
        f"{p}_opt_end_learning_rate": c.end_learning_rate,
        f"{p}_opt_learning_rate_decay_poly_power": 2,
        f"{p}_opt_learning_rate_decay_steps": round((c.max_epochs - c.warmup_epochs) * 1_281_167 / c.global_batch_size),
        f"{p}_opt_weight_decay": c.weight_decay,
        f"{p}_opt_momentum": c.momentum,
    }
    if p == "lars":
        common |= {"lars_epsilon": 0.0, "lars_opt_learning_rate_warmup_epochs": c.warmup_epochs}
    return common


def make(config: ResnetConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.resnet.train import Resnet

    spec = spec_of(config, "resnet", profile, (Target("accuracy", config.target),), _hyperparameters(config))
    return Resnet(config, spec, around)


def recipe() -> Recipe:
    profiles: dict[str, Any] = {"reference": reference, "small": small}
    return Recipe(
        name="resnet",
        area="image classification",
        summary="ResNet-50 v1.5 on ImageNet; small: eight layers on Fashion-MNIST",
        log_id="resnet",
        profiles=profiles,
        make=make,
        verify=later("mlassay.training.resnet.verify:verify"),
        free_keys=(
            "global_batch_size",
            "gradient_accumulation_steps",
            "learning_rate",
            "warmup_epochs",
            "max_epochs",
            "optimizer",
            "schedule",
            "weight_decay",
            "label_smoothing",
            "eval_every_epochs",
            "n_workers",
        ),
    )
