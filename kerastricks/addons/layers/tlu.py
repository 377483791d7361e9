"""A rectifier that learns its threshold."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class TLU(keras.layers.Layer):
    """Thresholded linear unit: the activation that belongs behind filter response normalization.

        affine=False  f(x) = max(x, tau)
        affine=True   f(x) = max(x, tau + alpha * x)

    Filter response normalization does not subtract the mean, so that a threshold of 0 could leave
    all or nothing; here it is learned. Weights are `tau` and, with `affine`, `alpha` behind it,
    each of a sample's shape, as in TensorFlow Addons. (In the paper they have one value a channel.)

    Args:
        affine: Whether to learn a slope too. Defaults to False.
        tau_initializer: Initializer of the threshold. Defaults to zeros.
        tau_regularizer: Regularizer of the threshold.
        tau_constraint: Constraint of the threshold.
        alpha_initializer: Initializer of the slope. Defaults to zeros.
        alpha_regularizer: Regularizer of the slope.
        alpha_constraint: Constraint of the slope.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor whose sizes are known but for the batch's.

    Returns:
        A tensor of the same shape.

    Raises:
        ValueError: If a size other than the batch's is unknown.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> layer = tfa.layers.TLU(tau_initializer=keras.initializers.Constant(-1.0))
    >>> [float(value) for value in layer(keras.ops.array([[-2.0, -0.5, 3.0]]))[0]]
    [-1.0, -0.5, 3.0]

    Reference:
        Singh, Krishnan (2019), Filter Response Normalization Layer: Eliminating Batch Dependence in
        the Training of Deep Neural Networks, eq. 5 and 6.
    """

    def __init__(
        self,
        affine: bool = False,
        tau_initializer: Any = "zeros",
        tau_regularizer: Any = None,
        tau_constraint: Any = None,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.affine = bool(affine)
        self.tau_initializer = keras.initializers.get(tau_initializer)
        self.tau_regularizer = keras.regularizers.get(tau_regularizer)
        self.tau_constraint = keras.constraints.get(tau_constraint)
        self.alpha_initializer = keras.initializers.get(alpha_initializer)
        self.alpha_regularizer = keras.regularizers.get(alpha_regularizer)
        self.alpha_constraint = keras.constraints.get(alpha_constraint)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes `tau` and, if affine, `alpha`."""
        shape = tuple(input_shape[1:])
        if None in shape:
            raise ValueError(
                "`TLU` has a threshold for each entry of a sample, so that sizes other than the "
                f"batch's must be known. Received: inputs of shape {tuple(input_shape)}."
            )
        self.tau = self.add_weight(
            shape=shape,
            name="tau",
            initializer=self.tau_initializer,
            regularizer=self.tau_regularizer,
            constraint=self.tau_constraint,
        )
        if self.affine:
            self.alpha = self.add_weight(
                shape=shape,
                name="alpha",
                initializer=self.alpha_initializer,
                regularizer=self.alpha_regularizer,
                constraint=self.alpha_constraint,
            )
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape), axes={i + 1: size for i, size in enumerate(shape)}
        )

    def call(self, inputs: Any) -> Any:
        """Returns the activation of the inputs."""
        threshold = self.tau + self.alpha * inputs if self.affine else self.tau
        return ops.maximum(inputs, threshold)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        config = {**super().get_config(), "affine": self.affine}
        for name in ("tau", "alpha") if self.affine else ("tau",):
            of = vars(self)
            config |= {
                f"{name}_initializer": keras.initializers.serialize(of[f"{name}_initializer"]),
                f"{name}_regularizer": keras.regularizers.serialize(of[f"{name}_regularizer"]),
                f"{name}_constraint": keras.constraints.serialize(of[f"{name}_constraint"]),
            }
        return config
