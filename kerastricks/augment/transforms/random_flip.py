"""Mirror images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability
from kerastricks.augment.geometry import affine
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform

_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomFlip(GeometricTransform):
    """Mirror each image with a given probability.

    Use the horizontal flip for natural images, both for pictures without an upright (microscopy,
    satellites), none where the side carries meaning (text, digits, left and right labels).

    A flip moves whole pixels: a pipeline of flips alone reproduces every value bit for bit, in any
    dtype.

        x_in = -x_out, with the image center as the origin; "vertical": y_in = -y_out

    Args:
        mode: "horizontal" (left and right change places), "vertical" (top and bottom do), or
            "horizontal_and_vertical" (each is decided on its own).
        probability: Share of the samples that are mirrored, 0 to 1. Defaults to 0.5, Keras' fixed
            value. In the mode "horizontal_and_vertical" it is the share for each direction, so
            `probability ** 2` of the samples are turned upside down.

    Raises:
        ValueError: An unknown mode, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.arange(6, dtype="uint8").reshape(1, 1, 6, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomFlip(probability=1.0)], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([5, 4, 3, 2, 1, 0], dtype=uint8)
    """

    mode: str = "horizontal"
    probability: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in _MODES:
            raise ValueError(
                f"RandomFlip: `mode` is one of {', '.join(map(repr, _MODES))}. "
                f"Received: mode={self.mode!r}"
            )
        probability = check_probability("RandomFlip", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number a direction."""
        return 2 if self.mode == "horizontal_and_vertical" else 1

    @property
    def keeps_lattice(self) -> bool:
        """A mirror image has the pixels of the image."""
        return True

    @property
    def keeps_axes(self) -> bool:
        """Rows stay rows."""
        return True

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Negate x, y, or both, where the draw falls below the probability."""
        ones = ops.ones_like(uniforms[:, 0])
        signs = [
            ops.where(uniforms[:, draw] < self.probability, -ones, ones)
            for draw in range(self.num_draws)
        ]
        if self.mode == "horizontal":
            signs = [signs[0], ones]
        elif self.mode == "vertical":
            signs = [ones, signs[0]]
        zeros = ops.zeros_like(ones)
        return affine(ops, (signs[0], zeros, zeros), (zeros, signs[1], zeros))
