"""Bend images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_range, check_size
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import ElasticTransform, sometimes

_STEEPEST = 0.5
"""Largest slope of a displacement. A slope of a spline is a weighted mean of the differences of
neighboring control points, a cell apart, whatever shift they have in common. Where the slopes of
each coordinate along both axes add up to less than 1, no two places go to one; and the inverse is
soon found."""


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomElastic(ElasticTransform):
    """Bend each image smoothly, as on a sheet of rubber.

    Use it for handwriting, tissue and other things without straight lines.

        (x_in, y_in) = (x_out, y_out) + d(x_out, y_out)

    where d is a uniform cubic B-spline whose control points are moved at random, each by
    U(low, high) of the shorter side along both axes, and independently. It is folded into the same
    resample as the other geometric transforms, masks, boxes and points follow.

    Args:
        displacement: Shift of a control point as a share of the shorter side: a number f for the
            range (-f, f), or a pair (low, high) within -1 to 1; positive ones move the picture to
            the left and up. high - low, or 2 f, is at most 0.5 / cells: beyond, an image would
            fold. By f at the control points the image itself moves by half of it or so. Defaults to
            0.04.
        cells: Control points along each side, 1 or more: many make fine ripples. Defaults to 4.
        probability: Share of the samples that are bent, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Displacements that are no range within -1 to 1 or would fold the image, no whole
            number of cells, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.full((1, 32, 32, 1), 9, dtype="uint8")
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomElastic()], seed=0)
    >>> set(np.asarray(pipeline(images, training=True)).ravel().tolist())
    {9}

    Reference:
        Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to
        visual document analysis", 2003; Lee, Wolberg and Shin, "Scattered data interpolation with
        multilevel B-splines", 1997 (the surface).
    """

    displacement: float | tuple[float, float] = 0.04
    cells: int = 4
    probability: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "cells", check_size("RandomElastic", "cells", self.cells, "number")
        )
        limits = check_range("RandomElastic", "displacement", self.displacement, limit=1)
        most = _STEEPEST / self.cells
        if limits[1] - limits[0] > most:
            raise ValueError(
                f"RandomElastic: `displacement` is a number up to {most / 2:g}, or a pair (low, "
                f"high) at most {most:g} apart, for cells={self.cells}: beyond, images would fold. "
                f"Received: displacement={self.displacement!r}"
            )
        object.__setattr__(self, "displacement", limits)
        probability = check_probability("RandomElastic", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, two for each control point."""
        return 1 + 2 * (self.cells + 3) ** 2

    def minification(self, size: Size) -> float:
        """Where the surface is steepest."""
        del size
        low, high = self.displacement  # type: ignore[misc]
        return 1.0 + (high - low) * self.cells

    def grid(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Move the control points."""
        height, width = (ops.cast(length, "float32") for length in size)
        shorter = ops.minimum(height, width)
        low, high = self.displacement  # type: ignore[misc]
        # About the middle of the range: of a symmetric one that is 0, to the last bit.
        moves = (2.0 * uniforms[:, 1:] - 1.0) * ((high - low) / 2.0 * shorter)
        moves = moves + (low + high) / 2.0 * shorter
        still = ops.zeros_like(moves)
        moves = sometimes(ops, uniforms[:, :1], self.probability, moves, still)
        return ops.reshape(moves, (-1, self.cells + 3, self.cells + 3, 2))
