"""Elementwise activations under Keras' names, for numpy arrays in double precision."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Activation = Callable[[Array], Any]
"""Takes an array and returns one of the same shape, perhaps another library's and in float32."""

_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


def _selu(x: Array) -> Array:
    return _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _hard_sigmoid(x: Array) -> Array:
    return np.clip(x / 6.0 + 0.5, 0.0, 1.0)


def _hard_silu(x: Array) -> Array:
    return x * _hard_sigmoid(x)


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, x)


NAMED: dict[str, Activation] = {
    "celu": _elu,  # alpha = 1, where the two agree
    "elu": _elu,
    "exponential": np.exp,
    "gelu": lambda x: 0.5 * x * _erfc(-x / math.sqrt(2.0)),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0.0),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "hard_tanh": lambda x: np.clip(x, -1.0, 1.0),
    "linear": lambda x: x,
    "log_sigmoid": lambda x: -_softplus(-x),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "relu": _relu,
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "soft_shrink": lambda x: x - np.clip(x, -0.5, 0.5),
    "softplus": _softplus,
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "sparse_plus": lambda x: np.where(x < 1.0, 0.25 * _relu(np.minimum(x, 1.0) + 1.0) ** 2, x),
    "sparse_sigmoid": lambda x: np.clip(0.5 * (x + 1.0), 0.0, 1.0),
    "squareplus": lambda x: 0.5 * (x + np.sqrt(x * x + 4.0)),
    "swish": _silu,
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
}

_NOT_ELEMENTWISE = ("glu", "log_softmax", "maxout", "softmax", "softmin", "sparsemax")
_NEEDS_ARGUMENTS = {
    "leaky_relu": "the negative slope defaults to 0.3 in the Keras layer, to 0.2 in the Keras "
    "function and to 0.01 in PyTorch",
    "prelu": "its negative slope is learned",
    "rrelu": "its negative slope is drawn at random",
    "threshold": "it has no default threshold",
}


def resolve_activation(activation: object) -> Activation:
    """Returns the function that a name stands for, or the function itself.

    Args:
        activation: One of the names in `NAMED`, or a callable.

    Returns:
        A callable that takes a numpy array.

    Raises:
        TypeError: If it is neither a string nor callable.
        ValueError: If the name is unknown, ambiguous or not of an elementwise activation.
    """
    if callable(activation):
        return activation
    received = f"Received: activation={activation!r}"
    if not isinstance(activation, str):
        raise TypeError(
            "Argument `activation` must be a name or a callable that takes a numpy array. "
            f"{received} (of type {type(activation).__name__})."
        )
    if activation in NAMED:
        return NAMED[activation]
    if activation in _NEEDS_ARGUMENTS:
        raise ValueError(
            f"The name does not say which activation it is: {_NEEDS_ARGUMENTS[activation]}. Pass "
            "a callable, such as `lambda x: np.where(x > 0, x, 0.3 * x)`; the gain of a leaky "
            f"rectifier also is `rectifier_gain(negative_slope)`. {received}."
        )
    if activation in _NOT_ELEMENTWISE:
        raise ValueError(
            "The activation must act on each element alone: one that compares or mixes units has "
            f"no response to a single normal input. {received}. Treat the layer in front of it "
            '(an output layer) as "linear".'
        )
    raise ValueError(
        f"Unknown activation. {received}. Pass a callable, or one of {', '.join(sorted(NAMED))}."
    )
