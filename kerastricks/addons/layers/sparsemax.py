"""The sparse softmax as a layer."""

from typing import Any

import keras

from kerastricks.addons.activations.sparsemax import sparsemax


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class Sparsemax(keras.layers.Layer):
    """Projects onto the probability simplex; see `kerastricks.addons.activations.sparsemax`.

    Args:
        axis: The axis along which outputs sum to 1. Defaults to the last.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor, the logits.

    Returns:
        A tensor of the same shape.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> y = tfa.layers.Sparsemax()(keras.ops.array([[-1.0, 0.5, 1.0]]))
    >>> [round(float(value), 4) for value in y[0]]
    [0.0, 0.25, 0.75]

    Reference:
        Martins, Astudillo (2016), From Softmax to Sparsemax: A Sparse Model of Attention and
        Multi-Label Classification, algorithm 1.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the probabilities."""
        return sparsemax(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "axis": self.axis}
