"""Turn images into their negatives."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability
from kerastricks.augment.color import diagonal
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import ColorTransform, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomInvert(ColorTransform):
    """Turn some of the images into their negatives.

        out = lowest + highest - value

    as PIL's `ImageOps.invert`.

    Args:
        probability: Share of the samples that are inverted, 0 to 1. Defaults to 0.5.

    Raises:
        ValueError: A probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([0, 55, 255], dtype="uint8").reshape(1, 1, 3, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomInvert(probability=1)], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([255, 200,   0], dtype=uint8)
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        probability = check_probability("RandomInvert", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether."""
        return 1

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Count every channel from the other end, or leave it."""
        ones = ops.ones_like(uniforms[:, 0])
        sign = sometimes(ops, uniforms[:, 0], self.probability, -ones, ones)
        offset = ((1.0 - sign) / 2.0)[:, None] + ops.zeros_like(mean)
        return diagonal(ops, sign, mean.shape[-1]), offset
