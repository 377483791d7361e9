"""Bring images to one size."""

from dataclasses import dataclass

import keras
import numpy as np

from kerastricks.augment.checks import check_size
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform
from kerastricks.augment.transforms._cropping import shrinks, window


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class Resize(GeometricTransform):
    """Bring every image to one size, by a triangle filter that is antialiased where it shrinks.

    Put it first where images come in many sizes; what follows is then compiled for one. Values are
    those of PIL's `Image.resize(..., BILINEAR)`, without its rounding between the axes.

        x_in + 1/2 = (x_out + 1/2) W / width

    Args:
        height: Height of the output, in pixels.
        width: Its width.
        keep_aspect_ratio: Whether to keep proportions and fill the rest at the border with the
            pipeline's `fill_mode`, the image in the middle. Defaults to False: it is stretched.

    Raises:
        ValueError: A size that is no whole number of pixels, or neither True nor False for
            `keep_aspect_ratio`.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.array([0, 0, 80, 80], dtype="uint8").reshape(1, 1, 4, 1)
    >>> pipeline = kt.augment.Pipeline([kt.augment.Resize(1, 2)], seed=0)
    >>> np.asarray(pipeline(images, training=True)).ravel()
    array([11, 69], dtype=uint8)
    """

    height: int
    width: int
    keep_aspect_ratio: bool = False

    def __post_init__(self) -> None:
        for argument in ("height", "width"):
            length = check_size("Resize", argument, getattr(self, argument))
            object.__setattr__(self, argument, length)
        if not isinstance(self.keep_aspect_ratio, (bool, np.bool_)):
            raise ValueError(
                "Resize: `keep_aspect_ratio` is True or False. "
                f"Received: keep_aspect_ratio={self.keep_aspect_ratio!r}"
            )
        object.__setattr__(self, "keep_aspect_ratio", bool(self.keep_aspect_ratio))

    @property
    def num_draws(self) -> int:
        """Nothing is left to chance."""
        return 0

    @property
    def keeps_axes(self) -> bool:
        """Rows stay rows."""
        return True

    def output_size(self, size: Size) -> Size:
        """The size that was asked for."""
        return self.height, self.width

    def minification(self, size: Size) -> float | None:
        """Of the whole image; None where its size is not known beforehand."""
        return shrinks(size, (self.height, self.width))

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the map from the output to the whole image."""
        zeros = ops.zeros_like(uniforms[:, 0])
        height, width = (ops.cast(length, "float32") + zeros for length in size)
        top = left = zeros
        if self.keep_aspect_ratio:
            across, down = width / self.width, height / self.height
            span = ops.where(across > down, across, down)
            top, left = (height - span * self.height) / 2.0, (width - span * self.width) / 2.0
            height, width = span * self.height, span * self.width
        return window(ops, size, (self.height, self.width), (top, left), (height, width))
