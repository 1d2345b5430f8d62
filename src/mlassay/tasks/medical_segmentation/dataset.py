"""Volumes with marked tissue in the forms in which people have them on disk, and a check of what is there.

packed                  boxes of a brain, cut from the MNI152 template, in the wheel
KiTS19, raw             case_00000/imaging.nii.gz and segmentation.nii.gz, as published
KiTS19, prepared        what `prepare` makes of it: .npy files of equal spacing and a manifest with checksums
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.data_report import DataProblem, DataReport, each_checked, file_digest, problem_of
from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.medical_segmentation import brain
from mlassay.tasks.medical_segmentation.preprocess import prepared_volume
from mlassay.training.unet3d.data import EVAL_NUMBERS
from mlassay.training.unet3d.scans import convert_each, read_case, require_cases, save_array

KITS_CASES = tuple(f"case_{number:05d}" for number in (*EVAL_NUMBERS, 400))
"""The rule book's 42 cases, the same as in training, and since round v3.0 case 400, which is case 185 again."""

DOUBLED = {"case_00400": "case_00185"}
KITS_CLASSES = ("background", "kidney", "tumor")
MANIFEST = "manifest.json"
_FORM = 1  # of the manifest; changes when the preparation does


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSet:
    """A data set: `sample(i)` is volume i as it is fed, (1, D, H, W) float32; `truth(i)` its labels, (1, D, H, W)."""

    name: str
    cases: Sequence[str]
    classes: Sequence[str]  # background first
    sample: Callable[[int], NDArray[np.float32]]
    truth: Callable[[int], NDArray[np.uint8]]
    official: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cases)


def packed_volumes() -> VolumeSet:
    """The boxes of the small profile."""
    image, labels = _packed()
    cut = brain.boxes(labels)
    return VolumeSet(
        name=f"{len(cut)} boxes of the MNI152 brain",
        cases=[box.name for box in cut],
        classes=brain.CLASSES,
        sample=lambda index: brain.scaled(image[cut[index].place])[None],
        truth=lambda index: labels[cut[index].place][None],
        about={
            "volumes": len(cut),
            "origin": "front part of the MNI ICBM152 2009a template, by way of nilearn 0.14.1",
            "licence": "MNI: use, copy, modify and distribute for any purpose, with the copyright notice",
        },
    )


def open_folder(folder: Path) -> VolumeSet:
    """A prepared folder, or raw KiTS19; raises one error that lists what is missing."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="name the folder that holds the data set")
    if (folder / MANIFEST).is_file():
        return _prepared(folder)
    cases = _cases(folder)
    return _kits(
        cases, {"folder": str(folder), "form": "raw"}, lambda case: prepared_volume(*read_case(folder / _source(case)))
    )


def prepare(raw: Path, out: Path, *, told: Callable[[str], None] = lambda _: None) -> Path:
    """Resample, scale and pad every case once, so that runs load quickly. Interrupted, it goes on where it stopped.

    Raises one error that lists cases that are missing or cannot be read; what could be prepared is kept.
    """
    cases = _cases(raw)
    manifest: dict[str, Any] = {"form": _FORM, "cases": {}}
    if (out / MANIFEST).is_file():
        manifest = _read_manifest(out)

    def convert(case: str) -> None:
        if _is_done(out, manifest["cases"].get(case)):
            return
        told(case)
        image, labels = prepared_volume(*read_case(raw / case))
        entry: dict[str, Any] = {"shape": list(image.shape)}
        for kind, array in (("image", image), ("labels", labels)):
            entry[kind] = _saved(out / f"{case}-{kind}.npy", array)
        manifest["cases"][case] = entry
        _write_manifest(out, manifest)

    convert_each(raw, [case for case in cases if case not in DOUBLED], convert)
    for case, same in DOUBLED.items():
        if case in cases:
            manifest["cases"][case] = manifest["cases"][same]
    manifest["complete"] = True
    _write_manifest(out, manifest)
    return out


def verify(folder: Path) -> DataReport:
    """Look at everything: all 43 cases, files readable, shapes that agree, labels 0 to 2; checksums if prepared."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="name the folder that holds the data set")
    if (folder / MANIFEST).is_file():
        return _verify_prepared(folder)
    present = [case for case in KITS_CASES if (folder / _source(case)).is_dir()]
    absent = [DataProblem(case, "missing", "imaging.nii.gz and segmentation.nii.gz") for case in KITS_CASES
              if case not in present]  # fmt: skip
    damaged = each_checked(present, lambda case: _case_problem(folder, case))
    return DataReport(
        dataset="KiTS19, raw",
        folder=folder,
        counts={"cases": len(present), "cases published": len(KITS_CASES)},
        problems=(*absent, *damaged),
        notes=("no checksums of the raw files are published",),
    )


def _source(case: str) -> str:
    return DOUBLED.get(case, case)


def _cases(folder: Path) -> list[str]:
    require_cases(folder, [_source(case) for case in KITS_CASES])
    return list(KITS_CASES)


def _kits(
    cases: Sequence[str],
    about: Mapping[str, Any],
    volume: Callable[[str], tuple[NDArray[np.float32], NDArray[np.uint8]]],
) -> VolumeSet:
    return VolumeSet(
        name="KiTS19, MLPerf's cases",
        cases=cases,
        classes=KITS_CLASSES,
        sample=lambda index: volume(cases[index])[0][None],
        truth=lambda index: volume(cases[index])[1][None],
        official=True,
        about={"volumes": len(cases), **about},
    )


def _prepared(folder: Path) -> VolumeSet:
    manifest = _read_manifest(folder)
    if not manifest.get("complete"):
        raise BadFile(folder, found="prepared in part", expected="all cases", hint="run prepare again: it goes on")

    def volume(case: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        entry = manifest["cases"][case]
        return _array(folder / entry["image"]["file"]), _array(folder / entry["labels"]["file"])

    return _kits(list(manifest["cases"]), {"folder": str(folder), "form": "prepared"}, volume)


def _array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadFile(path, found=f"not readable ({error})", expected="an array made by prepare") from error
    return array


def _saved(path: Path, array: NDArray[Any]) -> dict[str, str]:
    save_array(path, array)
    return {"file": path.name, "sha256": file_digest(path)}


def _is_done(out: Path, entry: Mapping[str, Any] | None) -> bool:
    return entry is not None and all((out / entry[kind]["file"]).is_file() for kind in ("image", "labels"))


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadFile(path, found=f"not JSON ({error})", expected="a manifest made by prepare") from error
    if not isinstance(manifest, dict) or manifest.get("form") != _FORM or not isinstance(manifest.get("cases"), dict):
        raise BadFile(path, found="of another form", expected=f"form {_FORM}", hint="prepare the data anew")
    return manifest


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    part = folder / (MANIFEST + ".part")
    part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    part.replace(folder / MANIFEST)


def _case_problem(folder: Path, case: str) -> DataProblem | None:
    try:
        read_case(folder / _source(case))
    except BadFile as error:
        return problem_of(case, error)
    return None


def _verify_prepared(folder: Path) -> DataReport:
    try:
        manifest = _read_manifest(folder)
    except BadFile as error:
        return DataReport(dataset="KiTS19, prepared", folder=folder, problems=(problem_of(MANIFEST, error),))
    problems = [DataProblem(case, "missing", "prepared") for case in KITS_CASES if case not in manifest["cases"]]
    files = {
        entry[kind]["file"]: entry[kind]["sha256"]
        for entry in manifest["cases"].values()
        for kind in ("image", "labels")
    }
    problems += each_checked(list(files), partial(_file_problem, folder, files))
    return DataReport(
        dataset="KiTS19, prepared",
        folder=folder,
        counts={"cases": len(manifest["cases"]), "cases published": len(KITS_CASES)},
        problems=tuple(problems),
        checksums=files,
    )


def _file_problem(folder: Path, files: Mapping[str, str], name: str) -> DataProblem | None:
    if not (folder / name).is_file():
        return DataProblem(name, "missing", f"SHA-256 {files[name]}")
    found = file_digest(folder / name)
    return None if found == files[name] else DataProblem(name, f"of SHA-256 {found}", files[name])


@lru_cache(maxsize=1)
def _packed() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return brain.load()
