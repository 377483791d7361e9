"""Turn colors into their neighbors."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_range
from kerastricks.augment.color import turn_of_hue
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import ColorTransform, between, sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomHue(ColorTransform):
    """Turn the hue of each image by a part of a full turn drawn uniformly.

    Use small parts: a third of a turn makes red green.

        out = T^-1 R(2 pi h) T v,  h ~ U(low, high)

    where T leads from red, green and blue to luma and two axes of chroma (YIQ), in whose plane R
    turns. Luma and saturation stay, and it is one matrix. Hue in HSV, as PIL and torchvision turn
    it, is another measure of the same circle: it keeps the largest channel instead of the luma.
    Images of one channel are left as they are.

    Args:
        hue: A part of a full turn: a number f from 0 to 0.5 for the range (-f, f), or a pair
            (low, high). Positive parts lead from red to yellow, green, blue and back.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Parts that are no range within half a turn, or a probability outside 0 to 1;
            when it runs, images of neither 1 nor 3 channels.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([140, 90, 90], dtype="uint8").reshape(1, 1, 1, 3)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomHue((1 / 3, 1 / 3))], seed=0)
    >>> int(np.asarray(pipeline(images, training=True)).ravel().argmax())  # green
    1

    Reference:
        Smith and Lyons, "HWB: a more intuitive hue-based color model", 1996 (hue as an angle);
        NTSC, 1953 (YIQ).
    """

    hue: float | tuple[float, float]
    probability: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hue", check_range("RandomHue", "hue", self.hue, limit=0.5))
        probability = check_probability("RandomHue", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for how far."""
        return 2

    @property
    def needs_color(self) -> bool:
        """Only colors have a hue."""
        return True

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Turn chroma about the gray axis."""
        turns = between(uniforms[:, 1], self.hue)
        turns = sometimes(ops, uniforms[:, 0], self.probability, turns, ops.zeros_like(turns))
        return turn_of_hue(ops, turns, mean.shape[-1]), ops.zeros_like(mean)
