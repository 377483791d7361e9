"""Normalization that needs no other sample and no other channel."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class FilterResponseNormalization(keras.layers.Layer):
    """Divides each channel of each sample by its root mean square; use `TLU` behind it.

    Use it in convolutional networks that train in small batches. It does not subtract the mean.

        nu^2 = mean of inputs^2 over height and width
        outputs = gamma * inputs / sqrt(nu^2 + |epsilon| + |learned_epsilon|) + beta

    Weights are, in this order, `learned_epsilon` (shape (1,), if there is one, started from 1e-4),
    `gamma` and `beta` (shape (1, 1, 1, channels)). In half precision the sums are in float32.

    Args:
        epsilon: A small number that is added to the mean square. Defaults to 1e-6.
        axis: Axes of height and width; only [1, 2] is possible.
        beta_initializer: Initializer of `beta`. Defaults to zeros.
        gamma_initializer: Initializer of `gamma`. Defaults to ones.
        beta_regularizer: Regularizer of `beta`.
        gamma_regularizer: Regularizer of `gamma`.
        beta_constraint: Constraint of `beta`.
        gamma_constraint: Constraint of `gamma`.
        learned_epsilon: Whether to learn a part of epsilon. Defaults to False. The paper advises it
            where maps get as small as 1 x 1.
        learned_epsilon_constraint: Constraint of that part.
        name: The layer's name.
        **kwargs: Further arguments of every Keras layer, such as `dtype`.

    Call arguments:
        inputs: A tensor of shape (batch, height, width, channels).

    Returns:
        A tensor of the same shape.

    Raises:
        TypeError: If `axis` is no list.
        ValueError: If `axis` is another one, or inputs are not of rank 4.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.reshape(keras.ops.array([3.0, -3.0, 3.0, 3.0]), (1, 2, 2, 1))
    >>> y = tfa.layers.FilterResponseNormalization()(x)
    >>> [round(float(value), 4) for value in keras.ops.ravel(y)]
    [1.0, -1.0, 1.0, 1.0]

    Reference:
        Singh, Krishnan (2019), Filter Response Normalization Layer: Eliminating Batch Dependence in
        the Training of Deep Neural Networks, eq. 1 to 4.

    Differs from TensorFlow Addons in: height and width need not be known when a model is built; it
    works in mixed precision.
    """

    def __init__(
        self,
        epsilon: float = 1e-6,
        axis: Sequence[int] = (1, 2),
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        learned_epsilon: bool = False,
        learned_epsilon_constraint: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not isinstance(axis, (list, tuple)):
            raise TypeError(f"Argument `axis` must be the list [1, 2]. Received: axis={axis!r}.")
        if list(axis) != [1, 2]:
            raise ValueError(
                "Argument `axis` must be [1, 2], height and width: each channel is normalized on "
                f"its own. Received: axis={axis!r}."
            )
        self.axis = [1, 2]
        self.epsilon = epsilon
        self.beta_initializer = keras.initializers.get(beta_initializer)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.beta_regularizer = keras.regularizers.get(beta_regularizer)
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)
        self.beta_constraint = keras.constraints.get(beta_constraint)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        self.learned_epsilon_constraint = keras.constraints.get(learned_epsilon_constraint)
        self.use_eps_learned = learned_epsilon
        if learned_epsilon:
            # Before the others: this is the order of the weights in files.
            self.eps_learned = self.add_weight(
                shape=(1,),
                name="learned_epsilon",
                initializer=keras.initializers.Constant(1e-4),
                constraint=self.learned_epsilon_constraint,
                autocast=False,
            )
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes `gamma` and `beta`."""
        if len(input_shape) != 4:
            raise ValueError(
                "`FilterResponseNormalization` takes inputs of rank 4: (batch, height, width, "
                f"channels). Received: inputs of shape {tuple(input_shape)}."
            )
        shape = (1, 1, 1, input_shape[-1])
        self.gamma = self.add_weight(
            shape=shape,
            name="gamma",
            initializer=self.gamma_initializer,
            regularizer=self.gamma_regularizer,
            constraint=self.gamma_constraint,
            autocast=False,
        )
        self.beta = self.add_weight(
            shape=shape,
            name="beta",
            initializer=self.beta_initializer,
            regularizer=self.beta_regularizer,
            constraint=self.beta_constraint,
            autocast=False,
        )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})

    def call(self, inputs: Any) -> Any:
        """Returns the normalized inputs."""
        x = ops.cast(inputs, self.gamma.dtype)
        epsilon = abs(self.epsilon)
        if self.use_eps_learned:
            epsilon = epsilon + ops.abs(self.eps_learned)
        nu2 = ops.mean(ops.square(x), axis=(1, 2), keepdims=True)
        return ops.cast(self.gamma * (x * ops.rsqrt(nu2 + epsilon)) + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "learned_epsilon": self.use_eps_learned,
            "beta_initializer": keras.initializers.serialize(self.beta_initializer),
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "beta_regularizer": keras.regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": keras.regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": keras.constraints.serialize(self.beta_constraint),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
            "learned_epsilon_constraint": keras.constraints.serialize(
                self.learned_epsilon_constraint
            ),
        }
