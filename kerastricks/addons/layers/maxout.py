"""The maximum of several linear units."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class Maxout(keras.layers.Layer):
    """Keeps of each set of features the greatest: an activation that learns its form.

    Use it behind a `Dense` or a convolution with `k` times as many features as shall remain.

        outputs[..., j] = max over i of inputs[..., i * num_units + j],   i = 0 ... k - 1

    so that a set is every `num_units`-th feature, not `k` neighbors.

    Args:
        num_units: The number of features that remain; it divides their number along `axis`.
        axis: The axis of the features. Defaults to the last.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor whose size along `axis` is known.

    Returns:
        A tensor with `num_units` features along `axis`.

    Raises:
        ValueError: If `num_units` is no positive integer, or no divisor of the number of features.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> y = tfa.layers.Maxout(2)(keras.ops.array([[1.0, 8.0, 3.0, 4.0]]))
    >>> [float(value) for value in y[0]]
    [3.0, 8.0]

    Reference:
        Goodfellow, Warde-Farley, Mirza, Courville, Bengio (2013), Maxout Networks, section 3.
    """

    def __init__(self, num_units: int, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(num_units, int) or num_units < 1:
            raise ValueError(
                "Argument `num_units` must be a positive integer: the number of features that "
                f"remain. Received: num_units={num_units!r}."
            )
        self.num_units = num_units
        self.axis = axis
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the maxima."""
        sets = self._sets(inputs.shape)
        axis = self.axis % len(inputs.shape)
        sizes = ops.shape(inputs)
        grouped = (*sizes[:axis], sets, self.num_units, *sizes[axis + 1 :])
        return ops.max(ops.reshape(inputs, grouped), axis=axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs with `num_units` features."""
        self._sets(input_shape)
        shape = list(input_shape)
        shape[self.axis] = self.num_units
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "num_units": self.num_units, "axis": self.axis}

    def _sets(self, shape: Any) -> int:
        """The number of features from which one remains."""
        rank = len(shape)
        size = shape[self.axis] if -rank <= self.axis < rank else None
        if size is None or size % self.num_units:
            raise ValueError(
                f"The inputs' size along the axis {self.axis} must be known, and a multiple of "
                f"`num_units`={self.num_units}. Received: inputs of shape {tuple(shape)}."
            )
        return int(size) // self.num_units
