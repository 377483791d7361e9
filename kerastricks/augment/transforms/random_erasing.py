"""Cover a part of images."""

import math
from dataclasses import dataclass

import keras

from kerastricks.augment.border import Border
from kerastricks.augment.checks import check_limits, check_probability, is_number
from kerastricks.augment.kernels import Ops, Size, Stage, Tensor
from kerastricks.augment.threefry import pixel_uniforms, sample_keys_of
from kerastricks.augment.transform import PixelTransform, between, sometimes
from kerastricks.augment.values import ValueContract


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomErasing(PixelTransform):
    """Cover a rectangle of each image, of random area, shape and place.

    It teaches a network to use more than the most telling part of a picture. Labels, masks, boxes
    and points stay: what they are about is still there, behind the cover.

        area = a H W,  height / width = r,  a ~ U(area),  ln r ~ U(ln aspect_ratio)

    within the image, at any place; sides that would be longer than the image's are cut to them.

    Args:
        area: Share of the image that is covered, 0 to 1: a number, or a pair (low, high) to draw it
            from. Defaults to (0.02, 0.33).
        aspect_ratio: Height / width, 0.01 to 100, in the same way. Defaults to (0.3, 3.3).
        fill_value: A value within the pipeline's `value_range`, or "noise" for uniform noise over
            that range. Defaults to "noise".
        probability: Share of the samples that are covered, 0 to 1. Defaults to 0.5.

    Raises:
        ValueError: Ranges out of bounds, a fill that is neither, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.full((1, 16, 16, 1), 9, dtype="uint8")
    >>> cover = kt.augment.RandomErasing(0.25, (1, 1), fill_value=0, probability=1)
    >>> out = np.asarray(kt.augment.Pipeline([cover], seed=0)(images, training=True))
    >>> int((out == 0).sum())
    64

    Reference:
        Zhong et al., "Random erasing data augmentation", 2020. DeVries and Taylor, "Improved
        regularization of convolutional neural networks with cutout", 2017.
    """

    area: float | tuple[float, float] = (0.02, 0.33)
    aspect_ratio: float | tuple[float, float] = (0.3, 3.3)
    fill_value: float | str = "noise"
    probability: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "area", check_limits("RandomErasing", "area", self.area, (0, 1)))
        ratio = check_limits("RandomErasing", "aspect_ratio", self.aspect_ratio, (0.01, 100))
        object.__setattr__(self, "aspect_ratio", ratio)
        if not is_number(self.fill_value) and not (
            isinstance(self.fill_value, str) and self.fill_value == "noise"
        ):
            raise ValueError(
                'RandomErasing: `fill_value` is a value of an image, or "noise". '
                f"Received: fill_value={self.fill_value!r}"
            )
        if self.fill_value != "noise":
            object.__setattr__(self, "fill_value", float(self.fill_value))
        probability = check_probability("RandomErasing", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, two for the size, two for the place, four for noise."""
        return 9

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        return "cover of a rectangle"

    def draw(self, ops: Ops, uniforms: Tensor, size: Size) -> tuple[Tensor, ...]:
        """Draw top, left, bottom and right, (B,) each, and the key of the noise."""
        full = [ops.cast(length, "float32") for length in size]
        area = between(uniforms[:, 1], self.area) * (full[0] * full[1])
        logarithms = tuple(math.log(ratio) for ratio in self.aspect_ratio)  # type: ignore[union-attr]
        root = ops.exp(between(uniforms[:, 2], logarithms) / 2.0)
        side = ops.sqrt(area)
        sides = [ops.minimum(ops.round(side * root), full[0])]
        sides.append(ops.minimum(ops.round(side / root), full[1]))
        chosen = [
            sometimes(ops, uniforms[:, 0], self.probability, each, ops.zeros_like(each))
            for each in sides
        ]
        top, left = (
            ops.floor(uniforms[:, 3 + axis] * (full[axis] - chosen[axis] + 1.0))
            for axis in range(2)
        )
        keys = sample_keys_of(ops, uniforms[:, 5:])
        return top, left, top + chosen[0], left + chosen[1], *keys

    def stages(self, ops: Ops, border: Border, values: ValueContract) -> list[Stage]:
        """Cover in one loop."""
        if self.fill_value != "noise":
            low, high = values.value_range
            if not low <= float(self.fill_value) <= high:
                raise ValueError(
                    f"RandomErasing: `fill_value` lies within value_range=({low:g}, {high:g}). "
                    f"Received: fill_value={self.fill_value!r}"
                )

        def cover(images: Tensor, drawn: tuple[Tensor, ...]) -> Tensor:
            top, left, bottom, right, *key = (each[:, None, None, None] for each in drawn)
            value = ops.cast(images, "float32")
            _, height, width, channels = ops.shape(images)
            y = ops.arange(height, dtype="float32")[None, :, None, None]
            x = ops.arange(width, dtype="float32")[None, None, :, None]
            rows = ops.logical_and(y >= top, y < bottom)
            inside = ops.logical_and(rows, ops.logical_and(x >= left, x < right))
            if self.fill_value == "noise":
                words = key[0][:, 0, 0, 0], key[1][:, 0, 0, 0]
                noise, _ = pixel_uniforms(ops, words, (height, width, channels))
                fill = noise * values.span + values.low
            else:
                fill = ops.zeros_like(value) + float(self.fill_value)
            return ops.where(inside, fill, value)

        return [cover]
