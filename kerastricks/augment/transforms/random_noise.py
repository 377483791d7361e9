"""Add noise to images."""

import math
from dataclasses import dataclass

import keras

from kerastricks.augment.border import Border
from kerastricks.augment.checks import check_limits, check_probability
from kerastricks.augment.kernels import Ops, Size, Stage, Tensor
from kerastricks.augment.threefry import pixel_uniforms, sample_keys_of
from kerastricks.augment.transform import PixelTransform, between, sometimes
from kerastricks.augment.values import ValueContract


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomNoise(PixelTransform):
    """Add normal noise to every value of each image, of a strength of its own.

        out = v + std (highest - lowest) z,  z ~ N(0, 1), one draw a value

    Args:
        std: Standard deviation as a share of the range from the darkest to the brightest value, 0
            to 1: a number, or a pair (low, high) to draw it from. Defaults to (0.0, 0.05).
        probability: Share of the samples that get noise, 0 to 1. Defaults to 0.5.

    Raises:
        ValueError: Deviations outside 0 to 1, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.full((1, 64, 64, 3), 0.5, dtype="float32")
    >>> noise = kt.augment.RandomNoise(0.1, probability=1)
    >>> pipeline = kt.augment.Pipeline([noise], value_range=(0, 1), seed=0)
    >>> out = np.asarray(pipeline(images, training=True))
    >>> round(float(out.std()), 2)
    0.1

    Reference:
        Box and Muller, "A note on the generation of random normal deviates", 1958.
    """

    std: float | tuple[float, float] = (0.0, 0.05)
    probability: float = 0.5

    def __post_init__(self) -> None:
        std = check_limits("RandomNoise", "std", self.std, (0, 1))
        object.__setattr__(self, "std", std)
        probability = check_probability("RandomNoise", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for how much, four for the key of the pixels' numbers."""
        return 6

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        return "sum with normal noise, two random numbers a value"

    def draw(self, ops: Ops, uniforms: Tensor, size: Size) -> tuple[Tensor, Tensor, Tensor]:
        """Draw deviation and key, (B,) each."""
        std = between(uniforms[:, 1], self.std)
        std = sometimes(ops, uniforms[:, 0], self.probability, std, ops.zeros_like(std))
        return std, *sample_keys_of(ops, uniforms[:, 2:])

    def stages(self, ops: Ops, border: Border, values: ValueContract) -> list[Stage]:
        """Add noise in one loop."""

        def add(images: Tensor, drawn: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            std, first, second = drawn
            radius, angle = pixel_uniforms(ops, (first, second), ops.shape(images)[1:])
            # 1 - u is never 0, whose logarithm is none.
            normal = ops.sqrt(-2.0 * ops.log(1.0 - radius)) * ops.cos((2 * math.pi) * angle)
            strength = (std * values.span)[:, None, None, None]
            return ops.cast(images, "float32") + strength * normal

        return [add]
