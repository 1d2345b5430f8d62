"""Mask R-CNN's configurations, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRcnnConfig:
    """Everything that decides a Mask R-CNN run. The defaults are the reference's at 16 pictures a step."""

    data_format: str = "coco"  # or "scenes": photographs of Fashion-MNIST laid out
    n_train: int = 0  # scenes only: how many are laid out
    n_eval: int = 0
    min_image_size: int = 800  # pixels of the shorter side
    max_image_size: int = 1333  # of the longer side
    n_classes: int = 81  # with the background
    depths: tuple[int, ...] = (3, 4, 6, 3)
    base_width: int = 64
    block: str = "bottleneck"  # or "basic"
    stem: str = "imagenet"  # 7x7 stride 2 and max-pool; "small": 3x3 stride 2
    norm: str = "frozen"  # the statistics of ImageNet, never moved; or "batch"
    frozen_stages: int = 2  # stem and first stage of blocks do not learn
    backbone: str = "resnet50.pth"  # file of ImageNet weights in the data folder; "none": from random weights
    first_level: int = 0  # the first stage that the pyramid uses
    pyramid_width: int = 256
    anchor_sizes: tuple[int, ...] = (32, 64, 128, 256, 512)  # pixels, one for each map of the pyramid
    straddling_anchors: bool = False  # whether anchors over the picture's rim take part in training
    n_anchors_sampled: int = 256
    n_before_nms: int = 2000  # of each map, in training
    n_before_nms_eval: int = 1000
    n_proposals: int = 1000  # of each picture
    n_rois: int = 512  # of each picture, in training
    canonical_size: int = 224  # pixels; a region of this size is looked at in the map `canonical_level`
    canonical_level: int = 2  # counted from the pyramid's finest map
    dense_width: int = 1024
    mask_convolutions: int = 4
    global_batch_size: int = 16
    gradient_accumulation_steps: int = 1
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "steps"  # x0.1 at the decay steps; or "one-cycle"
    warmup_steps: int = 500
    warmup_factor: float = 1 / 3
    decay_steps: tuple[int, ...] = (60_000, 80_000)
    max_epochs: float = 90_000 * 16 / 117_266
    eval_every_epochs: float = 1.0
    clip_norm: float = 0.0
    target: float = 0.377  # boxes
    second_target: float = 0.339  # masks
    n_workers: int = 4


def reference() -> MaskRcnnConfig:
    return MaskRcnnConfig()


def small() -> MaskRcnnConfig:
    """Scenes of 64x64 pixels, a seven-layer backbone with batch norm, three maps."""
    return MaskRcnnConfig(
        data_format="scenes",
        n_train=1500,
        n_eval=150,
        min_image_size=64,
        max_image_size=64,
        n_classes=11,
        depths=(1, 1, 1),
        base_width=16,
        block="basic",
        stem="small",
        norm="batch",
        frozen_stages=0,
        backbone="none",
        first_level=1,
        pyramid_width=32,
        anchor_sizes=(16, 24, 34),
        straddling_anchors=True,
        n_anchors_sampled=64,
        n_before_nms=100,
        n_before_nms_eval=100,
        n_proposals=60,
        n_rois=24,
        canonical_size=30,
        canonical_level=1,
        dense_width=128,
        mask_convolutions=2,
        learning_rate=0.08,
        schedule="one-cycle",
        max_epochs=6.0,
        eval_every_epochs=0.5,
        target=0.44,
        second_target=0.38,
        n_workers=0,
    )


def _hyperparameters(c: MaskRcnnConfig) -> dict[str, object]:
    """Under the official keys of the closed division (training rules, hyperparameter table, Mask R-CNN)."""
    return {
        "opt_base_learning_rate": c.learning_rate,
        "opt_learning_rate_warmup_steps": c.warmup_steps,
        "opt_learning_rate_warmup_factor": c.warmup_factor,
        "opt_learning_rate_decay_factor": 0.1,
        "opt_learning_rate_decay_steps": list(c.decay_steps),
        # The reference keeps so many over all pictures of a device; here the cut is by picture, so that the number of
        # processes does not change what is learned.
        "num_image_candidates": c.n_proposals * c.global_batch_size,
        "min_image_size": c.min_image_size,
        "max_image_size": c.max_image_size,
    }


def make(config: MaskRcnnConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.maskrcnn.train import MaskRcnn

    spec = spec_of(
        config,
        "maskrcnn",
        profile,
        (Target("bbox", config.target), Target("segm", config.second_target)),
        _hyperparameters(config),
    )
    return MaskRcnn(config, spec, around)


def recipe() -> Recipe:
    profiles: dict[str, Any] = {"reference": reference, "small": small}
    return Recipe(
        name="maskrcnn",
        area="object detection (heavy)",
        summary="Mask R-CNN with ResNet-50 FPN on COCO 2017; small: seven layers on scenes of Fashion-MNIST",
        log_id="maskrcnn",
        profiles=profiles,
        make=make,
        verify=later("mlassay.training.maskrcnn.verify:verify"),
        free_keys=(
            "global_batch_size",
            "gradient_accumulation_steps",
            "learning_rate",
            "warmup_steps",
            "warmup_factor",
            "decay_steps",
            "max_epochs",
            "n_workers",
        ),
    )
