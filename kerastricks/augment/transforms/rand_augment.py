"""A number of operations chosen at random for each image, all of one strength."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_limits, check_probability, check_size
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transforms._policy import Choice, Policy, chosen

_AMOUNTS: dict[str, tuple[float, float, bool]] = {
    "identity": (0.0, 0.0, False),
    "shear_x": (0.0, 0.3, True),
    "shear_y": (0.0, 0.3, True),
    "translate_x": (0.0, 150 / 331, True),
    "translate_y": (0.0, 150 / 331, True),
    "rotate": (0.0, 30.0, True),
    "brightness": (0.0, 0.9, True),
    "saturation": (0.0, 0.9, True),
    "contrast": (0.0, 0.9, True),
    "sharpness": (0.0, 0.9, True),
    "posterize": (8.0, 4.0, False),
    "solarize": (1.0, 0.0, False),
    "auto_contrast": (0.0, 0.0, False),
    "equalize": (0.0, 0.0, False),
}
"""Amounts at magnitudes 0 and 1, and whether either sign may be drawn."""


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandAugment(Policy):
    """Give each image a few operations out of fourteen, each as likely, of one magnitude.

    Operations and amounts are those of torchvision's class of this name: shears to a slope of 0.3,
    translations to 45 % of the image, rotations to 30 degrees, brightness, saturation, contrast and
    sharpness by factors of 1 +- 0.9, 8 to 4 bits, solarizing from 255 down to 0, auto contrast,
    equalizing, and none; signs are drawn. Every image has its own. What moves pixels goes first, in
    one resample; black may then be inside where equalizing looks.

    Args:
        num_ops: How many operations an image gets, 1 or more. Defaults to 2.
        magnitude: Relative strength, 0 to 1: a number, or a pair (low, high) to draw it from, for
            each operation. Defaults to 0.3, about torchvision's 9 of 30.
        probability: Share of the operations that are done, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: No whole number of operations, a magnitude or a probability outside 0 to 1; when
            it runs, images of neither 1 nor 3 channels.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.tile(np.arange(64, dtype="uint8")[:, None, None], (16, 1, 64, 3))
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandAugment()], seed=0)
    >>> out = np.asarray(pipeline(images, training=True))
    >>> len({image.tobytes() for image in out}) > 10
    True

    Reference:
        Cubuk, Zoph, Shlens and Le, "RandAugment: practical automated data augmentation with a
        reduced search space", 2020.
    """

    num_ops: int = 2
    magnitude: float | tuple[float, float] = 0.3
    probability: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "num_ops", check_size("RandAugment", "num_ops", self.num_ops, "number")
        )
        magnitude = check_limits("RandAugment", "magnitude", self.magnitude, (0, 1))
        object.__setattr__(self, "magnitude", magnitude)
        probability = check_probability("RandAugment", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def slots(self) -> int:
        """One for each operation."""
        return self.num_ops

    @property
    def draws_of_a_slot(self) -> int:
        """For whether, which, how much, and the sign."""
        return 4

    def choose(self, ops: Ops, uniforms: Tensor, slot: int) -> Choice:
        """One of fourteen, each as likely."""
        uniforms = uniforms[:, 4 * slot : 4 * slot + 4]
        choice = chosen(ops, uniforms[:, 1:], _AMOUNTS, self.magnitude)
        return choice.where(ops, uniforms[:, 0] < self.probability)
