"""Blur images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.antialias import convolve_axis
from kerastricks.augment.border import Border
from kerastricks.augment.checks import check_limits, check_probability
from kerastricks.augment.kernels import Ops, Size, Stage, Tensor
from kerastricks.augment.transform import PixelTransform, between, sometimes
from kerastricks.augment.values import ValueContract


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomGaussianBlur(PixelTransform):
    """Blur each image by a normal curve of its own width.

        out = sum_k w_k image[i + k] along each axis,  w_k ~ exp(-k^2 / (2 sigma^2)), up to 3 sigma

    as `scipy.ndimage.gaussian_filter(..., truncate=3)`. Beyond the border stands the pipeline's
    `fill_mode`, but for "constant", where the image is reflected.

    Args:
        sigma: Standard deviation in pixels, 0 to 100: a number, or a pair (low, high) to draw it
            from. Defaults to (0.1, 2.0).
        probability: Share of the samples that are blurred, 0 to 1. Defaults to 0.5.

    Raises:
        ValueError: Deviations outside 0 to 100, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([0, 0, 0, 100, 0, 0, 0], dtype="float32").reshape(1, 1, 7, 1)
    >>> blur = kt.augment.RandomGaussianBlur(1.0, probability=1)
    >>> out = np.asarray(kt.augment.Pipeline([blur], seed=0)(images, training=True))
    >>> out.ravel().round(1)
    array([ 0.4,  5.4, 24.2, 39.9, 24.2,  5.4,  0.4], dtype=float32)
    """

    sigma: float | tuple[float, float] = (0.1, 2.0)
    probability: float = 0.5

    def __post_init__(self) -> None:
        sigma = check_limits("RandomGaussianBlur", "sigma", self.sigma, (0, 100))
        object.__setattr__(self, "sigma", sigma)
        probability = check_probability("RandomGaussianBlur", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for how far."""
        return 2

    @property
    def radius(self) -> int:
        """Pixels on each side that may take part."""
        return max(1, int(3.0 * self.sigma[1] + 0.5))  # type: ignore[index]

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        return f"blur along each axis, {2 * self.radius + 1} pixels"

    def draw(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Draw the deviations, (B,), zero for images that stay."""
        sigma = between(uniforms[:, 1], self.sigma)
        return sometimes(ops, uniforms[:, 0], self.probability, sigma, ops.zeros_like(sigma))

    def stages(self, ops: Ops, border: Border, values: ValueContract) -> list[Stage]:
        """Blur along one axis after the other."""

        def blurred(axis: int) -> Stage:
            def blur(images: Tensor, sigma: Tensor) -> Tensor:
                def weight(distance: Tensor) -> Tensor:
                    return gaussian_weight(ops, sigma, distance)

                return convolve_axis(ops, images, weight, sigma, axis, border, self.radius)

            return blur

        return [blurred(1), blurred(2)]


def gaussian_weight(ops: Ops, sigma: Tensor, distance: Tensor) -> Tensor:
    """Give the bell curve up to 3 sigma, not yet made to add up to 1.

    Args:
        ops: `keras.ops` or a namespace like it, numpy for one.
        sigma: The deviation in pixels, 0 or more.
        distance: In pixels, of the deviation's shape.
    """
    width = ops.maximum(sigma, 1e-3)
    curve = ops.exp(-0.5 * (distance / width) * (distance / width))
    within = distance <= ops.floor(3.0 * sigma + 0.5)
    return ops.where(within, curve, ops.zeros_like(curve))
