"""3D U-Net's configurations, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from mlassay.training.benchmark import Benchmark, Recipe, Surroundings, Target, later, spec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Unet3dConfig:
    """Everything that decides a 3D U-Net run. The defaults are the reference's (SGD, global batch 2)."""

    data_format: str = "kits19"  # the reference's preprocessed files; "brain": the packed template
    widths: tuple[int, ...] = (32, 64, 128, 256, 320, 320)  # channels of the levels, finest first
    n_classes: int = 3  # background, kidney, tumour
    patch: int = 128  # edge of crops and of the sliding window, in voxels
    oversampling: float = 0.4  # share of crops that are cut around marked tissue
    padding: float = -2.2  # of the scaled image, where the windows reach over its edge
    global_batch_size: int = 2
    gradient_accumulation_steps: int = 1
    learning_rate: float = 0.8
    initial_learning_rate: float = 1e-4
    warmup_epochs: int = 200
    decay_boundary_epochs: tuple[int, ...] = ()
    decay_factor: float = 1.0
    momentum: float = 0.9  # Nesterov's
    weight_decay: float = 0.0
    first_eval_epoch: float = 1000.0  # of 168 samples; batches that leave a rest make it later
    eval_every_epochs: float = 20.0
    max_epochs: float = 10_000.0
    progress_in_samples: bool = False  # what the log counts; from v3.1 on, since epochs differ in length
    windows_at_once: int = 1  # in evaluation; instance normalisation keeps them apart
    clip_norm: float = 0.0
    target: float = 0.908


def reference() -> Unet3dConfig:
    return Unet3dConfig()


def small() -> Unet3dConfig:
    """Grey and white matter of the MNI152 template, voxels of 2 mm: three levels, windows of 16 voxels."""
    return Unet3dConfig(
        data_format="brain",
        widths=(8, 16, 24),
        patch=16,
        padding=-110 / 90,  # black
        global_batch_size=4,
        learning_rate=0.1,
        initial_learning_rate=0.01,
        warmup_epochs=5,
        decay_boundary_epochs=(120, 160, 200),
        decay_factor=0.3,
        first_eval_epoch=126.0,  # of 18 samples, 16 of which make an epoch of four steps: once the rate has fallen
        eval_every_epochs=9.0,
        max_epochs=234.0,
        windows_at_once=4,
        target=0.89,
    )


def _hyperparameters(c: Unet3dConfig) -> dict[str, object]:
    """Under the official keys of the closed division (training rules, hyperparameter table, 3D U-Net)."""
    return {
        "opt_name": "sgd",
        "opt_base_learning_rate": c.learning_rate,
        "opt_initial_learning_rate": c.initial_learning_rate,
        "opt_learning_rate_warmup_epochs": c.warmup_epochs,
        "opt_learning_rate_decay_boundary_epochs": list(c.decay_boundary_epochs),
        "opt_learning_rate_decay_factor": c.decay_factor,
        "opt_momentum": c.momentum,
        "opt_weight_decay": c.weight_decay,
        "oversampling": c.oversampling,
        "training_input_shape": [c.patch] * 3,
        "validation_input_shape": [c.patch] * 3,
        "validation_overlap": 0.5,
    }


def make(config: Unet3dConfig, profile: str, around: Surroundings) -> Benchmark:
    from mlassay.training.unet3d.train import Unet3d

    spec = spec_of(
        config,
        "unet3d",
        profile,
        (Target("mean_dice", config.target),),
        _hyperparameters(config),
        progress_in_samples=config.progress_in_samples,
    )
    return Unet3d(config, spec, around)


def recipe() -> Recipe:
    return Recipe(
        name="unet3d",
        area="medical segmentation",
        summary="3D U-Net on KiTS19; small: three levels on a brain, the MNI152 template",
        log_id="unet3d",
        profiles={"reference": reference, "small": small},
        make=make,
        verify=later("mlassay.training.unet3d.verify:verify"),
        prepare=later("mlassay.training.unet3d.prepare:prepare"),
        by_round={name: {"progress_in_samples": True} for name in ("v3.1", "v4.0")},
        free_keys=(
            "global_batch_size",
            "gradient_accumulation_steps",
            "learning_rate",
            "initial_learning_rate",
            "warmup_epochs",
            "decay_boundary_epochs",
            "decay_factor",
            "momentum",
            "weight_decay",
            "windows_at_once",
        ),
    )
