"""The Gaussian error linear unit as a layer."""

from typing import Any

import keras

from kerastricks.addons.activations.gelu import gelu


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class GELU(keras.layers.Layer):
    """Gaussian error linear unit, `x * Phi(x)`; see `kerastricks.addons.activations.gelu`.

    Args:
        approximate: Whether to take the form with a hyperbolic tangent. Defaults to True, unlike
            `keras.activations.gelu`.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor of any shape.

    Returns:
        A tensor of the same shape.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> round(float(tfa.layers.GELU()(keras.ops.array([1.0]))[0]), 4)
    0.8412

    Reference:
        Hendrycks, Gimpel (2016), Gaussian Error Linear Units (GELUs), section 2.
    """

    def __init__(self, approximate: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approximate = bool(approximate)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the activation of the inputs."""
        return gelu(inputs, self.approximate)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "approximate": self.approximate}
