"""Keep few levels."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_limits, check_probability
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import TableTransform, between, identity_table, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomPosterize(TableTransform):
    """Keep the highest bits of the values of each image.

        out = v - v mod 2^(8 - bits),  v in levels of 0 to 255

    as PIL's `ImageOps.posterize`.

    Args:
        bits: How many bits are kept, 1 to 8: a whole number, or a pair (low, high) of whole
            numbers, each of which is as likely. Defaults to 4.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Bits outside 1 to 8 or not whole, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([0, 15, 16, 255], dtype="uint8").reshape(1, 1, 4, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomPosterize(4)], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([  0,   0,  16, 240], dtype=uint8)
    """

    bits: int | tuple[int, int] = 4
    probability: float = 1.0

    def __post_init__(self) -> None:
        limits = check_limits("RandomPosterize", "bits", self.bits, (1, 8))
        if any(bits != int(bits) for bits in limits):
            raise ValueError(
                "RandomPosterize: `bits` are whole numbers from 1 to 8. "
                f"Received: bits={self.bits!r}"
            )
        object.__setattr__(self, "bits", tuple(map(int, limits)))
        probability = check_probability("RandomPosterize", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for how many."""
        return 2

    def table(self, ops: Ops, uniforms: Tensor, counts: Tensor | None) -> Tensor:
        """Clear the lowest bits."""
        level = identity_table(ops, uniforms)
        low, high = self.bits  # type: ignore[misc]
        bits = ops.floor(between(uniforms[:, 1], (low, high + 1)))
        cleared = ops.cast(8.0 - bits, "int32")[:, None, None] + ops.zeros_like(level)
        posterized = ops.left_shift(ops.right_shift(level, cleared), cleared)
        return sometimes(ops, uniforms[:, :1, None], self.probability, posterized, level)
