from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.image_generation import dataset
from mlassay.tasks.image_generation.dataset import open_captions, verify

HEAD = "id\timage_id\tcaption\theight\twidth\tfile_name\n"


def write(folder: Path, text: str = "1\t10\tA red bus.\t480\t640\ta.jpg\n2\t11\tTwo dogs\t480\t640\tb.jpg\n") -> Path:
    (folder / "captions").mkdir(parents=True, exist_ok=True)
    (folder / "captions" / "captions.tsv").write_text(HEAD + text)
    return folder


def test_captions_in_file_order(tmp_path: Path) -> None:
    captions = open_captions(write(tmp_path))
    assert [(c.id, c.image_id, c.text) for c in captions] == [("1", "10", "A red bus."), ("2", "11", "Two dogs")]
    assert open_captions(tmp_path / "captions" / "captions.tsv") == captions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "captions.tsv is without captions; expected one a line"),
        ("1\t10\n", "captions.tsv: line 2 is without a caption; expected id, image_id, caption"),
        ("1\t10\ta\n1\t11\tb\n", "captions.tsv: line 3 is id 1 again; expected a new id"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        open_captions(write(tmp_path, text))
    assert str(caught.value).endswith(message)


def test_no_captions(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        open_captions(tmp_path / "absent")
    with pytest.raises(BadFile, match=r"a folder without captions/captions\.tsv"):
        open_captions(tmp_path)
    (tmp_path / "captions.tsv").write_text("id\tcaption\n")
    with pytest.raises(BadFile, match="line 1 is without image_id"):
        open_captions(tmp_path)


def test_verify_lists_every_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path)
    assert [str(p) for p in verify(folder).problems] == [
        "captions is 2 captions; expected 5,000",
        "latents/latents.pt is absent; expected the noise that every picture starts from",
    ]
    monkeypatch.setattr(dataset, "CAPTIONS", 2)
    (folder / "latents.pt").write_bytes(b"noise")
    report = verify(folder)
    assert report.complete
    assert set(report.checksums) == {"captions.tsv", "latents.pt"}
