"""Cut out a part of each image."""

from dataclasses import dataclass

import keras

from kerastricks.augment.checks import check_probability, check_size
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import GeometricTransform, sometimes
from kerastricks.augment.transforms._cropping import check_fits, window


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class RandomCrop(GeometricTransform):
    """Cut a part of a given size out of each image, at a place of its own.

    Every place within the image is as likely as any other. Whole pixels move, so values are kept
    bit for bit. Pad images first for crops as large as they are (4 pixels of padding on CIFAR-10).

        left ~ U{0, ..., W - width},  top ~ U{0, ..., H - height}

    Args:
        height: Height of what is cut out, in pixels.
        width: Its width.
        probability: Share of the samples that are cut at random, 0 to 1; the others are cut from
            the middle. Defaults to 1.0.

    Raises:
        ValueError: A size that is no whole number of pixels, a probability outside 0 to 1; when it
            runs, images smaller than the crop (a `tf.errors.InvalidArgumentError` where TensorFlow
            does not know their size beforehand, as in a data set of many sizes).

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.arange(32 * 32, dtype="int32").reshape(1, 32, 32, 1)
    >>> pipeline = kt.augment.Pipeline(
    ...     [kt.augment.RandomCrop(24, 28)], value_range=(0, 1023), seed=0
    ... )
    >>> pipeline(images, training=True).shape[1:3] == (24, 28)
    True
    """

    height: int
    width: int
    probability: float = 1.0

    def __post_init__(self) -> None:
        for argument in ("height", "width"):
            length = check_size("RandomCrop", argument, getattr(self, argument))
            object.__setattr__(self, argument, length)
        probability = check_probability("RandomCrop", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, two for where."""
        return 3

    @property
    def keeps_lattice(self) -> bool:
        """Whole pixels are cut out."""
        return True

    @property
    def keeps_axes(self) -> bool:
        """Rows stay rows."""
        return True

    def output_size(self, size: Size) -> Size:
        """The size that is cut out."""
        check_fits("RandomCrop", size, (self.height, self.width))
        return self.height, self.width

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build shifts by a whole number of pixels."""

        def corner(draw: int, length: Tensor, kept: int) -> Tensor:
            places = ops.cast(length, "float32") - kept + 1.0
            drawn = ops.floor(uniforms[:, draw] * places)
            middle = ops.floor((places - 1.0) / 2.0) + ops.zeros_like(drawn)
            return sometimes(ops, uniforms[:, 0], self.probability, drawn, middle)

        extent = self.height, self.width
        ones = ops.ones_like(uniforms[:, 0])
        return window(
            ops,
            size,
            extent,
            (corner(1, size[0], self.height), corner(2, size[1], self.width)),
            (ones * self.height, ones * self.width),
        )
