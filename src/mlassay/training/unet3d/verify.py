"""Is KiTS19, as it was prepared for training, whole?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mlassay.core.data_report import DataProblem, DataReport, each_checked, file_digest, problem_of
from mlassay.core.errors import BadFile
from mlassay.training.unet3d import data
from mlassay.training.unet3d.recipe import Unet3dConfig

CHECKSUMS = "checksum.json"
"""The reference's list of MD5 sums: an object, file name to digits. Compared where it lies in the folder."""


def verify(folder: Path, config: Unet3dConfig) -> DataReport:
    """All cases: types and shapes, then every voxel (labels 0 to 2, finite images), then checksums if there are any."""
    if not folder.is_dir():
        return _report(folder, problems=(DataProblem(str(folder), "absent", data.LAYOUT),))
    problems = data.kits_problems(folder, config.patch)
    odd = {problem.where for problem in problems}
    files = [path.name for number in range(data.N_CASES) for path in data.case_files(folder, number)]
    sound = [name for name in files if name not in odd]
    problems += each_checked(sound, partial(_content_problem, folder))
    try:
        sums = _published(folder)
    except BadFile as error:
        return _report(folder, problems=(*problems, problem_of(CHECKSUMS, error)))
    problems += each_checked([name for name in sound if name in sums], partial(_sum_problem, folder, sums))
    compared = "compared with the reference's checksum.json" if sums else f"not compared: there is no {CHECKSUMS} here"
    return _report(folder, problems=tuple(problems), notes=(f"MD5 sums: {compared}",))


def _report(folder: Path, *, problems: tuple[DataProblem, ...], notes: tuple[str, ...] = ()) -> DataReport:
    there = {n for n in range(data.N_CASES) if all(path.is_file() for path in data.case_files(folder, n))}
    judging = there & set(data.EVAL_NUMBERS)
    counts = {"training cases": len(there - judging), "evaluation cases": len(judging)}
    return DataReport(
        dataset="KiTS19, prepared for training", folder=folder, counts=counts, problems=problems, notes=notes
    )


def _content_problem(folder: Path, name: str) -> DataProblem | None:
    try:
        (data.check_image if name.endswith("_x.npy") else data.check_labels)(folder / name)
    except BadFile as error:
        return problem_of(name, error)
    return None


def _published(folder: Path) -> Mapping[str, str]:
    path = folder / CHECKSUMS
    if not path.is_file():
        return {}
    try:
        sums = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadFile(path, found=f"not readable as JSON ({error})", expected="file names and MD5 sums") from error
    if not isinstance(sums, dict) or not all(isinstance(value, str) for value in sums.values()):
        raise BadFile(path, found="of another form", expected="an object of file names and MD5 sums")
    return sums


def _sum_problem(folder: Path, sums: Mapping[str, str], name: str) -> DataProblem | None:
    found = file_digest(folder / name, "md5")
    return None if found == sums[name] else DataProblem(name, f"of MD5 {found}", sums[name])
