"""Convolutions over volumes as ones over slices: equal to PyTorch's own, and refused where they cannot be."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from mlassay.core.errors import UsageError  # noqa: E402
from mlassay.runs.export_litert import InSlices, conv3d, conv_transpose3d  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        ((3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
        ((3, 3, 3), (2, 2, 2), (1, 1, 1), (1, 1, 1)),
        ((1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1)),
        ((2, 3, 4), (3, 1, 2), (0, 2, 1), (2, 1, 2)),
    ],
)
def test_a_volume_is_convolved_slice_by_slice(
    kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...]
) -> None:
    x, w, b = torch.randn(2, 3, 8, 9, 10), torch.randn(5, 3, *kernel), torch.randn(5)
    wanted = torch.conv3d(x, w, b, stride, padding, dilation)
    torch.testing.assert_close(conv3d(x, w, b, stride, padding, dilation), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_volume_grows_slice_by_slice(depth: int) -> None:
    x, w, b = torch.randn(2, 3, 4, 5, 6), torch.randn(3, 5, depth, 2, 3), torch.randn(5)
    rest = ((depth, 2, 2), (0, 0, 1), (0, 1, 0))
    torch.testing.assert_close(
        conv_transpose3d(x, w, b, *rest), torch.conv_transpose3d(x, w, b, *rest), rtol=1e-4, atol=1e-4
    )


def test_what_cannot_be_taken_apart_is_refused() -> None:
    x = torch.zeros(1, 4, 4, 4, 4)
    with pytest.raises(UsageError, match="in groups cannot be given to LiteRT"):
        conv3d(x, torch.zeros(4, 2, 3, 3, 3), groups=2)
    with pytest.raises(UsageError, match="whose steps overlap in depth"):
        conv_transpose3d(x, torch.zeros(4, 4, 3, 3, 3), stride=(2, 2, 2))


def test_inside_a_module() -> None:
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.ReLU(), torch.nn.ConvTranspose3d(2, 1, 2, 2))
    x = torch.randn(1, 1, 6, 6, 6)
    seen = torch.export.export(InSlices(network), (x,))
    used = {str(node.target) for node in seen.graph.nodes}
    assert not any("conv3d" in name or "transpose3d" in name for name in used)
    torch.testing.assert_close(seen.module()(x), network(x), rtol=1e-4, atol=1e-4)
