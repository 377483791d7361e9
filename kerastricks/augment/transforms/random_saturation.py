"""Make colors stronger and paler."""

from dataclasses import dataclass

import keras

from kerastricks.augment.color import blend_with_gray
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import ColorTransform
from kerastricks.augment.transforms._factor import FactorTransform


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomSaturation(FactorTransform, ColorTransform):
    """Draw the colors of each image away from their gray, by a factor drawn uniformly.

        out = g + f (v - g),  f ~ U(low, high),  g = 0.299 red + 0.587 green + 0.114 blue

    as PIL's `ImageEnhance.Color`. Images of one channel are left as they are.

    Args:
        factor: A number f from 0 to 1 for the range (1 - f, 1 + f), or a pair (low, high) of
            factors, 0 or more; 0 takes all color out.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Factors that are no range of 0 and more, or a probability outside 0 to 1; when
            it runs, images of neither 1 nor 3 channels.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([200, 100, 100], dtype="uint8").reshape(1, 1, 1, 3)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomSaturation((0.5, 0.5))], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([165, 115, 115], dtype=uint8)
    """

    @property
    def needs_color(self) -> bool:
        """Only colors have a saturation."""
        return True

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Blend with gray."""
        factor = self.factors(ops, uniforms)
        return blend_with_gray(ops, factor, mean.shape[-1]), ops.zeros_like(mean)
