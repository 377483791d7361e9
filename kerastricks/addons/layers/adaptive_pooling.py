"""Pooling to a fixed number of windows, however large the input."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from kerastricks.addons.layers._windows import (
    checked_data_format,
    checked_sizes,
    pooled,
    spatial_axes,
)


class _AdaptivePooling(keras.layers.Layer):
    """What the six layers have in common; they say how many axes, and what is made of a window."""

    rank: int
    reduce: Any

    def __init__(
        self, output_size: int | Iterable[int], data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.output_size = checked_sizes(output_size, self.rank, "output_size")
        self.data_format = checked_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns what the windows are reduced to."""
        return pooled(inputs, self.output_size, self.data_format, type(self).reduce)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs with `output_size` along its spatial axes."""
        shape = list(input_shape)
        for axis, size in zip(
            spatial_axes(self.rank, self.data_format), self.output_size, strict=True
        ):
            shape[axis] = size
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "output_size": self.output_size,
            "data_format": self.data_format,
        }


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class AdaptiveAveragePooling1D(_AdaptivePooling):
    """Averages sequences of any length over a fixed number of windows.

    Windows are equally long, so that `output_size` must divide the length. Where it does not,
    take `keras.layers.AdaptiveAveragePooling1D` (Keras 3.14 or later), whose windows overlap.

    Args:
        output_size: The number of windows, an integer or a list of one.
        data_format: `"channels_last"`, inputs of shape (batch, steps, channels), or
            `"channels_first"`, (batch, channels, steps). Defaults to Keras' setting.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of rank 3.

    Returns:
        A tensor of rank 3, with `output_size` steps.

    Raises:
        ValueError: If an argument is none of these, or `output_size` does not divide the length.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.reshape(keras.ops.array([1.0, 3.0, 5.0, 9.0]), (1, 4, 1))
    >>> y = tfa.layers.AdaptiveAveragePooling1D(2)(x)
    >>> [float(value) for value in keras.ops.ravel(y)]
    [2.0, 7.0]
    """

    rank = 1
    reduce = staticmethod(ops.mean)


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class AdaptiveMaxPooling1D(_AdaptivePooling):
    """Takes the maximum of each of a fixed number of windows of sequences of any length.

    Arguments, shapes and errors are those of `AdaptiveAveragePooling1D`.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.reshape(keras.ops.array([1.0, 3.0, 5.0, 9.0]), (1, 4, 1))
    >>> y = tfa.layers.AdaptiveMaxPooling1D(2)(x)
    >>> [float(value) for value in keras.ops.ravel(y)]
    [3.0, 9.0]
    """

    rank = 1
    reduce = staticmethod(ops.max)


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class AdaptiveAveragePooling2D(_AdaptivePooling):
    """Averages images of any size over a fixed number of windows.

    Windows are equally large, so that `output_size` must divide height and width. Where it does
    not, take `keras.layers.AdaptiveAveragePooling2D` (Keras 3.14 or later), whose windows overlap.

    Args:
        output_size: The numbers of windows, (rows, columns), or one integer for both.
        data_format: `"channels_last"`, inputs of shape (batch, height, width, channels), or
            `"channels_first"`, (batch, channels, height, width). Defaults to Keras' setting.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of rank 4.

    Returns:
        A tensor of rank 4, with `output_size` along height and width.

    Raises:
        ValueError: If an argument is none of the above, or `output_size` does not divide the size.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.reshape(keras.ops.arange(8, dtype="float32"), (1, 2, 4, 1))
    >>> y = tfa.layers.AdaptiveAveragePooling2D((1, 2))(x)
    >>> [float(value) for value in keras.ops.ravel(y)]
    [2.5, 4.5]
    """

    rank = 2
    reduce = staticmethod(ops.mean)


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class AdaptiveMaxPooling2D(_AdaptivePooling):
    """Takes the maximum of each of a fixed number of windows of images of any size.

    Arguments, shapes and errors are those of `AdaptiveAveragePooling2D`.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.reshape(keras.ops.arange(8, dtype="float32"), (1, 2, 4, 1))
    >>> y = tfa.layers.AdaptiveMaxPooling2D((1, 2))(x)
    >>> [float(value) for value in keras.ops.ravel(y)]
    [5.0, 7.0]
    """

    rank = 2
    reduce = staticmethod(ops.max)


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class AdaptiveAveragePooling3D(_AdaptivePooling):
    """Averages volumes of any size over a fixed number of windows.

    Windows are equally large, so that `output_size` must divide each size. Where it does not,
    take `keras.layers.AdaptiveAveragePooling3D` (Keras 3.14 or later), whose windows overlap.

    Args:
        output_size: The numbers of windows along three axes, or one integer for all.
        data_format: `"channels_last"`, inputs of shape (batch, depth, height, width, channels), or
            `"channels_first"`, (batch, channels, depth, height, width). Defaults to Keras' setting.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of rank 5.

    Returns:
        A tensor of rank 5, with `output_size` along the spatial axes.

    Raises:
        ValueError: If an argument is none of the above, or `output_size` does not divide the size.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.reshape(keras.ops.arange(8, dtype="float32"), (1, 2, 2, 2, 1))
    >>> y = tfa.layers.AdaptiveAveragePooling3D((2, 1, 1))(x)
    >>> [float(value) for value in keras.ops.ravel(y)]
    [1.5, 5.5]
    """

    rank = 3
    reduce = staticmethod(ops.mean)


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class AdaptiveMaxPooling3D(_AdaptivePooling):
    """Takes the maximum of each of a fixed number of windows of volumes of any size.

    Arguments, shapes and errors are those of `AdaptiveAveragePooling3D`.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.reshape(keras.ops.arange(8, dtype="float32"), (1, 2, 2, 2, 1))
    >>> y = tfa.layers.AdaptiveMaxPooling3D((2, 1, 1))(x)
    >>> [float(value) for value in keras.ops.ravel(y)]
    [3.0, 7.0]
    """

    rank = 3
    reduce = staticmethod(ops.max)
