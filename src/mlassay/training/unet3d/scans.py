"""Scans of KiTS19, and the steps that training and inference both take with them before a network sees one.

How a scan is resampled to `SPACING` is not among them: the two references round and interpolate differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MachineProblem, MissingDependency
from mlassay.training.unet3d.windows import margins

SPACING = (1.6, 1.2, 1.2)  # millimetres
LOW, HIGH = -79.0, 304.0  # Hounsfield units
MEAN, DEVIATION = 101.0, 76.9
WINDOW = 128
LARGEST_VOXEL = 20  # millimetres; those of KiTS19 are 5 at most. A broken header must not ask for all memory


def read_case(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8], tuple[float, ...]]:
    """Image in Hounsfield units, labels, and the edges of a voxel in millimetres."""
    try:
        import nibabel
    except ModuleNotFoundError as error:
        raise MissingDependency("nibabel", extra="medical", why="it reads .nii.gz files") from error
    arrays = []
    for name in ("imaging.nii.gz", "segmentation.nii.gz"):
        path = folder / name
        if not path.is_file():
            raise BadFile(folder, found=f"without {name}", expected="imaging.nii.gz and segmentation.nii.gz")
        try:
            file: Any = nibabel.load(path)  # type: ignore[attr-defined, unused-ignore]
            arrays.append(np.asarray(file.dataobj))
        except Exception as error:  # nibabel and gzip report damage by many kinds of error
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BadFile(path, found=f"not readable ({reason[:100]})", expected="a whole NIfTI file") from error
        if arrays[-1].dtype.kind not in "iuf":
            raise BadFile(path, found=f"of type {arrays[-1].dtype}", expected="one number for each voxel")
        spacing = tuple(float(edge) for edge in file.header["pixdim"][1:4])
        if name.startswith("imaging"):
            edges = spacing
    image, labels = arrays
    if not all(0 < edge <= LARGEST_VOXEL for edge in edges):
        wanted = f"edges of more than 0 and at most {LARGEST_VOXEL} mm"
        raise BadFile(folder / "imaging.nii.gz", found=f"of voxels {edges} mm large", expected=wanted)
    if image.ndim != 3 or image.shape != labels.shape:
        raise BadFile(
            folder, found=f"an image {image.shape} and labels {labels.shape}", expected="equal, of 3 dimensions"
        )
    if not np.isin(np.unique(labels), (0, 1, 2)).all():
        raise BadFile(
            folder / "segmentation.nii.gz", found=f"with labels up to {labels.max():g}", expected="0, 1 and 2"
        )
    if not np.isfinite(image).all():
        raise BadFile(folder / "imaging.nii.gz", found="with voxels that are no number", expected="finite intensities")
    return image.astype(np.float32), labels.astype(np.uint8), edges


def scaled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hounsfield units clipped and brought to about mean 0 and deviation 1."""
    return (np.clip(image, LOW, HIGH) - np.float32(MEAN)) / np.float32(DEVIATION)


def widened(volume: NDArray[Any]) -> NDArray[Any]:
    """(D, H, W) with every edge at least as long as the window: the outermost voxels are repeated."""
    return np.pad(volume, margins([max(0, WINDOW - size) for size in volume.shape]), mode="edge")


def require_cases(folder: Path, cases: Sequence[str]) -> None:
    """Raises one BadFile that lists the cases whose folders are missing."""
    missing = [case for case in cases if not (folder / case).is_dir()]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise BadFile(
            folder,
            found=f"without {len(missing)} of the {len(cases)} cases: {shown}",
            expected="the rule book's KiTS19 cases, each a folder, or a folder made by prepare",
            hint="download them with the script of the KiTS19 repository",
        )


def convert_each(raw: Path, cases: Iterable[str], convert: Callable[[str], None]) -> None:
    """Raises one BadFile that lists the cases that cannot be converted, after the others were."""
    bad = []
    for case in cases:
        try:
            convert(case)
        except BadFile as error:
            bad.append(error.message)
    if bad:
        raise BadFile(raw, found=f"with {len(bad)} cases that cannot be used: {'; '.join(bad[:5])}", expected="none")


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Written whole or not at all. Raises MachineProblem."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.save(file, array)
        part.replace(path)
    except OSError as error:
        raise MachineProblem(f"{path} cannot be written: {error.strerror}", hint="make room, then go on") from error
