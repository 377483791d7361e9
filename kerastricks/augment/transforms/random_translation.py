"""Shift images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_range
from kerastricks.augment.geometry import shifting
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform, between, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomTranslation(GeometricTransform):
    """Shift each image by shares of its height and width, drawn uniformly.

    Use it where the place of what is seen carries no meaning. What enters at the border is the
    pipeline's `fill_mode`.

        x_in = x_out - t_x W,  y_in = y_out - t_y H,  t ~ U(low, high)

    Args:
        height: The shift downwards as a share of the height: a number f from 0 to 1 for the range
            (-f, f), or a pair (low, high); (0.5, 0.5) moves everything down by half the height.
        width: The shift to the right as a share of the width, in the same way.
        probability: Share of the samples that are shifted, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Shifts that are no range within -1 to 1, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([1, 2, 3, 4], dtype="uint8").reshape(1, 1, 4, 1)
    >>> shift = kt.augment.RandomTranslation(0, (0.25, 0.25))
    >>> pipeline = kt.augment.Pipeline([shift], fill_mode="constant", seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([0, 1, 2, 3], dtype=uint8)
    """

    height: float | tuple[float, float]
    width: float | tuple[float, float]
    probability: float = 1.0

    def __post_init__(self) -> None:
        for argument in ("height", "width"):
            given = getattr(self, argument)
            limits = check_range("RandomTranslation", argument, given, limit=1)
            object.__setattr__(self, argument, limits)
        probability = check_probability("RandomTranslation", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, two for how far."""
        return 3

    @property
    def keeps_axes(self) -> bool:
        """Rows stay rows."""
        return True

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the inverse shift, the identity where none was drawn."""
        zeros = ops.zeros_like(uniforms[:, 0])

        def shift(draw: int, limits: object, length: Tensor) -> Tensor:
            pixels = between(uniforms[:, draw], limits) * ops.cast(length, "float32")
            return sometimes(ops, uniforms[:, 0], self.probability, -pixels, zeros)

        return shifting(ops, shift(2, self.width, size[1]), shift(1, self.height, size[0]))
