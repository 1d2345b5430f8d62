"""SSD's configurations, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SsdConfig:
    """Everything that decides an SSD run. The defaults are the reference's of rounds v0.6 to v1.1."""

    data_format: str = "coco"  # or "scenes": photographs of Fashion-MNIST laid out
    n_train: int = 0  # scenes only: how many are laid out
    n_eval: int = 0
    image_size: int = 300
    n_classes: int = 81  # with the background
    depths: tuple[int, ...] = (3, 4, 6)  # ResNet-34 up to its third stage, which does not shrink here
    base_width: int = 64
    stem: str = "imagenet"  # 7x7 stride 2 and max-pool; "small": 3x3 stride 2
    backbone: str = "resnet34.pth"  # file of ImageNet weights in the data folder; "none": from random weights
    extras: tuple[tuple[int, int, int, int], ...] = (
        (256, 512, 2, 1), (256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 1, 0), (128, 256, 1, 0),
    )  # fmt: skip
    """More layers: width of the 1x1, width of the 3x3, its stride, its padding."""
    steps: tuple[int, ...] = (8, 16, 32, 64, 100, 300)  # pixels between centres of default boxes, each map
    scales: tuple[int, ...] = (21, 45, 99, 153, 207, 261, 315)  # pixels; one more than there are maps
    ratios: tuple[tuple[int, ...], ...] = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
    global_batch_size: int = 32
    gradient_accumulation_steps: int = 1
    learning_rate: float = 2.5e-3  # at batch 32; scaled by batch/32
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "steps"  # x0.1 at the boundaries; or "one-cycle"
    warmup_steps: int = 300
    warmup_factor: float = 0.0
    decay_boundary_epochs: tuple[float, ...] = (40.0, 50.0)
    crop_attempts: int = 1  # max_samples of the logs: 1 or 50
    max_epochs: float = 80.0
    eval_every_epochs: float = 5.0
    first_eval_epoch: float = 40.0  # 0: the first interval's end
    skipped_eval_epochs: tuple[float, ...] = (45.0,)  # rounds v0.6 to v1.0 look at 40, 50, 55, 60 … 80
    clip_norm: float = 0.0
    target: float = 0.23
    n_workers: int = 4

    @property
    def peak_rate(self) -> float:
        return self.learning_rate * self.global_batch_size / 32


def reference() -> SsdConfig:
    return SsdConfig()


def small() -> SsdConfig:
    """Scenes of 64x64 pixels, a seven-layer backbone, three maps of boxes."""
    return SsdConfig(
        data_format="scenes",
        n_train=2000,
        n_eval=120,
        image_size=64,
        n_classes=11,
        depths=(1, 1, 1),
        base_width=16,
        stem="small",
        backbone="none",
        extras=((32, 64, 2, 1), (32, 64, 2, 1)),
        steps=(4, 8, 16),
        scales=(14, 22, 32, 44),
        ratios=((2,), (2,), (2,)),
        global_batch_size=16,
        learning_rate=0.05,
        schedule="one-cycle",
        max_epochs=5.0,
        eval_every_epochs=0.5,
        first_eval_epoch=0.0,
        skipped_eval_epochs=(),
        target=0.36,
        n_workers=0,
    )


def _hyperparameters(c: SsdConfig) -> dict[str, object]:
    """Under the official keys of the closed division (training rules, hyperparameter table, SSD)."""
    return {
        "model_bn_span": c.global_batch_size,
        "opt_base_learning_rate": c.peak_rate,
        "opt_learning_rate_warmup_factor": c.warmup_factor,
        "opt_learning_rate_warmup_steps": c.warmup_steps,
        "opt_learning_rate_decay_boundary_epochs": list(c.decay_boundary_epochs),
        "opt_weight_decay": c.weight_decay,
        "max_samples": c.crop_attempts,
    }


def make(config: SsdConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.ssd.train import Ssd

    spec = spec_of(config, "ssd", profile, (Target("mAP", config.target),), _hyperparameters(config))
    return Ssd(config, spec, around)


def recipe() -> Recipe:
    profiles: dict[str, Any] = {"reference": reference, "small": small}
    return Recipe(
        name="ssd",
        area="object detection (light)",
        summary="SSD with ResNet-34 on COCO 2017; small: seven layers on scenes of Fashion-MNIST",
        log_id="ssd",
        profiles=profiles,
        make=make,
        verify=later("mlassay.training.ssd.verify:verify"),
        free_keys=(
            "global_batch_size",
            "gradient_accumulation_steps",
            "learning_rate",
            "weight_decay",
            "warmup_steps",
            "warmup_factor",
            "decay_boundary_epochs",
            "crop_attempts",
            "max_epochs",
            "n_workers",
        ),
    )
