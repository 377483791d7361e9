"""Slant images."""

import math
from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_range
from kerastricks.augment.geometry import affine, cosine_and_sine
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform, between, sometimes

_STEEPEST = 80


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomShear(GeometricTransform):
    """Slant each image by an angle drawn uniformly from a range.

    Use small angles for handwriting and for views from the side.

        y_in = y_out + tan(b) x_out,  x_in = x_out + tan(a) y_in,  image center as the origin

    A positive angle moves the top to the right and, of `vertical_degrees`, the left side down, as
    in torchvision. Where both are drawn, the horizontal slant is done first. Across the slant an
    image shrinks, and is smoothed by as much.

    Args:
        degrees: The angle a by which upright lines lean: a number f from 0 to 80 for the range
            (-f, f), or a pair (low, high).
        vertical_degrees: The angle b by which level lines lean, in the same way. Defaults to 0.
        probability: Share of the samples that are slanted, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Angles that are no range within 80 degrees, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.repeat(np.array([0, 0, 9, 0, 0], "uint8")[None, None, :, None], 3, axis=1)
    >>> shear = kt.augment.RandomShear((45, 45))
    >>> pipeline = kt.augment.Pipeline([shear], seed=0)
    >>> np.asarray(pipeline(images, training=True))[0, :, :, 0]
    array([[0, 0, 1, 8, 1],
           [0, 1, 8, 1, 0],
           [1, 8, 1, 0, 0]], dtype=uint8)
    """

    degrees: float | tuple[float, float]
    vertical_degrees: float | tuple[float, float] = 0.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        for argument in ("degrees", "vertical_degrees"):
            limits = check_range("RandomShear", argument, getattr(self, argument), limit=_STEEPEST)
            object.__setattr__(self, argument, limits)
        probability = check_probability("RandomShear", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, two for how far."""
        return 3

    def minification(self, size: Size) -> float:
        """How far the steepest slants stretch: the length of a row of the matrix."""
        del size
        x, y = (
            math.tan(math.radians(max(map(abs, limits))))  # type: ignore[arg-type]
            for limits in (self.degrees, self.vertical_degrees)
        )
        return max(math.hypot(1 + x * y, x), math.hypot(y, 1.0))

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the inverse slant, the identity where none was drawn."""
        zeros = ops.zeros_like(uniforms[:, 0])

        def slope(draw: int, limits: object) -> Tensor:
            cosine, sine = cosine_and_sine(ops, between(uniforms[:, draw], limits))
            return sometimes(ops, uniforms[:, 0], self.probability, sine / cosine, zeros)

        x, y = slope(1, self.degrees), slope(2, self.vertical_degrees)
        return affine(ops, (1.0 + x * y, x, zeros), (y, ops.ones_like(y), zeros))
