"""Cut out a part of each image, and bring it to one size."""

import math
from dataclasses import dataclass

import keras

from kerastricks.augment.checks import (
    check_limits,
    check_positive_limits,
    check_probability,
    check_size,
)
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform, between, sometimes
from kerastricks.augment.transforms._cropping import shrinks, window

_TRIES = 10


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomResizedCrop(GeometricTransform):
    """Cut a part of random area, shape and place out of each image, and resize it, antialiased.

    The way to train classifiers on ImageNet. Shares of the area and the logarithm of the aspect
    ratio are uniform; the first of ten draws that fits into the image is taken, and where none
    does, the largest middle part whose aspect ratio is in the range: torchvision's distribution.

        area = a H W,  width / height = r,  a ~ U(scale),  ln r ~ U(ln aspect_ratio)

    Args:
        height: Height of the output, in pixels.
        width: Its width.
        scale: The area as a share of the image's, above 0 and at most 1: a number, or a pair (low,
            high) to draw it from. Defaults to (0.08, 1).
        aspect_ratio: Width / height, 0.01 to 100, in the same way. Defaults to (3/4, 4/3).
        probability: Share of the samples that are cut, 0 to 1; the others are resized whole.
            Defaults to 1.0.

    Raises:
        ValueError: A size that is no whole number of pixels, ranges out of bounds, or a probability
            outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.full((2, 48, 64, 3), 7, dtype="uint8")
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomResizedCrop(32, 32)], seed=0)
    >>> out = np.asarray(pipeline(images, training=True))
    >>> out.shape, int(out.min()), int(out.max())
    ((2, 32, 32, 3), 7, 7)

    Reference:
        Szegedy et al., "Going deeper with convolutions", 2014, section 6.
    """

    height: int
    width: int
    scale: float | tuple[float, float] = (0.08, 1.0)
    aspect_ratio: float | tuple[float, float] = (3 / 4, 4 / 3)
    probability: float = 1.0

    def __post_init__(self) -> None:
        for argument in ("height", "width"):
            length = check_size("RandomResizedCrop", argument, getattr(self, argument))
            object.__setattr__(self, argument, length)
        scale = check_positive_limits("RandomResizedCrop", "scale", self.scale, 1)
        object.__setattr__(self, "scale", scale)
        ratio = check_limits("RandomResizedCrop", "aspect_ratio", self.aspect_ratio, (0.01, 100))
        object.__setattr__(self, "aspect_ratio", ratio)
        probability = check_probability("RandomResizedCrop", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, two for where, two for each try of how large."""
        return 3 + 2 * _TRIES

    @property
    def keeps_axes(self) -> bool:
        """Rows stay rows."""
        return True

    def output_size(self, size: Size) -> Size:
        """The size that the part is brought to."""
        return self.height, self.width

    def minification(self, size: Size) -> float | None:
        """Of the whole image; None where its size is not known beforehand."""
        return shrinks(size, (self.height, self.width))

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the maps from the output to the drawn rectangles."""
        full_height, full_width = (ops.cast(length, "float32") for length in size)
        areas = between(uniforms[:, 3 : 3 + _TRIES], self.scale) * (full_height * full_width)
        logarithms = tuple(math.log(ratio) for ratio in self.aspect_ratio)  # type: ignore[union-attr]
        roots = ops.exp(between(uniforms[:, 3 + _TRIES :], logarithms) / 2.0)
        sides = ops.sqrt(areas)
        heights, widths = ops.round(sides / roots), ops.round(sides * roots)

        height, width = self._middle(ops, full_height, full_width)
        height = ops.zeros_like(heights[:, 0]) + height
        width = ops.zeros_like(height) + width
        found = ops.zeros_like(height)
        for attempt in range(_TRIES):
            tall, wide = heights[:, attempt], widths[:, attempt]
            fits = ops.logical_and(tall <= full_height, wide <= full_width)
            fits = ops.logical_and(fits, ops.logical_and(tall >= 1.0, wide >= 1.0))
            taken = ops.logical_and(fits, found < 0.5)
            height, width = ops.where(taken, tall, height), ops.where(taken, wide, width)
            found = ops.where(taken, ops.ones_like(found), found)

        def corner(draw: int, length: Tensor, kept: Tensor) -> Tensor:
            drawn = ops.floor(uniforms[:, draw] * (length - kept + 1.0))
            return ops.where(found > 0.5, drawn, ops.floor((length - kept) / 2.0))

        top, left = corner(1, full_height, height), corner(2, full_width, width)
        zeros = ops.zeros_like(top)

        def chosen(value: Tensor, whole: Tensor) -> Tensor:
            return sometimes(ops, uniforms[:, 0], self.probability, value, whole + zeros)

        return window(
            ops,
            size,
            (self.height, self.width),
            (chosen(top, zeros), chosen(left, zeros)),
            (chosen(height, full_height), chosen(width, full_width)),
        )

    def _middle(self, ops: Ops, height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        """The largest size whose aspect ratio is in the range."""
        low, high = self.aspect_ratio  # type: ignore[misc]
        tall = ops.minimum(height, ops.round(width / low))
        wide = ops.minimum(width, ops.round(height * high))
        return tall, wide
