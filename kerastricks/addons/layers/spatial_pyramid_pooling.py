"""Averages over grids of several sizes: a fixed length for images of any size."""

import math
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from kerastricks.addons.layers._windows import (
    checked_data_format,
    checked_sizes,
    cropped,
    pooled,
)


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class SpatialPyramidPooling2D(keras.layers.Layer):
    """Averages images over grids of several sizes, so that a `Dense` can follow any size.

    For each grid the image is cut at the right and the bottom until the grid divides it. Grids
    follow each other in the outputs, each row by row.

    Args:
        bins: The grids: a list of integers, or of pairs (rows, columns).
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras' setting.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of shape (batch, height, width, channels), or (batch, channels, height,
            width).

    Returns:
        A tensor of shape (batch, cells, channels), or (batch, channels, cells), where `cells` are
        those of all grids.

    Raises:
        ValueError: If an argument is none of the above, or an image is smaller than a grid.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.reshape(keras.ops.arange(4, dtype="float32"), (1, 2, 2, 1))
    >>> y = tfa.layers.SpatialPyramidPooling2D([1, 2])(x)
    >>> [float(value) for value in keras.ops.ravel(y)]
    [1.5, 0.0, 1.0, 2.0, 3.0]

    Reference:
        He, Zhang, Ren, Sun (2014), Spatial Pyramid Pooling in Deep Convolutional Networks for
        Visual Recognition, section 2.2, where cells hold maxima and may overlap.
    """

    def __init__(
        self,
        bins: Iterable[int] | Iterable[Iterable[int]],
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bins = [checked_sizes(grid, 2, "bins") for grid in bins]
        self.data_format = checked_data_format(data_format)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the averages of all cells."""
        axis = 1 if self.data_format == "channels_last" else 2
        sizes = ops.shape(inputs)
        outputs = []
        for grid in self.bins:
            cells = pooled(
                cropped(inputs, grid, self.data_format), grid, self.data_format, ops.mean
            )
            flat = [sizes[0], sizes[-1 if axis == 1 else 1]]
            flat.insert(axis, math.prod(grid))
            outputs.append(ops.reshape(cells, flat))
        return ops.concatenate(outputs, axis=axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape with all cells along one axis."""
        cells = sum(math.prod(grid) for grid in self.bins)
        if self.data_format == "channels_last":
            return (input_shape[0], cells, input_shape[-1])
        return (input_shape[0], input_shape[1], cells)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "bins": self.bins, "data_format": self.data_format}
