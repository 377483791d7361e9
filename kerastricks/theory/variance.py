"""What depth does to the variance of signals, for given widths and weights."""

import itertools
import math
from collections.abc import Sequence
from numbers import Real
from typing import Literal, get_args

import numpy as np

from kerastricks.theory._activations import Activation, Array, resolve_activation
from kerastricks.theory._checks import checked_integer, checked_number
from kerastricks.theory._gaussian import evaluate, normal_response
from kerastricks.theory.variance_scaling import he_stddev, lecun_stddev, xavier_stddev

Scheme = Literal["he", "lecun", "xavier"]


def variance_through_depth(
    widths: Sequence[int],
    stddev: Scheme | float | Sequence[float],
    activation: str | Activation = "linear",
    input_variance: float = 1.0,
    bias_variance: float = 0.0,
) -> Array:
    """Computes the variance of every layer's sums, before activation, through a dense network.

    Use it to see, before training, whether an initialization keeps signals alive through depth:
    each layer multiplies the variance by the same factor, so any factor but 1 becomes a power. Do
    not use it for layers behind normalization or residual sums, which change the variance too.

    Layer l sums n = widths[l] terms x_i w_i. With zero-mean weights, independent of the terms,

        variances[0] = widths[0] * stddev[0]^2 * input_variance + bias_variance
        variances[l] = widths[l] * stddev[l]^2 * E[f(sqrt(variances[l - 1]) z)^2] + bias_variance

    with the activation f and a standard normal z. For linear units that is the rule
    Var(sum x_i w_i) = Var(x) [n Var(w)]: nothing changes when n Var(w) = 1. For a ReLU half of the
    second moment is lost, and n Var(w) must be 2. Terms of mean m count with
    E[x^2] = Var(x) + m^2, which is why a ReLU's outputs do not fit the first rule.

    Exact in expectation over weights for linear and rectified units of any width. For other
    activations the sums must be normal, which holds for wide layers (the error is of order
    1 / width in each layer).

    Args:
        widths: Number of inputs, then the number of units of each dense layer; at least two. For
            a convolution count the terms of a sum: kernel area times input channels.
        stddev: Standard deviation of the weights: one number, one for each layer, or a scheme:
            `"lecun"` sqrt(1 / fan_in), `"xavier"` sqrt(2 / (fan_in + fan_out)) or `"he"`
            sqrt(2 / fan_in). Not negative; zeros keep everything at `bias_variance`.
        activation: A name or a callable as in `gain`, applied between layers. Defaults to
            `"linear"`.
        input_variance: Mean square of the inputs, which is their variance if they are centered.
            Not negative. Defaults to 1.
        bias_variance: Variance of the biases. Not negative. Defaults to 0.

    Returns:
        An array with one variance for each layer; infinity from where it leaves double precision.

    Raises:
        TypeError: If an argument is not of the types above.
        ValueError: If it is out of range, a scheme or activation is unknown, or `stddev` has not
            one entry for each layer.

    Example:
    >>> import kerastricks as kt
    >>> kt.theory.variance_through_depth([100] * 5, "lecun", "relu")  # half is lost each time
    array([1.   , 0.5  , 0.25 , 0.125])
    >>> kt.theory.variance_through_depth([100] * 5, 0.2)  # 100 * 0.2^2 = 4
    array([  4.,  16.,  64., 256.])

    Reference:
        Glorot, Bengio (2010), Understanding the difficulty of training deep feedforward neural
        networks, eq. 5. He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, eq. 7 to 9.
        Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli (2016), Exponential expressivity in deep
        neural networks through transient chaos, for activations of any kind.
    """
    fans = _checked_fans(widths)
    stddevs = _checked_stddevs(stddev, fans)
    f = resolve_activation(activation)
    second_moment = _not_negative(input_variance, "input_variance")
    bias_variance = _not_negative(bias_variance, "bias_variance")
    variances = np.full(len(stddevs), math.inf)
    # What overflows here is the answer: infinity.
    with np.errstate(over="ignore"):
        for layer, ((fan_in, _), sigma) in enumerate(zip(fans, stddevs, strict=True)):
            if layer > 0:
                second_moment = _second_moment(f, float(variances[layer - 1]))
            variances[layer] = np.float64(sigma * second_moment) * sigma * fan_in + bias_variance
            if np.isinf(variances[layer]):
                break
    return variances


def _second_moment(activation: Activation, variance: float) -> float:
    if variance == 0:
        return float(evaluate(activation, np.zeros(1))[0] ** 2)
    return normal_response(activation, math.sqrt(variance)).second_moment


def _checked_fans(widths: Sequence[int]) -> list[tuple[int, int]]:
    expected = "Argument `widths` must be a sequence: the number of inputs, then of each layer's"
    try:
        sizes = [
            checked_integer(width, "widths", "a positive whole number of units, in every entry")
            for width in widths
        ]
    except TypeError as error:
        raise TypeError(f"{expected} units, as whole numbers. Received: {widths!r}.") from error
    if len(sizes) < 2:
        raise ValueError(f"{expected} units, two entries at least. Received: {widths!r}.")
    return list(itertools.pairwise(sizes))


def _checked_stddevs(
    stddev: Scheme | float | Sequence[float], fans: list[tuple[int, int]]
) -> list[float]:
    if isinstance(stddev, str):
        if stddev not in get_args(Scheme):
            raise ValueError(
                'Argument `stddev` must be "he", "lecun", "xavier", a number or one number for '
                f"each layer. Received: stddev={stddev!r}."
            )
        if stddev == "xavier":
            return [xavier_stddev(*pair) for pair in fans]
        single = he_stddev if stddev == "he" else lecun_stddev
        return [single(fan_in) for fan_in, _ in fans]
    if isinstance(stddev, Real) or not isinstance(stddev, (Sequence, np.ndarray)):
        return [_not_negative(stddev, "stddev")] * len(fans)
    numbers = [_not_negative(number, "stddev") for number in stddev]
    if len(numbers) != len(fans):
        raise ValueError(
            f"Argument `stddev` must have one entry for each of the {len(fans)} layers that "
            f"`widths` describes. Received {len(numbers)}: stddev={stddev!r}."
        )
    return numbers


def _not_negative(value: object, name: str) -> float:
    return checked_number(value, name, "of at least 0", lambda number: number >= 0)
