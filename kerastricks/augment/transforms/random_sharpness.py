"""Sharpen images and blur them."""

from dataclasses import dataclass

import keras

from kerastricks.augment.border import Border
from kerastricks.augment.kernels import Ops, Size, Stage, Tensor
from kerastricks.augment.lines import lines
from kerastricks.augment.transform import PixelTransform
from kerastricks.augment.transforms._factor import FactorTransform
from kerastricks.augment.values import ValueContract


@dataclass(frozen=True)
class Sharpening(PixelTransform):
    """Blend images with what a 3 x 3 smoothing makes of them, by a factor each, (B,)."""

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        return "blend with the mean of 3 x 3 neighbors"

    def stages(self, ops: Ops, border: Border, values: ValueContract) -> list[Stage]:
        """Blend in one loop."""

        def blend(images: Tensor, factor: Tensor) -> Tensor:
            batch, height, width, channels = ops.shape(images)
            values = ops.cast(images, "float32")
            total, rim = values, Border("nearest", 0.0)
            for axis in (1, 2):
                moved = lines(ops, total, axis, rim, 1)
                total = ops.reshape(moved(0.0) + moved(1.0) + moved(2.0), ops.shape(images))
            value, total = (
                ops.reshape(x, (batch, height, width * channels)) for x in (values, total)
            )
            smooth = (total + 4.0 * value) * (1.0 / 13.0)
            blended = smooth + factor[:, None, None] * (value - smooth)
            row = ops.arange(height, dtype="int32")[:, None]
            column = ops.arange(width * channels, dtype="int32")
            inside = ops.logical_and(
                ops.logical_and(row > 0, row < height - 1),
                ops.logical_and(column >= channels, column < (width - 1) * channels),
            )
            return ops.reshape(ops.where(inside, blended, value), ops.shape(images))

        return [blend]


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomSharpness(FactorTransform, Sharpening):
    """Draw each image away from a smoothed one, by a factor drawn uniformly.

        out = s + f (v - s),  f ~ U(low, high)
        s = (sum of the eight neighbors + 5 v) / 13,  but v itself at the border

    as PIL's `ImageEnhance.Sharpness`, which rounds s.

    Args:
        factor: A number f from 0 to 1 for the range (1 - f, 1 + f), or a pair (low, high) of
            factors, 0 or more; below 1 blurs, above sharpens.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Factors that are no range of 0 and more, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.zeros((1, 3, 3, 1), dtype="uint8")
    >>> images[0, 1, 1] = 130
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomSharpness((0, 0))], seed=0)
    >>> int(np.asarray(pipeline(images, training=True))[0, 1, 1, 0])
    50
    """

    def draw(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Draw the factors, (B,)."""
        return self.factors(ops, uniforms)
