"""The task itself: captions for a text-to-image SUT of yours, and two numbers for the pictures that it makes.

No text-to-image model comes with mlassay and no backend of its runs one. What is here is the rest: samples, the form of
the log, and the scoring, with networks and statistics that you bring as files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlassay.core.data_report import DataReport
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.model import ModelSpec
from mlassay.tasks.answers import FirstAnswers
from mlassay.tasks.image_generation import dataset, postprocess
from mlassay.tasks.image_generation.accuracy import Features, Moments, score, unscored
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.task import AccuracyResult, Answers, OpenTask, Profile, TaskRequest

SDXL = Profile(
    name="stable-diffusion-xl",
    summary="5,000 captions of COCO 2014 for a system of yours: the accuracy side only, no model comes along",
    benchmarks=("stable-diffusion-xl",),
    official=True,
    needs=("data", "sut"),
)
NETWORKS = ("clip", "caption-features", "inception", "real")
_TIMED = (
    "timed: all that your system does with a caption, until its picture is there as bytes; untimed: reading captions"
)


class ImageGeneration:
    """Does a picture show what its caption says, and do the pictures look real? CLIP score and FID."""

    name = "image-generation"
    summary = "a caption in, a picture out, by a system of yours; CLIP score and FID"
    profiles = (SDXL,)
    backends: tuple[str, ...] = ()
    options: Mapping[str, str] = {
        "clip": "for scoring: CLIP's picture side, an ONNX file, (n, 3, 224, 224) to (n, D)",
        "caption-features": "for scoring: CLIP's text side on every caption, a .npy (captions, D) in their order",
        "inception": "for scoring: Inception-v3 for FID, an ONNX file, (n, 3, side, side) of 0 to 1 to (n, 2048)",
        "real": 'for scoring: the statistics of real pictures, an .npz with "mu" and "sigma" (val2014.npz)',
        "side": "height and width of the pictures: 1024",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        unknown = [key for key in request.options if key not in self.options]
        if unknown:
            raise UsageError(f"{self.name} has no option {unknown[0]!r}", hint=f"it has {', '.join(self.options)}")
        if request.profile not in ("", SDXL.name):
            raise UsageError(f"{self.name} has no profile {request.profile!r}", hint=f"it has {SDXL.name}")
        if request.data is None:
            raise UsageError(f"{self.name} needs captions", hint="give --data FOLDER with captions/captions.tsv")
        captions = dataset.open_captions(request.data)
        scorer = Scorer(n=len(captions), side=_side(request), files=_files(request))
        library = ItemLibrary(
            "captions of COCO 2014",
            total_count=len(captions),
            performance_count=request.performance_count,
            prepare=lambda index: captions[index].text,
        )
        return OpenTask(
            name=self.name,
            profile=SDXL,
            library=library,
            model=ModelSpec(name="a system of yours", files={}, inputs=()),
            target=None,
            encode=postprocess.encode,
            score=scorer,
            truth=_no_truth,
            timed=_TIMED,
            data={"name": "captions of COCO 2014", "captions": len(captions), "folder": str(request.data)},
            warnings=tuple(_warnings(len(captions), scorer)),
        )

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at the captions in request.data: what is missing or damaged."""
        if request.data is None:
            raise UsageError(f"{self.name}: which captions?", hint="give --data FOLDER with captions/captions.tsv")
        return dataset.verify(request.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Looks at every logged picture once, some at a time, and keeps their features alone."""

    n: int
    side: int
    files: Mapping[str, Path]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in NETWORKS if name not in self.files)

    def __call__(self, answers: Answers) -> AccuracyResult:
        stream = FirstAnswers(answers, self.n)
        if self.missing:
            for index, data in stream:
                postprocess.decode(index, data, self.side)
            return unscored(stream.n, self.n, self.missing)
        captions = self._captions()
        order: list[int] = []
        by_clip, by_inception = self._looked_at(stream, order)
        if len(order) < 2:
            return unscored(stream.n, self.n, (), "two pictures or more are needed")
        return score(by_clip, captions[order], by_inception, Moments.read(self.files["real"]), self.n)

    def _looked_at(self, stream: FirstAnswers, order: list[int]) -> tuple[Features, Features]:
        from mlassay.tasks.image_generation import reference

        clip = reference.clip_eye(self.files["clip"])
        inception = reference.inception_eye(self.files["inception"], self.side)
        first, second = [], []
        for part in _parts(stream, reference.AT_ONCE):
            order += [index for index, _ in part]
            pictures = [postprocess.decode(index, data, self.side) for index, data in part]
            first.append(clip(pictures))
            second.append(inception(pictures))
        empty = np.zeros((0, 0))
        return (np.concatenate(first), np.concatenate(second)) if order else (empty, empty)

    def _captions(self) -> Features:
        path = self.files["caption-features"]
        try:
            found = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BadFile(path, found=f"not usable ({error})", expected="a .npy array (captions, D)") from error
        if not isinstance(found, np.ndarray) or found.ndim != 2 or len(found) != self.n:
            shape = getattr(found, "shape", "no array")
            raise BadFile(path, found=f"of shape {shape}", expected=f"a row for each of the {self.n:,} captions")
        return found


def _parts(stream: FirstAnswers, size: int) -> Iterator[list[tuple[int, bytes]]]:
    part: list[tuple[int, bytes]] = []
    for answer in stream:
        part.append(answer)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _warnings(n: int, scorer: Scorer) -> Iterator[str]:
    if n != dataset.CAPTIONS:
        yield f"{n:,} captions; the rule book's set has {dataset.CAPTIONS:,}"
    if scorer.missing:
        yield f"pictures will not be scored without the task options {', '.join(scorer.missing)}"


def _files(request: TaskRequest) -> dict[str, Path]:
    files = {name: Path(request.options[name]) for name in NETWORKS if name in request.options}
    for name, path in files.items():
        if not path.is_file():
            raise UsageError(f"there is no {path}", hint=f"task option {name}: {ImageGeneration.options[name]}")
    return files


def _side(request: TaskRequest) -> int:
    side = request.options.get("side", str(postprocess.SIDE))
    if not (side.isdigit() and int(side) > 0):
        raise UsageError(f"side={side} is not a number of pixels")
    return int(side)


def _no_truth(index: int) -> None:
    raise UsageError("image-generation has no true pictures: captions can be drawn in many ways")


TASK = ImageGeneration()
