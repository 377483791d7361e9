"""Keeps a layer's spectral norm at 1."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.layers._substitution import call_with
from kerastricks.addons.layers._wrapped import checked_variable, own_arguments, restored_layer


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class SpectralNormalization(keras.layers.Wrapper):
    """Divides a layer's kernel by its greatest singular value in each step of training.

    Use it in the discriminators of adversarial networks, which it keeps from changing faster than
    their inputs. The kernel W counts as a matrix with as many columns as it has outputs. The
    singular value is estimated by power iteration from a vector u that is kept between steps:

        v = u W' / |u W'|,  u = v W / |v W|   power_iterations times
        sigma = v W u'
        W <- W / sigma                        in training, before the layer is called

    Gradients are those of the divided kernel, as if sigma were no function of W. In inference the
    kernel is taken as it is.

    Weights are the wrapped layer's kernel, the rest of that layer, and u, `sn_u` of shape
    (1, outputs), which does not train.

    Args:
        layer: A layer with a `kernel` or with `embeddings`.
        power_iterations: Rounds of power iteration in a step, a positive integer. Defaults to 1.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: What the wrapped layer takes.
        training: Whether to normalize.

    Returns:
        What the wrapped layer returns.

    Raises:
        ValueError: If `power_iterations` is no positive integer, or the layer has neither `kernel`
            nor `embeddings`.

    Example:
    >>> import keras, numpy as np, kerastricks.addons as tfa
    >>> layer = tfa.layers.SpectralNormalization(keras.layers.Dense(3), power_iterations=50)
    >>> y = layer(keras.ops.ones((2, 4)), training=True)
    >>> kernel = keras.ops.convert_to_numpy(layer.w)
    >>> round(float(np.linalg.norm(kernel, ord=2)), 3)
    1.0

    Reference:
        Miyato, Kataoka, Koyama, Yoshida (2018), Spectral Normalization for Generative Adversarial
        Networks, section 2.1 and algorithm 1.

    Differs from TensorFlow Addons in: a kernel of zeros stays as it is, and does not become NaN.
    With the JAX backend a step returns no kernel but the optimizer's. There the optimizer divides
    it after each update, by a constraint (20 rounds of power iteration from the longest row), so
    that the kernel that inference sees has the norm 1, while elsewhere the last update is still in
    it; gradients and the kernels that training sees are the same.
    `keras.layers.SpectralNormalization` (3.15.1) is not used: with JAX its kernel is not normalized
    in inference, and it returns the embeddings of integers as integers.
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **own_arguments(kwargs))
        if not isinstance(power_iterations, int) or power_iterations < 1:
            raise ValueError(
                "Argument `power_iterations` must be a positive integer. Received: "
                f"power_iterations={power_iterations!r}."
            )
        self.power_iterations = power_iterations
        self.supports_masking = layer.supports_masking

    def build(self, input_shape: Any = None) -> None:
        """Builds the wrapped layer, and makes u."""
        super().build(input_shape)
        self.w = checked_variable(self.layer, ("kernel", "embeddings"), type(self).__name__)
        self.u = self.add_weight(
            shape=(1, self.w.shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="sn_u",
            dtype=self.w.dtype,
            trainable=False,
            autocast=False,
        )
        if keras.backend.backend() == "jax":
            self.w.constraint = _UnitSpectralNorm(self.w.constraint)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Calls the wrapped layer, in training with its kernel divided by sigma."""
        if not training:
            return self.layer(inputs)
        w = ops.cast(self.w.value, self.w.dtype)
        kernel, u = self._normalized(w)
        # So that the gradient is the divided kernel's, and reaches the variable; assigned with it,
        # because with JAX a second call in the same step goes on from what is assigned here.
        kernel = w + ops.stop_gradient(kernel - w)
        self.u.assign(u)
        self.w.assign(kernel)
        return call_with(self.layer, [(self.w, kernel)], inputs, self.add_loss)

    def normalize_weights(self) -> None:
        """Divides the kernel by the estimate of its greatest singular value."""
        kernel, u = self._normalized(ops.cast(self.w.value, self.w.dtype))
        self.u.assign(u)
        self.w.assign(kernel)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the wrapped layer's outputs."""
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        """Returns shape and type of the wrapped layer's outputs."""
        return self.layer.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "power_iterations": self.power_iterations}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes the layer from its config, this one's or TensorFlow Addons'."""
        config = dict(config)
        return cls(restored_layer(config.pop("layer"), custom_objects), **config)

    def _normalized(self, kernel: Any) -> tuple[Any, Any]:
        """The kernel over sigma, and the next u; no gradient goes through either."""
        kernel = ops.stop_gradient(kernel)
        sigma, u = spectral_norm(kernel, self.u.value, self.power_iterations)
        return kernel / ops.where(sigma == 0, ops.ones_like(sigma), sigma), u


def spectral_norm(kernel: Any, u: Any, iterations: int) -> tuple[Any, Any]:
    """The greatest singular value of a kernel as a matrix, estimated from u, and the next u."""
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
    for _ in range(iterations):
        v = _unit(ops.matmul(u, ops.transpose(matrix)))
        u = _unit(ops.matmul(v, matrix))
    return ops.sum(ops.matmul(v, matrix) * u), u


def _unit(vector: Any) -> Any:
    return vector * ops.rsqrt(ops.maximum(ops.sum(ops.square(vector)), 1e-12))


class _UnitSpectralNorm(keras.constraints.Constraint):
    """Divides a kernel by its greatest singular value, after a constraint of the user's own."""

    def __init__(self, constraint: Any = None) -> None:
        self.constraint = constraint

    def __call__(self, w: Any) -> Any:
        if self.constraint is not None:
            w = self.constraint(w)
        w = ops.convert_to_tensor(w)
        # From the row that is longest: no other step's vector is at hand where constraints run.
        matrix = ops.reshape(w, (-1, w.shape[-1]))
        longest = ops.argmax(ops.sum(ops.square(matrix), axis=1))
        u = ops.expand_dims(ops.take(matrix, longest, axis=0), 0)
        sigma, _ = spectral_norm(w, _unit(u), iterations=20)
        return w / ops.where(sigma == 0, ops.ones_like(sigma), sigma)
