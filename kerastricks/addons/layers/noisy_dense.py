"""A dense layer with noise in its weights, for exploration."""

import random
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class NoisyDense(keras.layers.Layer):
    """Dense layer whose weights carry noise of a learned strength.

    Use it in reinforcement learning in place of random actions. The noise stays the same, in
    training and inference, until `reset_noise()` draws anew; call it once a step or an episode, not
    within a compiled step. `remove_noise()` sets it to 0.

        outputs = activation(inputs @ (mu_kernel + sigma_kernel * eps_kernel)
                             + mu_bias + sigma_bias * eps_bias)

        use_factorised=True   eps_kernel[i, j] = f(p[i]) * f(q[j]), eps_bias[j] = f(q[j]),
                              f(z) = sign(z) * sqrt(|z|),  p, q ~ normal(0, 1)
        use_factorised=False  each entry ~ normal(0, 1)

    Weights are, in this order, `sigma_kernel`, `mu_kernel`, `sigma_bias`, `mu_bias`, and what does
    not train, `eps_kernel`, `eps_bias`. With n inputs they start as

        use_factorised=True   mu ~ uniform(-1 / sqrt(n), 1 / sqrt(n)),    sigma / sqrt(n)
        use_factorised=False  mu ~ uniform(-sqrt(3 / n), sqrt(3 / n)),    0.017

    Args:
        units: The number of outputs.
        sigma: The noise's strength at the beginning, in units of 1 / sqrt(n), if factorised.
            Defaults to 0.5.
        use_factorised: Whether an input has the same draw for all outputs. Defaults to True.
        activation: Activation function, or its name. Defaults to none.
        use_bias: Whether there is a bias. Defaults to True.
        kernel_regularizer: Regularizer of `sigma_kernel` and `mu_kernel`.
        bias_regularizer: Regularizer of `sigma_bias` and `mu_bias`.
        activity_regularizer: Regularizer of the outputs.
        kernel_constraint: Constraint of `sigma_kernel` and `mu_kernel`.
        bias_constraint: Constraint of `sigma_bias` and `mu_bias`.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of rank 2 or more, whose last size is known.

    Returns:
        A tensor with `units` as its last size.

    Raises:
        ValueError: If `units` is no positive integer, or the inputs' last size is unknown.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> layer = tfa.layers.NoisyDense(3)
    >>> noisy = layer(keras.ops.ones((2, 4)))
    >>> layer.remove_noise()
    >>> float(keras.ops.max(keras.ops.abs(layer.kernel - layer.mu_kernel)))
    0.0

    Reference:
        Fortunato et al. (2018), Noisy Networks for Exploration, eq. 9 to 11 and section 3.2.

    Differs from TensorFlow Addons in: it works without a bias; it is no subclass of `Dense`.
    """

    def __init__(
        self,
        units: int,
        sigma: float = 0.5,
        use_factorised: bool = True,
        activation: Any = None,
        use_bias: bool = True,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"Argument `units` must be a positive integer. Received: {units!r}.")
        self.units = units
        self.sigma = sigma
        self.use_factorised = bool(use_factorised)
        self.activation = keras.activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.seed_generator = keras.random.SeedGenerator()
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes the weights, and draws the first noise."""
        inputs = input_shape[-1]
        if inputs is None:
            raise ValueError(
                "`NoisyDense` must know the last size of its inputs. Received: inputs of shape "
                f"{tuple(input_shape)}."
            )
        self.last_dim = inputs
        if self.use_factorised:
            width, strength = inputs**-0.5, self.sigma * inputs**-0.5
        else:
            width, strength = (3 / inputs) ** 0.5, 0.017
        self._add("kernel", (inputs, self.units), width, strength)
        if self.use_bias:
            self._add("bias", (self.units,), width, strength)
        # The same pair of seeds for both: factorised, they share the draws of the outputs.
        seeds = (random.getrandbits(31), random.getrandbits(31))
        self.eps_kernel = self._add_noise("eps_kernel", (inputs, self.units), seeds)
        self.eps_bias: Any = None
        if self.use_bias:
            self.eps_bias = self._add_noise("eps_bias", (self.units,), seeds)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: inputs})

    @property
    def kernel(self) -> Any:
        """The kernel with its noise."""
        return self.mu_kernel + self.sigma_kernel * self.eps_kernel

    @property
    def bias(self) -> Any:
        """The bias with its noise, or None."""
        return self.mu_bias + self.sigma_bias * self.eps_bias if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """Returns the outputs with the present noise."""
        outputs = ops.matmul(inputs, self.kernel)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def reset_noise(self) -> None:
        """Draws new noise."""
        kernel, bias = self._noise((self.seed_generator, self.seed_generator))
        self.eps_kernel.assign(kernel)
        if self.use_bias:
            self.eps_bias.assign(bias)

    def remove_noise(self) -> None:
        """Sets the noise to 0."""
        for noise in (self.eps_kernel, self.eps_bias):
            if noise is not None:
                noise.assign(ops.zeros(noise.shape, dtype=noise.dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs with `units` in the end."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "sigma": self.sigma,
            "use_factorised": self.use_factorised,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }

    def _add(self, name: str, shape: tuple[int, ...], width: float, strength: float) -> None:
        uniform = keras.initializers.RandomUniform(-width, width)
        for part, initializer in (
            ("sigma", keras.initializers.Constant(strength)),
            ("mu", uniform),
        ):
            weight = self.add_weight(
                shape=shape,
                name=f"{part}_{name}",
                initializer=initializer,
                regularizer=vars(self)[f"{name}_regularizer"],
                constraint=vars(self)[f"{name}_constraint"],
            )
            setattr(self, f"{part}_{name}", weight)

    def _add_noise(self, name: str, shape: tuple[int, ...], seeds: tuple[int, int]) -> Any:
        # As an initializer, because a model may be built where nothing can be assigned yet.
        def first(shape: Any, dtype: Any = None) -> Any:
            return ops.cast(self._noise(seeds)[len(shape) == 1], dtype)

        return self.add_weight(shape=shape, name=name, initializer=first, trainable=False)

    def _noise(self, seeds: tuple[Any, Any]) -> tuple[Any, Any]:
        """Draws noise for kernel and bias, given who draws for inputs and for outputs."""

        def normal(seed: Any, *shape: int) -> Any:
            return keras.random.normal(shape, dtype="float32", seed=seed)

        if not self.use_factorised:
            return normal(seeds[0], self.last_dim, self.units), normal(seeds[1], self.units)
        of_inputs = _scaled(normal(seeds[0], self.last_dim, 1))
        of_outputs = _scaled(normal(seeds[1], 1, self.units))
        return of_inputs * of_outputs, of_outputs[0]


def _scaled(z: Any) -> Any:
    return ops.sign(z) * ops.sqrt(ops.abs(z))
