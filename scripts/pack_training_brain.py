"""Pack the MNI152 template in voxels of 2 mm for the training benchmark unet3d, and write its card.

    pip download --no-deps nilearn==0.14.1 && unzip nilearn-0.14.1-*.whl -d nilearn    # BSD; carries the template
    python scripts/pack_training_brain.py --data nilearn/nilearn/datasets/data

Needs the extras torch, onnx and medical. Same input: same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from train_medical_segmentation import template

from mlassay.training.unet3d import brain

CARD = Path(__file__).with_name("training_brain_card.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the three mni_icbm152 files of nilearn")
    image, labels = halved(*template(parser.parse_args().data))
    np.savez_compressed(brain.PACKED, image=image, labels=labels)
    content = brain.PACKED.read_bytes()
    numbers = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "shape": "×".join(map(str, image.shape)),
    }
    card = CARD.read_text(encoding="utf-8").format(**numbers)
    (brain.PACKED.parent / "README.md").write_text(card, encoding="utf-8")


def halved(image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Every 2×2×2 voxels become one: their mean intensity, and the label that most have (of equals the lower)."""
    half = [size // 2 for size in image.shape]
    pairs = [n for size in half for n in (size, 2)]
    inner = tuple(slice(2 * size) for size in half)
    mean = image[inner].reshape(pairs).mean((1, 3, 5))
    votes = [(labels[inner] == mark).reshape(pairs).sum((1, 3, 5)) for mark in range(3)]
    return np.rint(mean).astype(np.uint8), np.argmax(votes, 0).astype(np.uint8)


if __name__ == "__main__":
    main()
