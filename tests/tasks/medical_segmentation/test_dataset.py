from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.medical_segmentation import brain, dataset
from mlassay.training.unet3d import scans
from tests.tasks.medical_segmentation.kits_folder import kits, write_case


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kits(tmp_path_factory.mktemp("kits"))


def test_packed_boxes() -> None:
    volumes = dataset.packed_volumes()
    assert len(volumes) == 13
    shapes = [volumes.sample(i).shape for i in range(13)]
    assert len(set(shapes)) == 13  # of different sizes, as patients are
    for index in range(13):
        truth = volumes.truth(index)
        assert truth.shape == shapes[index]
        assert np.bincount(truth.ravel(), minlength=3)[1:].min() >= 500
    assert volumes.sample(3).dtype == np.float32
    assert volumes.sample(0).min() == np.float32(-brain.MEAN) / np.float32(brain.DEVIATION)


def test_kits_has_the_rule_books_cases() -> None:
    assert len(dataset.KITS_CASES) == 43
    assert dataset.KITS_CASES[0] == "case_00000"
    assert dataset.KITS_CASES[-1] == "case_00400"


def test_raw_kits(raw: Path) -> None:
    volumes = dataset.open_folder(raw)
    assert volumes.official
    assert len(volumes) == 43
    image, labels = volumes.sample(4), volumes.truth(4)
    assert image.shape == labels.shape == (1, 128, 128, 128)
    assert set(np.unique(labels)) == {0, 1, 2}
    doubled, same = dataset.KITS_CASES.index("case_00400"), dataset.KITS_CASES.index("case_00185")
    assert np.array_equal(volumes.sample(doubled), volumes.sample(same))


def test_verify_of_raw_kits(raw: Path, tmp_path: Path) -> None:
    assert dataset.verify(raw).complete
    for case in ("case_00000", "case_00003", "case_00005"):
        write_case(tmp_path, case)
    (tmp_path / "case_00000/imaging.nii.gz").write_bytes(b"not a scan")
    (tmp_path / "case_00003/segmentation.nii.gz").unlink()
    report = dataset.verify(tmp_path)
    found = [str(problem) for problem in report.problems]
    assert len(found) == 42
    assert found[0] == "case_00006 is missing; expected imaging.nii.gz and segmentation.nii.gz"
    assert found[-2].startswith("case_00000 is not readable (")
    assert found[-1] == "case_00003 is without segmentation.nii.gz; expected imaging.nii.gz and segmentation.nii.gz"


def test_prepare_goes_on_where_it_was_stopped(raw: Path, tmp_path: Path) -> None:
    out, told = tmp_path / "prepared", []

    def stop_after_three(case: str) -> None:
        told.append(case)
        if len(told) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.prepare(raw, out, told=stop_after_three)
    with pytest.raises(BadFile, match="prepared in part"):
        dataset.open_folder(out)
    again: list[str] = []
    dataset.prepare(raw, out, told=again.append)
    assert again == list(dataset.KITS_CASES[3:42])
    prepared, fresh = dataset.open_folder(out), dataset.open_folder(raw)
    assert prepared.cases == list(fresh.cases)
    for index in (0, 17, 42):
        assert np.array_equal(prepared.sample(index), fresh.sample(index))
        assert np.array_equal(prepared.truth(index), fresh.truth(index))
    assert dataset.verify(out).complete
    damaged = out / "case_00012-labels.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x01")
    (out / "case_00024-image.npy").unlink()
    found = [str(problem) for problem in dataset.verify(out).problems]
    assert found[0].startswith("case_00012-labels.npy is of SHA-256 ")
    assert found[1].startswith("case_00024-image.npy is missing; expected SHA-256 ")


def test_prepare_names_bad_cases_and_keeps_the_rest(raw: Path, tmp_path: Path) -> None:
    source = tmp_path / "raw"
    source.mkdir()
    for case in dataset.KITS_CASES[:-1]:
        (source / case).symlink_to(raw / case)
    (source / "case_00041").unlink()
    (source / "case_00041").mkdir()
    with pytest.raises(BadFile, match=r"with 1 cases that cannot be used: .*case_00041 is without imaging.nii.gz"):
        dataset.prepare(source, tmp_path / "out")
    assert len(json.loads((tmp_path / "out/manifest.json").read_text())["cases"]) == 41


def test_missing_cases_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        dataset.open_folder(tmp_path / "nowhere")
    with pytest.raises(BadFile, match=r"is without 43 of the 43 cases: case_00000, case_00003, .* and 38 more"):
        dataset.open_folder(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BadFile, match="is of another form; expected form 1"):
        dataset.open_folder(tmp_path)
    assert dataset.verify(tmp_path).problems[0].found == "of another form"


def test_odd_cases(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    write_case(tmp_path, "case_1")
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((12, 20, 17), np.uint8), np.eye(4)), tmp_path / "case_1/segmentation.nii.gz"
    )
    with pytest.raises(BadFile, match=r"is an image \(12, 20, 18\) and labels \(12, 20, 17\)"):
        scans.read_case(tmp_path / "case_1")
    nibabel.save(
        nibabel.Nifti1Image(np.full((12, 20, 18), 7, np.uint8), np.eye(4)), tmp_path / "case_1/segmentation.nii.gz"
    )
    with pytest.raises(BadFile, match="is with labels up to 7; expected 0, 1 and 2"):
        scans.read_case(tmp_path / "case_1")
