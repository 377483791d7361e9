"""Make all levels as frequent."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import LEVELS, TableTransform, identity_table, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomEqualize(TableTransform):
    """Spread the levels of each channel of an image so that all occur about as often.

        out = (step // 2 + pixels darker than v) // step,  step = pixels below the brightest // 255

    exactly as PIL's `ImageOps.equalize`. Each image is judged by its own levels alone.

    Args:
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: A probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.arange(100, 164, dtype="uint8").repeat(16).reshape(1, 32, 32, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomEqualize()], seed=0)
    >>> out = np.asarray(pipeline(images, training=True))
    >>> int(out.min()), int(out.max())
    (0, 255)
    """

    probability: float = 1.0

    def __post_init__(self) -> None:
        probability = check_probability("RandomEqualize", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether."""
        return 1

    @property
    def needs_counts(self) -> bool:
        """How often each level occurs is what it is about."""
        return True

    def reads_counts(self, ops: Ops, uniforms: Tensor) -> Tensor:
        """Where the image is changed."""
        return uniforms[:, 0] < self.probability

    def table(self, ops: Ops, uniforms: Tensor, counts: Tensor | None) -> Tensor:
        """Give each level its share of the pixels that are darker."""
        level = identity_table(ops, uniforms)
        assert counts is not None
        every = level + ops.zeros_like(counts)
        until = ops.cumsum(counts, axis=2)
        most = ops.max(ops.where(counts > 0, every, ops.zeros_like(every)), axis=2)
        of_most = ops.sum(
            ops.where(every == most[:, :, None], counts, ops.zeros_like(counts)), axis=2
        )
        step = ((until[:, :, -1] - of_most) // (LEVELS - 1))[:, :, None]
        spread = (step // 2 + until - counts) // ops.maximum(step, 1)
        spread = ops.minimum(spread, LEVELS - 1)
        spread = ops.where(step > 0, spread, every)
        return sometimes(ops, uniforms[:, :1, None], self.probability, spread, every)
