"""Draw values apart, and bring them together."""

from dataclasses import dataclass

import keras

from kerastricks.augment.color import diagonal, gray_of
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import ColorTransform
from kerastricks.augment.transforms._factor import FactorTransform


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomContrast(FactorTransform, ColorTransform):
    """Draw the values of each image away from its mean gray, by a factor drawn uniformly.

    Use it where light and exposure vary.

        out = m + f (v - m),  f ~ U(low, high),  m = the luma of the image's mean color

    as PIL's `ImageEnhance.Contrast`, which rounds m. Of images that have not three channels m is
    the mean over all of them.

    Args:
        factor: A number f from 0 to 1 for the range (1 - f, 1 + f), or a pair (low, high) of
            factors, 0 or more; 0 makes an image its mean gray.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Factors that are no range of 0 and more, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([90, 100, 110], dtype="uint8").reshape(1, 1, 3, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomContrast((2, 2))], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([ 80, 100, 120], dtype=uint8)
    """

    @property
    def needs_mean(self) -> bool:
        """Values move about the mean."""
        return True

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Scale every channel about the mean gray."""
        factor = self.factors(ops, uniforms)
        offset = ((1.0 - factor) * gray_of(ops, mean))[:, None] + ops.zeros_like(mean)
        return diagonal(ops, factor, mean.shape[-1]), offset
