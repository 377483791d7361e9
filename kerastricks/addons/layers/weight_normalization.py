"""Separates the length of a layer's weights from their direction."""

import warnings
from typing import Any

import keras
from keras import ops

from kerastricks.addons.layers._data_init import answers_of, first_scales
from kerastricks.addons.layers._substitution import call_with
from kerastricks.addons.layers._wrapped import checked_variable, own_arguments, restored_layer

NOT_ON_JAX = (
    "WeightNormalization(data_init=True), layer {!r}: with the JAX backend a compiled step cannot "
    "set first values from its batch, and training starts from the g that there is, |v| in a new "
    "layer. Call the model once on a batch before `fit`, or use data_init=False."
)


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class WeightNormalization(keras.layers.Wrapper):
    """Trains the length of each unit's weights apart from their direction.

    Use it where batch normalization does harm: in recurrent and generative networks, and in
    reinforcement learning. With v the wrapped layer's kernel (of a recurrent layer, the recurrent
    kernel), lengths taken over all axes but the last, and a length g for each unit, the layer is
    called with

        kernel = g * v / |v|

    At the first call g, and with `data_init` the bias, get their first values:

        data_init=False  g = |v|, with which nothing changes
        data_init=True   g = 1 / std(t), bias = -mean(t) / std(t),  t = inputs applied to v / |v|,
                         with which each unit's answers to this batch have mean 0 and variance 1

    The paper advises against `data_init` for recurrent layers; there g = 1 / std(outputs).

    Weights are, in this order: g, v, the rest of the wrapped layer, and what does not train,
    `initialized`, and with `data_init` a copy of the wrapped layer. The copy gives the answers
    without the activation; it is there so that files fit.

    Args:
        layer: A layer with a `kernel`, such as a `Dense`, a convolution, or a recurrent layer.
        data_init: Whether the first batch sets g and the bias. Defaults to True.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: What the wrapped layer takes.

    Returns:
        What the wrapped layer returns.

    Raises:
        ValueError: If the layer has no kernel, or the last axis of its kernel, in `data_init`, is
            not that of its units.

    Example:
    >>> import keras, numpy as np, kerastricks.addons as tfa
    >>> layer = tfa.layers.WeightNormalization(keras.layers.Dense(2))
    >>> y = keras.ops.convert_to_numpy(layer(np.random.default_rng(0).normal(size=(64, 5))))
    >>> bool(np.allclose(y.mean(axis=0), 0, atol=1e-5) and np.allclose(y.std(axis=0), 1, atol=1e-4))
    True

    Reference:
        Salimans, Kingma (2016), Weight Normalization: A Simple Reparameterization to Accelerate
        Training of Deep Neural Networks, eq. 2, 5 and 6.

    Differs from TensorFlow Addons in: `data_init` uses v / |v|, as the paper does, while that one
    uses v, so that answers get the variance 1 / |v|^2 and another mean; convolutions may have their
    channels first. With the JAX backend a compiled step returns no value for a weight that
    trains but the optimizer's, so that the first batch of `fit` cannot set g: call the model on a
    batch before. Without that call a warning says so, and training starts from g = |v|.
    """

    def __init__(self, layer: Any, data_init: bool = True, **kwargs: Any) -> None:
        super().__init__(layer, **own_arguments(kwargs))
        self.data_init = bool(data_init)
        self.is_rnn = isinstance(layer, keras.layers.RNN)
        self.known_as_initialized = False
        self.supports_masking = layer.supports_masking

    def build(self, input_shape: Any = None) -> None:
        """Builds the wrapped layer, and makes g, the flag and the copy."""
        super().build(input_shape)
        owner = self.layer.cell if self.is_rnn else self.layer
        names = ("recurrent_kernel",) if self.is_rnn else ("kernel",)
        kernel = checked_variable(owner, names, type(self).__name__)
        self.layer_depth = kernel.shape[-1]
        self.kernel_norm_axes = tuple(range(len(kernel.shape) - 1))
        self.g = self.add_weight(
            shape=(self.layer_depth,),
            # An initializer, because a model may be built where nothing has a value yet.
            initializer=lambda shape, dtype=None: ops.cast(self._length(kernel), dtype),
            name="g",
            dtype=kernel.dtype,
            autocast=False,
        )
        self.v = kernel
        self._initialized = self.add_weight(
            shape=(), initializer="zeros", name="initialized", dtype="bool", trainable=False
        )
        if self.data_init:
            config = {**self.layer.get_config(), "trainable": False}
            self._naked_clone_layer = type(self.layer).from_config(config)
            self._naked_clone_layer.build(input_shape)
            if not self.is_rnn:
                self._naked_clone_layer.activation = None
        owner.load_own_variables = _Loading(owner, kernel)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Calls the wrapped layer with the kernel g * v / |v|."""
        g = self._initialized_length(inputs, training)
        v = ops.cast(self.v.value, self.v.dtype)
        kernel = v / _not_zero(self._length(v)) * g
        return call_with(self.layer, [(self.v, kernel)], inputs, self.add_loss)

    def remove(self) -> Any:
        """Writes g * v / |v| into the wrapped layer, and returns that layer."""
        v = ops.convert_to_tensor(self.v)
        self.v.assign(v / _not_zero(self._length(v)) * ops.convert_to_tensor(self.g))
        return self.layer

    def load_own_variables(self, store: Any) -> None:
        """Reads g, v and the flag."""
        super().load_own_variables(store)
        self.finalize_state()

    def finalize_state(self) -> None:
        """Takes note of the flag; Keras calls it when weights have been read from an .h5 file."""
        self.known_as_initialized = _known(self._initialized.value) is True
        if not self.known_as_initialized and not self.data_init:
            self.g.assign(self._length(self.v))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the wrapped layer's outputs."""
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        """Returns shape and type of the wrapped layer's outputs."""
        return self.layer.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "data_init": self.data_init}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes the layer from its config, this one's or TensorFlow Addons'."""
        config = dict(config)
        return cls(restored_layer(config.pop("layer"), custom_objects), **config)

    def _length(self, v: Any) -> Any:
        """|v| for each unit."""
        v = ops.convert_to_tensor(v)
        return ops.sqrt(ops.sum(ops.square(v), axis=tuple(range(len(v.shape) - 1))))

    def _initialized_length(self, inputs: Any, training: bool) -> Any:
        """Returns g; before that, gives it and the bias their first values if they have none."""
        done = _known(self._initialized.value)
        if done:
            self.known_as_initialized = True
            return self.g.value
        if keras.backend.backend() == "jax" and _known(self.g.value[0] == 0) is None:
            # A value that is assigned to a weight that trains would be forgotten after this step.
            if training:
                if self.data_init and not self.known_as_initialized:
                    warnings.warn(NOT_ON_JAX.format(self.name), stacklevel=2)
                self.known_as_initialized = True
                self._initialized.assign(ops.ones((), dtype="bool"))
            return self.g.value
        bias = getattr(self.layer, "bias", None) if self.data_init else None
        state = [self.g.value] if bias is None else [self.g.value, bias.value]
        if done is None:
            first = ops.cond(
                self._initialized.value, lambda: state, lambda: self._first(inputs, bias)
            )
        else:
            first = self._first(inputs, bias)
        first = [ops.stop_gradient(value) for value in first]
        g = self.g.value
        for variable, value in zip((self.g, bias), first, strict=False):
            variable.assign(value)
        self._initialized.assign(ops.ones((), dtype="bool"))
        self.known_as_initialized = done is not None
        # So that the gradient reaches the variable, wherever it is read.
        return g + ops.stop_gradient(first[0] - g)

    def _first(self, inputs: Any, bias: Any) -> list[Any]:
        """The first values of g and, if there is one to set, the bias."""
        v = ops.cast(self.v.value, self.v.dtype)
        if not self.data_init:
            return [self._length(v)]
        direction = v if self.is_rnn else v / _not_zero(self._length(v))
        answers = answers_of(self._naked_clone_layer, self.layer, self.v, direction, inputs)
        scale, shift = first_scales(answers, self.layer, self.layer_depth, self.is_rnn)
        return [scale] if bias is None else [scale, ops.cast(shift, bias.dtype)]


class _Loading:
    """Reads the variables of the layer that has the kernel, which files may have without it.

    TensorFlow Addons puts a tensor in the kernel's place, so that Keras 2 saves the kernel with the
    wrapper alone. The wrapper's variables are read first.
    """

    def __init__(self, owner: Any, kernel: Any) -> None:
        self.read = owner.load_own_variables
        self.others = [variable for variable in owner.weights if variable is not kernel]

    def __call__(self, store: Any) -> None:
        if len(store.keys()) == len(self.others) + 1:
            self.read(store)
            return
        for number, variable in enumerate(self.others):
            variable.assign(store[str(number)])


def _known(condition: Any) -> bool | None:
    """The truth value, or None in a step that is being compiled."""
    try:
        return bool(condition)
    except TypeError:
        return None


def _not_zero(length: Any) -> Any:
    return ops.where(length == 0, ops.ones_like(length), length)
