"""Turn images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_range
from kerastricks.augment.geometry import affine, cosine_and_sine
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomRotation(GeometricTransform):
    """Turn each image about its center by an angle drawn uniformly from a range.

    Use small angles (5 to 20 degrees) for upright subjects, the full (-180, 180) for pictures
    without an upright. What enters at the corners is the pipeline's `fill_mode`.

        x_in = cos(a) x_out - sin(a) y_out
        y_in = sin(a) x_out + cos(a) y_out,  a ~ U(low, high), y down, image center as the origin

    Positive angles turn counter-clockwise on the screen, as in PIL, `scipy.ndimage.rotate` and
    torchvision. Multiples of 90 degrees are exact.

    Args:
        degrees: The angle in degrees: a number f from 0 to 360 for the range (-f, f), or a pair
            (low, high); (90, 90) fixes the angle. Keras' `factor` counts full turns:
            `degrees = 360 * factor`.
        probability: Share of the samples that are turned, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Angles that are no range within 360 degrees, or a probability outside 0 to 1.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([[1, 2], [3, 4]], dtype="uint8").reshape(1, 2, 2, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.RandomRotation(degrees=(90, 90))], seed=0)
    >>> np.asarray(pipeline(images, training=True))[0, :, :, 0]
    array([[2, 4],
           [1, 3]], dtype=uint8)
    """

    degrees: float | tuple[float, float]
    probability: float = 1.0

    def __post_init__(self) -> None:
        degrees = check_range("RandomRotation", "degrees", self.degrees, limit=360)
        object.__setattr__(self, "degrees", degrees)
        probability = check_probability("RandomRotation", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for how far."""
        return 2

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the inverse rotation of the drawn angle, the identity where none was drawn."""
        low, high = check_range("RandomRotation", "degrees", self.degrees, limit=360)
        angle = low + uniforms[:, 1] * (high - low)
        angle = ops.where(uniforms[:, 0] < self.probability, angle, ops.zeros_like(angle))
        cosine, sine = cosine_and_sine(ops, angle)
        zeros = ops.zeros_like(angle)
        return affine(ops, (cosine, -sine, zeros), (sine, cosine, zeros))
