"""Change brightness, contrast, saturation and hue at once."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_factor, check_probability, check_range
from kerastricks.augment.color import compose_colors, mix
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import ColorTransform, sometimes
from kerastricks.augment.transforms.random_brightness import RandomBrightness
from kerastricks.augment.transforms.random_contrast import RandomContrast
from kerastricks.augment.transforms.random_hue import RandomHue
from kerastricks.augment.transforms.random_saturation import RandomSaturation


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class ColorJitter(ColorTransform):
    """Change brightness, contrast, saturation and hue of each image, each by its own draw.

    The four are those of `RandomBrightness`, `RandomContrast`, `RandomSaturation` and `RandomHue`.
    Their order makes no difference here, as nothing is clipped in between: the first two scale
    about black and about the mean gray, and the others move chroma alone. torchvision, which clips
    after each and turns hue in HSV, draws an order.

    Args:
        brightness: As the `factor` of `RandomBrightness`. Defaults to 0.0: none.
        contrast: As the `factor` of `RandomContrast`. Defaults to 0.0.
        saturation: As the `factor` of `RandomSaturation`. Defaults to 0.0.
        hue: As the `hue` of `RandomHue`. Defaults to 0.0.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Ranges out of bounds, or a probability outside 0 to 1; when it runs with a
            saturation or a hue, images of neither 1 nor 3 channels.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.full((4, 8, 8, 3), 100, dtype="uint8")
    >>> pipeline = kt.augment.Pipeline([kt.augment.ColorJitter(brightness=0.5)], seed=0)
    >>> out = np.asarray(pipeline(images, training=True))
    >>> len({int(image.mean()) for image in out})
    4
    """

    brightness: float | tuple[float, float] = 0.0
    contrast: float | tuple[float, float] = 0.0
    saturation: float | tuple[float, float] = 0.0
    hue: float | tuple[float, float] = 0.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        for argument in ("brightness", "contrast", "saturation"):
            limits = check_factor("ColorJitter", argument, getattr(self, argument))
            object.__setattr__(self, argument, limits)
        object.__setattr__(self, "hue", check_range("ColorJitter", "hue", self.hue, limit=0.5))
        probability = check_probability("ColorJitter", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, four for how far."""
        return 5

    @property
    def needs_mean(self) -> bool:
        """Contrast moves values about the mean."""
        return self.contrast != (1.0, 1.0)

    @property
    def needs_color(self) -> bool:
        """Only colors have a saturation and a hue."""
        return self.saturation != (1.0, 1.0) or self.hue != (0.0, 0.0)

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Compose the four, or leave the image."""
        parts: tuple[ColorTransform, ...] = (
            RandomBrightness(self.brightness),
            RandomContrast(self.contrast),
            RandomSaturation(self.saturation),
            RandomHue(self.hue),
        )
        ones = ops.ones_like(uniforms[:, 0])
        neutral = RandomBrightness(0.0).matrix(ops, uniforms[:, :2], mean)
        composed, now = neutral, mean
        for number, part in enumerate(parts, 1):
            drawn = ops.stack([ops.zeros_like(ones), uniforms[:, number]], axis=1)
            color = part.matrix(ops, drawn, now)
            composed, now = compose_colors(ops, composed, color), mix(ops, color, now)
        chosen = uniforms[:, 0]
        return (
            sometimes(ops, chosen[:, None, None], self.probability, composed[0], neutral[0]),
            sometimes(ops, chosen[:, None], self.probability, composed[1], neutral[1]),
        )
