"""One operation chosen at random for each image, of any strength."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transforms._policy import Choice, Policy, chosen

_AMOUNTS: dict[str, tuple[float, float, bool]] = {
    "identity": (0.0, 0.0, False),
    "shear_x": (0.0, 0.99, True),
    "shear_y": (0.0, 0.99, True),
    "translate_x": (0.0, 32 / 224, True),
    "translate_y": (0.0, 32 / 224, True),
    "rotate": (0.0, 135.0, True),
    "brightness": (0.0, 0.99, True),
    "saturation": (0.0, 0.99, True),
    "contrast": (0.0, 0.99, True),
    "sharpness": (0.0, 0.99, True),
    "posterize": (8.0, 2.0, False),
    "solarize": (1.0, 0.0, False),
    "auto_contrast": (0.0, 0.0, False),
    "equalize": (0.0, 0.0, False),
}
"""Amounts at magnitudes 0 and 1, and whether either sign may be drawn."""


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class TrivialAugment(Policy):
    """Give each image one operation out of fourteen, each as likely, of any strength as likely.

    It has nothing to tune. Operations and amounts are those of the wide space of torchvision's
    `TrivialAugmentWide`: shears to a slope of 0.99, translations to a seventh of the image (32
    pixels of 224), rotations to 135 degrees, brightness, saturation, contrast and sharpness by
    factors of 1 +- 0.99, 8 to 2 bits, solarizing from 255 down to 0, auto contrast, equalizing, and
    none; signs are drawn.

    Args:
        probability: Share of the images that get one, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: A probability outside 0 to 1; when it runs, images of neither 1 nor 3 channels.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.tile(np.arange(64, dtype="uint8")[:, None, None], (16, 1, 64, 3))
    >>> pipeline = kt.augment.Pipeline([kt.augment.TrivialAugment()], seed=0)
    >>> out = np.asarray(pipeline(images, training=True))
    >>> len({image.tobytes() for image in out}) > 8
    True

    Reference:
        Müller and Hutter, "TrivialAugment: tuning-free yet state-of-the-art data augmentation",
        2021.
    """

    probability: float = 1.0

    def __post_init__(self) -> None:
        probability = check_probability("TrivialAugment", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def slots(self) -> int:
        """One operation."""
        return 1

    @property
    def draws_of_a_slot(self) -> int:
        """For whether, which, how much, and the sign."""
        return 4

    def choose(self, ops: Ops, uniforms: Tensor, slot: int) -> Choice:
        """One of fourteen, each as likely."""
        choice = chosen(ops, uniforms[:, 1:], _AMOUNTS, (0.0, 1.0))
        return choice.where(ops, uniforms[:, 0] < self.probability)
