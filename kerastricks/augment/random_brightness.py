"""Make images brighter and darker."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_factor, check_probability
from kerastricks.augment.color import diagonal
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import ColorTransform, between, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomBrightness(ColorTransform):
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

    factor: float | tuple[float, float]
    probability: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", check_factor("RandomBrightness", "factor", self.factor))
        probability = check_probability("RandomBrightness", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for how far."""
        return 2

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Scale every channel."""
        ones = ops.ones_like(uniforms[:, 0])
        factor = between(uniforms[:, 1], self.factor)
        factor = sometimes(ops, uniforms[:, 0], self.probability, factor, ones)
        return diagonal(ops, factor, mean.shape[-1]), ops.zeros_like(mean)
