"""A periodic activation that learns its frequency."""

from typing import Any

import keras

from kerastricks.addons.activations.snake import snake


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class Snake(keras.layers.Layer):
    """The identity with ripples of a learned frequency, one for the whole layer.

        f(x) = x + (1 - cos(2 * frequency * x)) / (2 * frequency)

    Its one weight is the scalar `frequency`, which must not be started from 0.

    Args:
        frequency_initializer: Initializer of the frequency. Defaults to ones.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor of any shape.

    Returns:
        A tensor of the same shape.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> [round(float(value), 4) for value in tfa.layers.Snake()(keras.ops.array([-1.0, 0.0, 1.0]))]
    [-0.2919, 0.0, 1.7081]

    Reference:
        Liu, Hartwig, Ueda (2020), Neural Networks Fail to Learn Periodic Functions and How to Fix
        It, eq. 3.
    """

    def __init__(self, frequency_initializer: Any = "ones", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frequency_initializer = keras.initializers.get(frequency_initializer)
        self.frequency = self.add_weight(
            shape=(), name="frequency", initializer=self.frequency_initializer
        )
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the activation of the inputs."""
        return snake(inputs, self.frequency)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "frequency_initializer": keras.initializers.serialize(self.frequency_initializer),
        }
