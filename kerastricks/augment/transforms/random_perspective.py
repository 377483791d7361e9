"""See images from another point of view."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_reach
from kerastricks.augment.geometry import compose, inverse, quadrilateral, scaling
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform, between, sometimes

_CORNERS = ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))
"""Ways inwards from the corners, in the order of `quadrilateral`."""


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomPerspective(GeometricTransform):
    """Move each image's four corners inwards, each by its own share, as on a tilted sheet.

    Use it for flat things seen at an angle: documents, signs, walls.

        corner_out = corner_in + (d_x W / 2, d_y H / 2) inwards,  d ~ U(low, high), 8 draws

    and the one projective map that takes the four corners there.

    Args:
        distortion: Way of a corner, as a share of half the width and half the height: a number f
            from 0 to 0.99 for the range (0, f), torchvision's `distortion_scale`, or a pair
            (low, high). Above 2/3 a few draws (0.1 % at 0.8) put a corner within the triangle of
            the others, which no sheet does: their shares are drawn together, towards their mean,
            until the corners make a convex quadrilateral. Defaults to 0.5.
        probability: Share of the samples that are transformed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Distortions that are no range from 0 to 0.99, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.full((1, 8, 8, 1), 200, dtype="uint8")
    >>> pipeline = kt.augment.Pipeline(
    ...     [kt.augment.RandomPerspective(0.3)], fill_mode="constant", seed=0
    ... )
    >>> out = np.asarray(pipeline(images, training=True))[0, :, :, 0]
    >>> int(out[4, 4]), int(out[0, 7])
    (200, 0)

    Reference:
        Heckbert, "Fundamentals of texture mapping and image warping", 1989.
    """

    distortion: float | tuple[float, float] = 0.5
    probability: float = 1.0

    def __post_init__(self) -> None:
        # At 1 corners would meet in the middle, and before it a pixel would span the whole image.
        distortion = check_reach("RandomPerspective", "distortion", self.distortion, 0.99)
        object.__setattr__(self, "distortion", distortion)
        probability = check_probability("RandomPerspective", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, two for each corner."""
        return 9

    @property
    def is_projective(self) -> bool:
        """What is far away is smaller."""
        return True

    def minification(self, size: Size) -> float:
        """At the center, all corners having come in as far as they may."""
        del size
        return 1.0 / (1.0 - self.distortion[1])  # type: ignore[index]

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the inverse of the map that moves the corners."""
        ways = between(uniforms[:, 1:], self.distortion)
        if self.distortion[1] > 2 / 3:  # type: ignore[index]
            ways = ops.where(_convex(ops, ways), ways, _together(ops, ways))
        corners = ops.stack([ops.stack(corner, axis=-1) for corner in _corners(ways)], axis=1)
        moved = inverse(ops, quadrilateral(ops, corners))
        ones = ops.ones_like(uniforms[:, 0])
        x, y = (ones * (ops.cast(length, "float32") / 2.0) for length in (size[1], size[0]))
        inwards = scaling(ops, 1.0 / x, 1.0 / y)
        matrices = compose(ops, compose(ops, scaling(ops, x, y), moved), inwards)
        still = scaling(ops, ones, ones)
        return sometimes(ops, uniforms[:, :1, None], self.probability, matrices, still)


def _corners(ways: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Give x and y of each corner, (B,) each, of the square (-1, -1)..(1, 1) before it moves."""
    return [
        (x * (ways[:, 2 * corner] - 1.0), y * (ways[:, 2 * corner + 1] - 1.0))
        for corner, (x, y) in enumerate(_CORNERS)
    ]


def _convex(ops: Ops, ways: Tensor) -> Tensor:
    """Tell whether every corner turns the same way, (B, 1)."""
    corners = _corners(ways)
    turns = []
    for corner, (x, y) in enumerate(corners):
        (x0, y0), (x1, y1) = corners[corner - 1], corners[(corner + 1) % 4]
        turns.append((x - x0) * (y1 - y) - (y - y0) * (x1 - x))
    return ops.min(ops.stack(turns, axis=-1), axis=1, keepdims=True) > 0.0


def _together(ops: Ops, ways: Tensor) -> Tensor:
    """Draw the ways of a sample towards their mean m until they give a convex quadrilateral.

    A corner that has come in by w <= highest lies outside of the line between its neighbors
    whenever highest - lowest < 2 (1 - highest); ways m + t (w - m) fulfill that for

        t < 2 (1 - m) / (highest - lowest + 2 (highest - m))
    """
    mean = ops.sum(ways, axis=1)[:, None] / 8.0
    lowest, highest = (of(ways, axis=1, keepdims=True) for of in (ops.min, ops.max))
    share = 2.0 * (1.0 - mean) / (highest - lowest + 2.0 * (highest - mean))
    return mean + 0.99 * share * (ways - mean)
