"""Take the color out of images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability
from kerastricks.augment.color import blend_with_gray
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import ColorTransform, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomGrayscale(ColorTransform):
    """Make some of the images gray, with as many channels as before.

        out = g,  g = 0.299 red + 0.587 green + 0.114 blue

    as PIL's `convert("L")`. Images of one channel are left as they are.

    Args:
        probability: Share of the samples that become gray, 0 to 1. Defaults to 0.1.

    Raises:
        ValueError: A probability outside 0 to 1; when it runs, images of neither 1 nor 3 channels.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([200, 100, 0], dtype="uint8").reshape(1, 1, 1, 3)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomGrayscale(probability=1)], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([118, 118, 118], dtype=uint8)
    """

    probability: float = 0.1

    def __post_init__(self) -> None:
        probability = check_probability("RandomGrayscale", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether."""
        return 1

    @property
    def needs_color(self) -> bool:
        """Only colors have a gray."""
        return True

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Blend with gray, wholly or not at all."""
        ones = ops.ones_like(uniforms[:, 0])
        kept = sometimes(ops, uniforms[:, 0], self.probability, ops.zeros_like(ones), ones)
        return blend_with_gray(ops, kept, mean.shape[-1]), ops.zeros_like(mean)
