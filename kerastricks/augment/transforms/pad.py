"""Put a border around images."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import LONGEST, is_number
from kerastricks.augment.geometry import shifting
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class Pad(GeometricTransform):
    """Put a border around every image, filled as the pipeline's `fill_mode` says.

    Before `RandomCrop` it lets crops reach beyond the image. Whole pixels move, so values are kept
    bit for bit.

    Args:
        height: Pixels above and as many below: a whole number, 0 or more.
        width: Pixels on the left and as many on the right.

    Raises:
        ValueError: Numbers of pixels that are not whole, or negative.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([1, 2, 3], dtype="uint8").reshape(1, 1, 3, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.Pad(0, 2)], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([2, 1, 1, 2, 3, 3, 2], dtype=uint8)
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        for argument in ("height", "width"):
            given = getattr(self, argument)
            if not is_number(given) or not 0 <= given <= LONGEST or int(given) != given:
                raise ValueError(
                    f"Pad: `{argument}` is a whole number of pixels, from 0 to {LONGEST}. "
                    f"Received: {argument}={given!r}"
                )
            object.__setattr__(self, argument, int(given))

    @property
    def num_draws(self) -> int:
        """Nothing is left to chance."""
        return 0

    @property
    def keeps_lattice(self) -> bool:
        """Whole pixels move."""
        return True

    @property
    def keeps_axes(self) -> bool:
        """Rows stay rows."""
        return True

    def output_size(self, size: Size) -> Size:
        """The image and its border."""
        borders = 2 * self.height, 2 * self.width
        return tuple(a if a is None else a + b for a, b in zip(size, borders, strict=True))  # type: ignore[return-value]

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the identity: the center stays the center."""
        zeros = ops.zeros_like(uniforms[:, 0])
        return shifting(ops, zeros, zeros)
