"""Initialization for any activation, by the integral of what it does to normal inputs."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastricks.initializers._fan_scaled import FanScaledInitializer
from kerastricks.initializers._random import Distribution
from kerastricks.theory.gain import gain


@keras.saving.register_keras_serializable(package="kerastricks")
class ForActivation(FanScaledInitializer):
    """Variance scaling behind any activation: He initialization with the gain worked out for you.

    Use it for layers whose inputs come out of an activation that has no initializer of its own:
    tanh, GELU, SiLU, Mish, or a function you wrote. Do not use it behind normalization layers,
    whose outputs have second moment 1 already (use `LeCun`), nor for the first layer, whose inputs
    come out of no activation at all (`ForActivation("linear")` is `LeCun()`).

        stddev = gain / sqrt(fan_in),     gain = 1 / sqrt(E[activation(z)^2]),  z ~ N(0, 1)

    The gain is integrated once, when the initializer is made, and kept as `gain`. For rectifiers
    it is that of `He`.

    One instance gives every weight a new draw; a clone, `from_config(get_config())`, starts over.
    Fans follow `kerastricks.theory.compute_fans`; grouped convolutions need no argument, as their
    kernels already hold n_in / groups.

    Conventions: the gain keeps the second moment, which weights of zero mean pass on, not the
    variance; see `kerastricks.theory.gain`. PyTorch's `calculate_gain("tanh")` is 5/3 by
    convention, where this integral is 1.5925. Names mean what they mean to Keras: `"leaky_relu"`
    has the slope 0.2 of `keras.activations.leaky_relu`, and `keras.layers.LeakyReLU()` 0.3.

    Args:
        activation: The activation in front of the layer: a name that Keras knows, a function of
            `keras.activations`, a Keras layer, or any callable that takes the backend's tensors;
            it must act on each element alone. A layer is taken as it is before training, at
            inference, and left untouched: one with weights is rebuilt from its config, and in place
            of half precision float32 is used. The initializer can be saved where the activation
            can: register your own functions with `keras.saving.register_keras_serializable`.
        distribution: `"normal"`, `"uniform"` (within sqrt(3) * stddev) or `"truncated_normal"`
            (cut at 2 sigma and widened, so that the stated stddev holds after the cut).
            Defaults to `"normal"`.
        seed: Integer that makes the draws reproducible. Defaults to a random one. Warning:
            `keras.models.clone_model` gives every layer its own copy of a shared instance, and
            copies of a seeded one all start at the same draw, so that layers of equal shape come
            out identical. In models to be cloned, give each layer an instance with its own seed.
        kernel: What the axes of the weight stand for: `"convolution"` (for `Dense` too),
            `"depthwise"`, `"transposed"`, or the equation of an `EinsumDense` layer. Defaults to
            `"convolution"`.

    Call arguments:
        shape: Shape of the weight; `(*receptive_field, n_in, n_out)` for a convolution.
        dtype: A floating-point type. Defaults to `keras.config.floatx()`. Half-precision values
            are drawn in float32 and cast.

    Returns:
        A tensor of that shape and type.

    Raises:
        TypeError: If `activation` is neither a name nor callable, `seed` not an integer, or
            `kernel` not a string.
        ValueError: If `activation` is an unknown name, mixes elements as softmax does, is not
            finite or has no gain, or is a layer with weights that cannot be rebuilt; if
            `distribution` or `kernel` is none of the above, `shape` not that of such a kernel, a
            size in it not positive, or `dtype` not a floating-point type.

    Example:
    >>> import keras, kerastricks as kt
    >>> round(kt.initializers.ForActivation("tanh").gain, 4)
    1.5925
    >>> start = kt.initializers.ForActivation(lambda x: keras.ops.relu(x) ** 2, seed=0)
    >>> round(start.gain ** -2, 4)  # E[relu(z)^4] = 3 / 2
    1.5
    >>> round(float(keras.ops.std(start((400, 300)))), 2)  # sqrt(1 / 1.5) / 20
    0.04

    Reference:
        He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, eq. 7 to 10, with the integral in
        the place of 1/2.
    """

    def __init__(
        self,
        activation: Any,
        distribution: Distribution = "normal",
        seed: int | None = None,
        *,
        kernel: str = "convolution",
    ) -> None:
        super().__init__(distribution, seed, kernel)
        self.activation = _resolved(activation)
        # Graphs, traces and scopes of all backends belong to a thread: in a new one numbers come
        # out at once, even where the initializer is made while a layer is traced.
        with ThreadPoolExecutor(max_workers=1) as eager:
            self.gain = eager.submit(gain, _OnArrays(self.activation)).result()

    def _stddev(self, fan_in: int, fan_out: int) -> float:
        return self.gain / math.sqrt(fan_in)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer, at its first draw."""
        if isinstance(self.activation, keras.Layer):
            activation = keras.saving.serialize_keras_object(self.activation)
        else:
            activation = keras.activations.serialize(self.activation)
        return {"activation": activation, **super().get_config()}


def _resolved(activation: Any) -> Callable[[Any], Any]:
    """The callable that a name, a config or a callable stands for."""
    if not (isinstance(activation, str | dict) or callable(activation)):
        raise TypeError(
            "Argument `activation` must be the name of an activation, a layer or a callable. "
            f"Received: activation={activation!r} (of type {type(activation).__name__}). For "
            'layers without an activation in front, use "linear".'
        )
    try:
        return keras.activations.get(activation)  # type: ignore[no-any-return]
    except ValueError as error:
        if not isinstance(activation, str):
            raise
        raise ValueError(
            "Argument `activation` must be the name of a function in `keras.activations`. "
            f"Received: activation={activation!r}. Pass other functions themselves."
        ) from error


class _OnArrays:
    """An activation as a function of numpy arrays, in the best precision that there is.

    Args:
        activation: A callable that takes and returns the backend's tensors.
    """

    def __init__(self, activation: Callable[[Any], Any]) -> None:
        self._activation = activation

    def __call__(self, x: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        """Evaluates the activation at each element."""
        activation = self._activation
        if not isinstance(activation, keras.Layer):
            outputs = activation(keras.ops.convert_to_tensor(x))
            return np.asarray(keras.ops.convert_to_numpy(outputs))
        dtype = activation.compute_dtype
        if dtype in ("float16", "bfloat16"):  # too coarse to integrate
            dtype = "float32"
        # Like images, for layers that name axes. The values beside x are others, so that one which
        # mixes elements along any axis but the batch's is found out.
        square = np.array([[[x, x[::-1]], [x[::-1], x]]])
        outputs = _repeatable(activation, dtype)(keras.ops.convert_to_tensor(square, dtype))
        return np.asarray(keras.ops.convert_to_numpy(outputs[0, 0, 0]))

    def __repr__(self) -> str:
        return repr(self._activation)


def _repeatable(layer: keras.Layer, dtype: str) -> Callable[[Any], Any]:
    """Returns what does as the layer does, for one call, and leaves the layer as it is."""
    if layer.built and not layer.weights:
        return layer.call  # type: ignore[no-any-return]
    # A call would build the layer itself, for inputs of this length alone.
    try:
        return type(layer).from_config({**layer.get_config(), "dtype": dtype})  # type: ignore[no-any-return]
    except Exception as error:  # whatever the constructor of someone's layer raises
        if not layer.weights and type(layer).build is keras.Layer.build:
            return layer.call  # type: ignore[no-any-return]
        raise ValueError(
            "Argument `activation` is a layer whose weights depend on its inputs' shape, so that "
            "its gain is that of a copy, and none could be made from its config. Received: "
            f"activation={layer!r}. Pass the function itself that it computes, such as "
            "`lambda x: keras.ops.leaky_relu(x, 0.25)`, or make `from_config(get_config())` work "
            f"for {type(layer).__name__}: {error}"
        ) from error
