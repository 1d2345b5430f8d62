"""Pictures with boxes in the forms in which people have them on disk, and a check of what is there.

packed            500 scenes of clothing, drawn from the Fashion-MNIST pictures in the wheel
COCO 2017         annotations/instances_val2017.json and val2017/, as published
OpenImages        annotations/openimages-mlperf.json and validation/data/, as MLPerf's download script leaves it
any COCO folder   one annotations/*.json; pictures in images/, data/ or beside it
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.data_report import DataProblem, DataReport, count_problems, each_checked, file_digest, problem_of
from mlassay.core.errors import BadFile, MachineProblem, UsageError
from mlassay.tasks.image_classification.preprocess import read_picture
from mlassay.tasks.object_detection.scenes import PACKED_SCENES, Scene, SceneSource, as_coco, packed_source

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSet:
    """A data set: `read(i)` gives picture i; `coco` holds images in sample order, annotations and categories."""

    name: str
    coco: Mapping[str, Any]
    read: Callable[[int], Pixels]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.coco["images"])

    @property
    def category_ids(self) -> list[int]:
        """In ascending order, as COCO's library numbers them."""
        return sorted(int(one["id"]) for one in self.coco["categories"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """How a published data set lies on disk, and what is known of it."""

    name: str
    annotations: str
    pictures: str
    counts: Mapping[str, int]
    sha256: str = ""  # of the annotation file
    archives: Mapping[str, str] = field(default_factory=dict)  # archive name to MD5


COCO_2017 = Published(
    name="COCO 2017 validation",
    annotations="annotations/instances_val2017.json",
    pictures="val2017",
    counts={"pictures": 5_000, "annotations": 36_781, "categories": 80},
    sha256="e8c7f7908f1d7278341fae127d0da654f102f11bd7b21d8aeefa635b8c810b6f",
    archives={
        "val2017.zip": "442b8da7639aecaf257c1dceb8ba8c80",
        "annotations_trainval2017.zip": "f4bbac642086de4f52a3fdda2de5fa2c",
    },
)
OPENIMAGES = Published(
    name="OpenImages, MLPerf's validation subset",
    annotations="annotations/openimages-mlperf.json",
    pictures="validation/data",
    counts={"pictures": 24_781, "categories": 264},
)
PUBLISHED = (COCO_2017, OPENIMAGES)
_PICTURE_FOLDERS = ("images", "data", "val2017", "validation/data", "")


def open_folder(folder: Path, annotations: Path | None = None) -> DetectionSet:
    """Find annotations and pictures, check that they belong together; raises one error that lists what is missing."""
    known, file, pictures = located(folder, annotations)
    coco = read_annotations(file)
    missing = _absent(pictures, coco)
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise BadFile(
            pictures,
            found=f"without {len(missing)} of the {len(coco['images'])} pictures that {file.name} names: {shown}",
            expected="all of them",
            hint="`mlassay data verify` lists every one",
        )
    names = [str(image["file_name"]) for image in coco["images"]]
    return DetectionSet(
        name=known.name if known else folder.name,
        coco=coco,
        read=lambda index: read_picture(pictures / names[index]),
        about={"annotations": str(file), "folder": str(pictures), "pictures": len(names)},
    )


def packed_scenes() -> DetectionSet:
    """The scenes of the small profile, drawn when they are needed."""
    scene = _packed_scene
    return DetectionSet(
        name="500 scenes of Fashion-MNIST items",
        coco=as_coco([scene(number) for number in range(PACKED_SCENES)], "scenes of Fashion-MNIST items"),
        read=lambda index: scene(index).pixels,
        about={
            "pictures": PACKED_SCENES,
            "origin": "drawn from the first 2,000 Fashion-MNIST test images, seed 20260102",
            "licence": "MIT (Fashion-MNIST, Zalando SE)",
        },
    )


def verify(folder: Path, annotations: Path | None = None, *, decode: bool = True) -> DataReport:
    """Look at everything: counts, checksum of the annotations, every picture there, decodable, of the stated size."""
    try:
        known, file, pictures = located(folder, annotations)
        coco = read_annotations(file)
    except BadFile as error:
        return DataReport(dataset="unknown", folder=folder, problems=(problem_of(error.path, error),))
    counts = {
        "pictures": len(coco["images"]),
        "annotations": len(coco["annotations"]),
        "categories": len(coco["categories"]),
    }
    where = os.path.relpath(file, folder)
    digest = file_digest(file)
    problems: list[DataProblem] = list(count_problems(counts, known.counts, where)) if known else []
    if known and known.sha256 and digest != known.sha256:
        problems.append(DataProblem(where, f"of SHA-256 {digest}", known.sha256))
    sizes = {str(image["file_name"]): (int(image["height"]), int(image["width"])) for image in coco["images"]}
    missing = set(_absent(pictures, coco))
    inside = os.path.relpath(pictures, folder)
    problems += [DataProblem(f"{inside}/{name}", "missing", "a picture") for name in sizes if name in missing]
    if decode:
        present = [name for name in sizes if name not in missing]
        problems += each_checked(present, lambda name: _picture_problem(pictures, inside, name, sizes[name]))
    return DataReport(
        dataset=known.name if known else f"COCO annotations {file.name}",
        folder=folder,
        counts={**counts, "pictures present": len(sizes) - len(missing)},
        problems=tuple(problems),
        checksums={where: digest},
        notes=() if decode else ("pictures were not decoded",),
    )


def located(folder: Path, annotations: Path | None) -> tuple[Published | None, Path, Path]:
    """Which published data set this is (None: another), its annotation file and its folder of pictures."""
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}", hint="name the folder that holds annotations/ and the pictures"
        )
    for known in PUBLISHED:
        file = folder / known.annotations
        if file.is_file() and annotations in (None, file):
            return known, file, folder / known.pictures
    if annotations is None:
        found = sorted({*folder.glob("annotations/*.json"), *folder.glob("*.json")})
        if len(found) != 1:
            names = ", ".join(path.name for path in found[:5])
            raise BadFile(
                folder,
                found=f"with {len(found)} annotation files ({names})" if found else "without annotations",
                expected=" or ".join(known.annotations for known in PUBLISHED) + ", or one annotations/*.json",
                hint="say which with --task-option annotations=FILE" if found else "",
            )
        annotations = found[0]
    if not annotations.is_file():
        raise UsageError(f"there is no annotation file {annotations}")
    pictures = next(folder / name for name in _PICTURE_FOLDERS if (folder / name).is_dir())
    return None, annotations, pictures


def read_annotations(path: Path) -> dict[str, Any]:
    """COCO's JSON, checked: every annotation belongs to a picture and a category and has a box."""
    try:
        coco = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MachineProblem(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadFile(path, found=f"not JSON ({error})", expected="COCO annotations") from error
    wanted = ("images", "annotations", "categories")
    if not isinstance(coco, dict) or not all(isinstance(coco.get(key), list) and coco[key] for key in wanted):
        raise BadFile(path, found="without images, annotations and categories", expected="COCO annotations")
    for key, reason in _complaints(coco):
        raise BadFile(path, key=key, found=reason, expected="COCO annotations")
    return coco


def _complaints(coco: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number, image in enumerate(coco["images"]):
        if not all(key in image for key in ("id", "file_name", "height", "width")):
            yield f"images[{number}]", "without id, file_name, height or width"
    images = {image["id"] for image in coco["images"]}
    if len(images) != len(coco["images"]):
        yield "images", "with ids that occur twice"
    kinds = {one.get("id") for one in coco["categories"]}
    for number, one in enumerate(coco["annotations"]):
        box = one.get("bbox")
        if one.get("image_id") not in images:
            yield f"annotations[{number}]", f"for picture {one.get('image_id')}, which is not in images"
        elif one.get("category_id") not in kinds:
            yield f"annotations[{number}]", f"of category {one.get('category_id')}, which is not in categories"
        elif not isinstance(box, list) or len(box) != 4 or not all(_finite(value) for value in box):
            yield f"annotations[{number}]", f"with the box {box!r}"
        elif "area" not in one or "iscrowd" not in one or "id" not in one:
            yield f"annotations[{number}]", "without id, area or iscrowd"


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _absent(pictures: Path, coco: Mapping[str, Any]) -> list[str]:
    """File names that are not there; each folder is listed once instead of asking for every file."""
    names = [str(image["file_name"]) for image in coco["images"]]
    there: set[str] = set()
    for parent in {os.path.dirname(name) for name in names}:
        if (pictures / parent).is_dir():
            there |= {os.path.join(parent, entry.name) for entry in os.scandir(pictures / parent)}
    return [name for name in names if name not in there]


def _picture_problem(pictures: Path, inside: str, name: str, size: tuple[int, int]) -> DataProblem | None:
    where = f"{inside}/{name}"
    try:
        shape: Sequence[int] = read_picture(pictures / name).shape
    except BadFile as error:
        return problem_of(where, error)
    if tuple(shape[:2]) != size:
        return DataProblem(where, f"{shape[1]}×{shape[0]} pixels", f"{size[1]}×{size[0]}, as the annotations say")
    return None


@lru_cache(maxsize=1)
def _source() -> SceneSource:
    return packed_source()


@lru_cache(maxsize=PACKED_SCENES)
def _packed_scene(number: int) -> Scene:
    return _source().scene(number)
