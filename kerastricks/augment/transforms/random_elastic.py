"""Bend images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_size, is_number
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import ElasticTransform, sometimes

_STEEPEST = 0.5
"""Largest slope of a displacement: below 1 nothing folds, and at a half it is soon undone."""


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomElastic(ElasticTransform):
    """Bend each image smoothly, as on a sheet of rubber.

    Use it for handwriting, tissue and other things without straight lines.

        (x_in, y_in) = (x_out, y_out) + d(x_out, y_out)

    where d is a uniform cubic B-spline whose control points are moved at random, each by
    U(-displacement, displacement) of the shorter side along both axes, and independently. It is
    folded into the same resample as the other geometric transforms, masks, boxes and points follow.

    Args:
        displacement: Largest shift of a control point, as a share of the shorter side, 0 or more;
            times `cells` at most 0.25, beyond which an image would fold. The image itself moves by
            less: about half of it. Defaults to 0.04.
        cells: Control points along each side, 1 or more: many make fine ripples. Defaults to 4.
        probability: Share of the samples that are bent, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: A displacement that would fold the image, no whole number of cells, or a
            probability outside 0 to 1.

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

    displacement: float = 0.04
    cells: int = 4
    probability: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "cells", check_size("RandomElastic", "cells", self.cells, "number")
        )
        most = _STEEPEST / 2 / self.cells
        if not is_number(self.displacement) or not 0 <= float(self.displacement) <= most:
            raise ValueError(
                f"RandomElastic: `displacement` is a share of the shorter side, from 0 to {most:g} "
                f"for cells={self.cells}, beyond which images would fold. "
                f"Received: displacement={self.displacement!r}"
            )
        object.__setattr__(self, "displacement", float(self.displacement))
        probability = check_probability("RandomElastic", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, two for each control point."""
        return 1 + 2 * (self.cells + 3) ** 2

    def minification(self, size: Size) -> float:
        """Where the surface is steepest."""
        del size
        return 1.0 + 2.0 * self.displacement * self.cells

    def grid(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Move the control points."""
        height, width = (ops.cast(length, "float32") for length in size)
        reach = self.displacement * ops.minimum(height, width)
        moves = (2.0 * uniforms[:, 1:] - 1.0) * reach
        still = ops.zeros_like(moves)
        moves = sometimes(ops, uniforms[:, :1], self.probability, moves, still)
        return ops.reshape(moves, (-1, self.cells + 3, self.cells + 3, 2))
