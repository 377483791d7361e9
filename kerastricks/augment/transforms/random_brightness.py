"""Make images brighter and darker."""

from dataclasses import dataclass

import keras

from kerastricks.augment.color import diagonal
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import ColorTransform
from kerastricks.augment.transforms._factor import FactorTransform


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomBrightness(FactorTransform, ColorTransform):
    """Multiply each image by a factor drawn uniformly from a range.

    Use it where the light varies.

        out = f v,  f ~ U(low, high),  v = value - darkest value

    as PIL's `ImageEnhance.Brightness`. Keras' layer of this name adds a share of the range instead.

    Args:
        factor: A number f from 0 to 1 for the range (1 - f, 1 + f), or a pair (low, high) of
            factors, 0 or more; (0.8, 0.8) darkens every image by a fifth.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Factors that are no range of 0 and more, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([0, 10, 100, 200], dtype="uint8").reshape(1, 1, 4, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomBrightness((1.5, 1.5))], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([  0,  15, 150, 255], dtype=uint8)
    """

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Scale every channel."""
        factor = self.factors(ops, uniforms)
        return diagonal(ops, factor, mean.shape[-1]), ops.zeros_like(mean)
