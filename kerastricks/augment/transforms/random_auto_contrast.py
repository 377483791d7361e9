"""Let values fill their range."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import LEVELS, TableTransform, identity_table, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomAutoContrast(TableTransform):
    """Stretch each channel of an image so that it reaches from the darkest value to the brightest.

        out = 255 (v - least) / (most - least),  in levels, rounded

    as PIL's `ImageOps.autocontrast`, which truncates. A channel of one value is left as it is.

    Args:
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: A probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([100, 120, 150], dtype="uint8").reshape(1, 1, 3, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomAutoContrast()], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([  0, 102, 255], dtype=uint8)
    """

    probability: float = 1.0

    def __post_init__(self) -> None:
        probability = check_probability("RandomAutoContrast", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether."""
        return 1

    @property
    def needs_counts(self) -> bool:
        """Least and most are those that occur."""
        return True

    def reads_counts(self, ops: Ops, uniforms: Tensor) -> Tensor:
        """Where the image is changed."""
        return uniforms[:, 0] < self.probability

    def table(self, ops: Ops, uniforms: Tensor, counts: Tensor | None) -> Tensor:
        """Stretch from the least level that occurs to the most."""
        level = identity_table(ops, uniforms)
        assert counts is not None
        every = level + ops.zeros_like(counts)
        occurs = counts > 0
        least = ops.min(ops.where(occurs, every, LEVELS - 1 + ops.zeros_like(every)), axis=2)
        most = ops.max(ops.where(occurs, every, ops.zeros_like(every)), axis=2)
        width = ops.cast(ops.maximum(most - least, 1), "float32")[:, :, None]
        shifted = ops.cast(every - least[:, :, None], "float32")
        stretched = ops.round(shifted * (float(LEVELS - 1) / width))
        stretched = ops.cast(ops.clip(stretched, 0.0, float(LEVELS - 1)), "int32")
        stretched = ops.where((most > least)[:, :, None], stretched, every)
        return sometimes(ops, uniforms[:, :1, None], self.probability, stretched, every)
