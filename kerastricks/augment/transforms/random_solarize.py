"""Invert what is bright."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_limits, check_probability
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import LEVELS, TableTransform, between, identity_table, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomSolarize(TableTransform):
    """Invert the values of each image that are at a threshold or above it.

        out = highest + lowest - v  where v >= t,  t ~ U(low, high)

    as PIL's `ImageOps.solarize`.

    Args:
        threshold: Share of the range from the darkest to the brightest value, 0 to 1: a number, or
            a pair (low, high) to draw it from. Defaults to 0.5, PIL's 128 of 255.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Thresholds outside 0 to 1, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([0, 127, 128, 255], dtype="uint8").reshape(1, 1, 4, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomSolarize()], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([  0, 127, 127,   0], dtype=uint8)
    """

    threshold: float | tuple[float, float] = 0.5
    probability: float = 1.0

    def __post_init__(self) -> None:
        threshold = check_limits("RandomSolarize", "threshold", self.threshold, (0, 1))
        object.__setattr__(self, "threshold", threshold)
        probability = check_probability("RandomSolarize", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for where."""
        return 2

    def table(self, ops: Ops, uniforms: Tensor, counts: Tensor | None) -> Tensor:
        """Count levels from the other end at the threshold and above."""
        level = identity_table(ops, uniforms)
        threshold = between(uniforms[:, 1], self.threshold) * float(LEVELS - 1)
        bright = ops.cast(level, "float32") >= threshold[:, None, None]
        solarized = ops.where(bright, LEVELS - 1 - level, level)
        return sometimes(ops, uniforms[:, :1, None], self.probability, solarized, level)
