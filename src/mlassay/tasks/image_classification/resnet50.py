"""ResNet-50 v1.5 (He et al., arXiv:1512.03385; strides as in torchvision and the rule book's reference).

Needs torch; imported only by what counts, trains or exports a model.
"""

from __future__ import annotations

from torch import Tensor, nn

from mlassay.tasks.resnet import resnet50


class ResNet50(nn.Module):
    """Pictures to logits, (B, 3, 224, 224) -> (B, 1000). 25,557,032 parameters."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.body = resnet50()
        self.fc = nn.Linear(2048, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.body(images)[-1].mean((2, 3)))
        return logits


def published_key(name: str) -> str:
    """Our name of a tensor to torchvision's."""
    return name.removeprefix("body.")
