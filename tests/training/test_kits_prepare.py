"""KiTS19 as published to what 3D U-Net trains on: the formula, its rounding, and going on after a stop."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nibabel")

from mlassay.core.errors import BadFile
from mlassay.training.catalogue import recipe
from mlassay.training.unet3d import data
from mlassay.training.unet3d.prepare import prepared, resampled_size
from mlassay.training.unet3d.recipe import reference
from mlassay.training.unet3d.scans import read_case
from tests.tasks.medical_segmentation.kits_folder import write_case

pytestmark = pytest.mark.torch


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Three cases of 12x20x18 voxels, each 3 x 0.8 x 0.8 mm."""
    monkeypatch.setattr(data, "N_CASES", 3)
    for number in range(3):
        write_case(tmp_path / "raw", data.case_name(number), seed=number)
    return tmp_path / "raw"


def test_sizes_are_those_of_the_reference():
    """Shapes of the first two cases as published, and as the reference's preprocessing reports them."""
    assert resampled_size((611, 512, 512), (0.5, 0.919921875, 0.919921875)) == [190, 392, 392]
    assert resampled_size((602, 512, 512), (0.5, 0.798828125, 0.798828125)) == [188, 340, 340]
    assert resampled_size((1, 1, 1), (0.5, 0.5, 0.5)) == [1, 1, 1]


def test_resampling_scaling_and_padding_by_hand():
    """A ramp stays one under linear interpolation; labels are picked by the lower corner."""
    z, y, x = np.meshgrid(np.arange(12), np.arange(20), np.arange(18), indexing="ij")
    ramp = (20 * z - 3 * y + x - 60).astype(np.float32)
    marks = (z % 3).astype(np.uint8)
    image, labels = prepared(ramp, marks, (3.0, 0.8, 0.8))
    assert image.shape == labels.shape == (128, 128, 128)
    assert (image.dtype, labels.dtype) == (np.float32, np.uint8)
    along = [np.linspace(0, n - 1, size) for n, size in ((12, 22), (20, 13), (18, 12))]
    z, y, x = np.meshgrid(*along, indexing="ij")
    wanted = (np.clip(20 * z - 3 * y + x - 60, -79, 304) - 101) / 76.9
    inner = (slice(53, 75), slice(57, 70), slice(58, 70))  # the odd voxel of padding comes after
    np.testing.assert_allclose(image[inner], wanted, atol=1e-4)
    assert wanted.min() == pytest.approx((-79 - 101) / 76.9)  # something was clipped
    assert labels[53:75, 60, 60].tolist() == [(i * 12 // 22) % 3 for i in range(22)]
    for volume in (image, labels):
        np.testing.assert_array_equal(volume[0], volume[53])
        np.testing.assert_array_equal(volume[:, -1], volume[:, 69])
        np.testing.assert_array_equal(volume[..., -1], volume[..., 69])


def test_a_scan_of_the_wanted_spacing_and_size_is_only_scaled():
    draw = np.random.default_rng(5)
    scan, marks = draw.normal(100, 50, (128, 130, 129)).astype(np.float32), draw.integers(0, 3, (128, 130, 129))
    spacing = np.array([1.6, 1.2, 1.2], np.float32).tolist()  # as a header has it
    image, labels = prepared(scan, marks.astype(np.uint8), spacing)
    np.testing.assert_array_equal(image, (np.clip(scan, -79, 304) - np.float32(101)) / np.float32(76.9))
    np.testing.assert_array_equal(labels, marks)


def test_what_was_prepared_passes_and_a_stopped_run_goes_on(raw, tmp_path):
    out, told = tmp_path / "out", []

    def stop_at_the_second(case):
        told.append(case)
        if len(told) == 2:
            raise KeyboardInterrupt

    make, check = recipe("unet3d").prepare, recipe("unet3d").verify
    with pytest.raises(KeyboardInterrupt):
        make(raw, out, told=stop_at_the_second)
    assert sorted(path.name for path in out.iterdir()) == ["case_00000_x.npy", "case_00000_y.npy"]
    assert len(check(out, reference()).problems) == 4
    (out / "case_00000_y.npy").unlink()
    np.save(out / "case_00001_x.npy", np.zeros(3))  # half a pair is made again
    told.clear()
    assert make(raw, out, told=told.append) == out
    assert told == ["case_00000", "case_00001", "case_00002"]
    report = check(out, reference())
    assert report.complete, report.problems
    make(raw, out, told=told.append)
    assert len(told) == 3
    image, labels = prepared(*read_case(raw / "case_00001"))
    for path, wanted in zip(data.case_files(out, 1), (image, labels), strict=True):
        found = np.load(path)
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, wanted[None])


def test_bad_cases_are_named_and_the_rest_kept(raw, tmp_path):
    make = recipe("unet3d").prepare
    (raw / "case_00001" / "imaging.nii.gz").write_bytes(b"no scan")
    with pytest.raises(BadFile, match=r"with 1 cases that cannot be used: .*case_00001/imaging.nii.gz is not readable"):
        make(raw, tmp_path / "out", told=print)
    assert len(list((tmp_path / "out").glob("*.npy"))) == 4
    (raw / "case_00002").rename(raw / "other")
    with pytest.raises(BadFile, match="without 1 of the 3 cases: case_00002"):
        make(raw, tmp_path / "out", told=print)


@pytest.mark.parametrize(
    ("edges", "value", "wanted"),
    [
        (
            (3, 0.8, float("nan")),
            0,
            r"imaging.nii.gz is of voxels \(3.0, .*nan\) mm large; expected edges of more than 0",
        ),
        ((3, 0.8, 1e9), 0, r"is of voxels \(3.0, .*\) mm large; expected edges of more than 0 and at most 20 mm"),
        ((3, 0.8, 0.8), np.inf, "imaging.nii.gz is with voxels that are no number; expected finite intensities"),
    ],
)
def test_odd_scans_are_refused(tmp_path, edges, value, wanted):
    import nibabel

    write_case(tmp_path, "case_1")
    image = np.zeros((12, 20, 18), np.float32)
    image[3, 4, 5] = value
    scan = nibabel.Nifti1Image(image, np.eye(4))
    scan.header["pixdim"][1:4] = edges
    nibabel.save(scan, tmp_path / "case_1" / "imaging.nii.gz")
    with pytest.raises(BadFile, match=wanted):
        read_case(tmp_path / "case_1")


def test_pictures_in_colour_are_refused(tmp_path):
    import nibabel

    write_case(tmp_path, "case_1")
    colours = np.zeros((12, 20, 18), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), tmp_path / "case_1" / "imaging.nii.gz")
    with pytest.raises(BadFile, match=r"imaging.nii.gz is of type .*; expected one number for each voxel"):
        read_case(tmp_path / "case_1")
