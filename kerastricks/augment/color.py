"""Matrices that mix red, green and blue, one a sample."""

import numpy as np

from kerastricks.augment.geometry import cosine_and_sine
from kerastricks.augment.kernels import Ops, Tensor

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the gray of a color: ITU-R BT.601, as in PIL."""
_YIQ = np.array([LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)])
"""NTSC's luma and two axes of chroma. Its first column sums to what makes white free of chroma."""
_QUARTER = np.linalg.inv(_YIQ) @ np.array([[0, 0, 0], [0, 0, 1], [0, -1, 0]]) @ _YIQ
"""A quarter turn of chroma from red towards yellow and green, luma taken out."""


def gray_of(ops: Ops, mean: Tensor) -> Tensor:
    """Give the gray of colors (B, K): their luma where K is 3, themselves where it is 1."""
    if mean.shape[-1] == 1:
        return mean[:, 0]
    return sum(mean[:, channel] * share for channel, share in enumerate(LUMA))


def diagonal(ops: Ops, factor: Tensor, channels: int) -> Tensor:
    """Stack factors (B,) into matrices (B, K, K) that scale every channel."""
    return factor[:, None, None] * ops.cast(np.eye(channels), "float32")


def blend_with_gray(ops: Ops, factor: Tensor, channels: int) -> Tensor:
    """Give the matrices factor I + (1 - factor) G, where G makes gray of a color."""
    if channels == 1:
        return diagonal(ops, ops.ones_like(factor), 1)
    to_gray = ops.cast(np.tile(LUMA, (3, 1)), "float32")
    return diagonal(ops, factor, 3) + (1.0 - factor)[:, None, None] * to_gray


def turn_of_hue(ops: Ops, turns: Tensor, channels: int) -> Tensor:
    """Give the matrices that turn chroma about the gray axis, and keep luma and saturation.

    Args:
        ops: `keras.ops` or a namespace like it.
        turns: float32 tensor (B,): parts of a full turn.
        channels: K, 3 or 1.
    """
    if channels == 1:
        return diagonal(ops, ops.ones_like(turns), 1)
    cosine, sine = cosine_and_sine(ops, 360.0 * turns)
    quarter = ops.cast(_QUARTER, "float32")
    return blend_with_gray(ops, cosine, 3) + sine[:, None, None] * quarter


def compose_colors(
    ops: Ops, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Give matrix and offset of applying `first`, then `second`, each (B, K, K) and (B, K)."""
    (m1, o1), (m2, o2) = first, second
    # Products by sums: a matmul may run in TF32 on an accelerator.
    product = ops.sum(m2[:, :, :, None] * m1[:, None, :, :], axis=2)
    return product, mix(ops, (m2, o2), o1)


def mix(ops: Ops, color: tuple[Tensor, Tensor], values: Tensor) -> Tensor:
    """Apply matrices (B, K, K) and offsets (B, K) to colors (B, K)."""
    matrix, offset = color
    return ops.sum(matrix * values[:, None, :], axis=2) + offset
