"""Enlarge and shrink images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_scale
from kerastricks.augment.geometry import scaling
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform, between, sometimes

_LEAST = 0.01
"""Of an image that is smaller each pixel would take in hundreds."""


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomZoom(GeometricTransform):
    """Enlarge or shrink what is in each image, about its center, by a factor drawn uniformly.

    Use it where objects come in many sizes. The image keeps its size: above 1 its border is cut
    off, below 1 what lies beyond it (the pipeline's `fill_mode`) comes in. Shrinking is
    antialiased.

        x_in = x_out / s_x,  y_in = y_out / s_y,  s ~ U(low, high), image center as the origin

    Args:
        scale: The size of what is seen, relative to before: a number f from 0 to below 1 for the
            range (1 - f, 1 + f), or a pair (low, high); (2, 2) doubles. Keras' `height_factor`
            counts the other way round: `scale = 1 / (1 + factor)`.
        width_scale: A range of its own for the width; None, the default, keeps proportions.
        probability: Share of the samples that are zoomed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Scales that are no range within 0.01 to 100, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([0, 10, 20, 30], dtype="float32").reshape(1, 1, 4, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomZoom((2, 2))], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([ 7.5, 12.5, 17.5, 22.5], dtype=float32)
    """

    scale: float | tuple[float, float]
    width_scale: float | tuple[float, float] | None = None
    probability: float = 1.0

    def __post_init__(self) -> None:
        scale = check_scale("RandomZoom", "scale", self.scale, _LEAST)
        object.__setattr__(self, "scale", scale)
        if self.width_scale is not None:
            width = check_scale("RandomZoom", "width_scale", self.width_scale, _LEAST)
            object.__setattr__(self, "width_scale", width)
        probability = check_probability("RandomZoom", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one or two for how far."""
        return 2 if self.width_scale is None else 3

    @property
    def keeps_axes(self) -> bool:
        """Rows stay rows."""
        return True

    def minification(self, size: Size) -> float:
        """The inverse of the smallest scale."""
        del size
        ranges = [self.scale] if self.width_scale is None else [self.scale, self.width_scale]
        return max(1.0, *(1.0 / limits[0] for limits in ranges))  # type: ignore[index]

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the inverse scaling of the drawn factors, the identity where none was drawn."""
        ones = ops.ones_like(uniforms[:, 0])

        def inverse(draw: int, limits: object) -> Tensor:
            factor = 1.0 / between(uniforms[:, draw], limits)
            return sometimes(ops, uniforms[:, 0], self.probability, factor, ones)

        y = inverse(1, self.scale)
        return scaling(ops, y if self.width_scale is None else inverse(2, self.width_scale), y)
