"""How rectified networks make inputs alike with depth, and the slope that holds them apart."""

import functools
import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, overload

import numpy as np

from kerastricks.theory._activations import Array
from kerastricks.theory._checks import checked_integer, checked_number

CorrelationMap = Callable[[float], float]


@overload
def correlation_map(correlation: float, negative_slope: float = 0.0) -> float: ...
@overload
def correlation_map(correlation: Array | Sequence[Any], negative_slope: float = 0.0) -> Array: ...
def correlation_map(
    correlation: float | Array | Sequence[Any], negative_slope: float = 0.0
) -> float | Array:
    """Computes how alike two inputs are behind one wide layer and a leaky rectifier.

    Two inputs whose pre-activations have correlation c leave the rectifier, and arrive at the next
    layer's pre-activations, with the uncentered correlation (cosine similarity)

        C(c) = ((1 - a)^2 (sqrt(1 - c^2) + (pi - arccos(c)) c) / pi + 2 a c) / (1 + a^2)

    where c = `correlation`, a = `negative_slope`, and weights are normal (or orthogonal) with zero
    mean and without biases. C(1) = 1 and C(c) >= c: inputs only grow more alike. The scale of the
    weights does not matter.

    Args:
        correlation: Correlation of the pre-activations, in [-1, 1]; a number, or an array or list
            of numbers.
        negative_slope: The slope a of the rectifier, any finite number; 0 for the ReLU, 1 for
            linear units, which change nothing. Defaults to 0.

    Returns:
        The correlation behind it: a float for a number, else an array of the same shape.

    Raises:
        TypeError: If an argument is not numeric.
        ValueError: If a correlation lies outside [-1, 1], or an argument is NaN or infinite.

    Example:
    >>> import kerastricks as kt
    >>> round(kt.theory.correlation_map(0.0), 4)  # 1 / pi: orthogonal inputs through a ReLU
    0.3183

    Reference:
        Cho, Saul (2009), Kernel Methods for Deep Learning: the arc-cosine kernel of degree 1, for
        a = 0. Zhang, Botev, Martens (2022), Deep Learning without Shortcuts: Shaping the Kernel
        with Tailored Rectifiers, for leaky rectifiers.
    """
    strength = _nonlinearity(_checked_slope(negative_slope))
    if isinstance(correlation, Real):
        return _map(_checked_correlation(correlation), strength)
    values = np.asarray(correlation)
    if values.dtype.kind not in "fiu":
        raise TypeError(
            "Argument `correlation` must be a number in [-1, 1], or an array or list of such. "
            f"Received: correlation={correlation!r} (of type {type(correlation).__name__})."
        )
    if not np.all(np.abs(values) <= 1):
        raise ValueError(
            "Argument `correlation` must lie in [-1, 1]. Received values from "
            f"{values.min()} to {values.max()}."
        )
    mapped = [_map(float(c), strength) for c in values.flat]
    return np.array(mapped, dtype=np.float64).reshape(values.shape)


def correlation_through_depth(
    depth: int, negative_slope: float = 0.0, correlation: float = 0.0
) -> Array:
    """Computes how alike two inputs are behind each layer of a plain rectified network.

    Use it to see why deep ReLU networks without shortcuts or normalization do not train though He
    initialization keeps their scale: behind 50 layers even orthogonal inputs agree to 0.988, and
    the last layer cannot tell them apart.

        correlations[0] = C(correlation)
        correlations[l] = C(correlations[l - 1])

    with the map C of `correlation_map`.

    Args:
        depth: Number of layers with a rectifier; at least 1.
        negative_slope: The slope of the rectifiers. Defaults to 0, the ReLU.
        correlation: Correlation of the first layer's pre-activations, which is the cosine of the
            inputs; in [-1, 1]. Defaults to 0, orthogonal inputs.

    Returns:
        An array of `depth` correlations.

    Raises:
        TypeError: If an argument is not numeric, or `depth` no whole number.
        ValueError: If `depth` is below 1, a correlation outside [-1, 1] or an argument NaN.

    Example:
    >>> import kerastricks as kt
    >>> kt.theory.correlation_through_depth(50)[[0, 4, 49]].round(4)
    array([0.3183, 0.7359, 0.9879])

    Reference:
        Zhang, Botev, Martens (2022), Deep Learning without Shortcuts: Shaping the Kernel with
        Tailored Rectifiers.
    """
    layers = checked_integer(depth, "depth", "a positive whole number of layers")
    strength = _nonlinearity(_checked_slope(negative_slope))
    current = _checked_correlation(correlation)
    correlations = np.empty(layers)
    for layer in range(layers):
        correlations[layer] = current = _map(current, strength)
    return correlations


def tailored_slope(
    depth: int | None = None,
    eta: float = 0.9,
    *,
    network: Callable[[CorrelationMap], float] | None = None,
) -> float:
    """Solves for the negative slope with which a network of that depth keeps inputs apart.

    Use it to train deep networks without shortcuts and without normalization: with this slope
    behind every layer, orthogonal inputs come out with correlation `eta` instead of nearly 1. Do
    not use it for shallow networks, which have no solution, nor with batch normalization.

        C_f(0) = C(C(... C(0))) = eta,   C applied `depth` times

    with the map C of `correlation_map`, whose `negative_slope` is the solution. C_f(0) falls from
    its value for the ReLU to 0 for linear units, so that there is one solution or none.

    Needs zero biases, weights scaled by `rectifier_gain(slope)` (or the rectifier by it), normal or
    better orthogonal, and every rectifier with this slope.

    Args:
        depth: Number of layers with a rectifier, one behind the other; at least 1.
        eta: The correlation to reach, in (0, 1). Larger is more nonlinear. Defaults to 0.9.
        network: For other shapes than a chain, in place of `depth`: a function that receives C as
            a function of one number, and returns C_f(0) by sending 0 through the network: C for
            each layer with its rectifier, w^2 s + (1 - w^2) b for a residual sum of shortcut and
            branch correlations s and b with weights w and sqrt(1 - w^2). Where parts of the
            network can be larger than the whole, the largest among its subnetworks.

    Returns:
        The slope, in (0, 1).

    Raises:
        TypeError: If `depth` is no whole number, `eta` none or `network` not callable.
        ValueError: If not exactly one of `depth` and `network` is given, if an argument is out of
            range, or if no slope exists because the network is too shallow.

    Example:
    >>> import kerastricks as kt
    >>> round(kt.theory.tailored_slope(depth=50), 4)
    0.4305
    >>> def residual(layer):  # 16 blocks of two layers, shortcut weight sqrt(0.5)
    ...     correlation = 0.0
    ...     for _ in range(16):
    ...         correlation = 0.5 * correlation + 0.5 * layer(layer(correlation))
    ...     return correlation
    >>> round(kt.theory.tailored_slope(network=residual, eta=0.8), 4)
    0.2652

    Reference:
        Zhang, Botev, Martens (2022), Deep Learning without Shortcuts: Shaping the Kernel with
        Tailored Rectifiers: the method TAT for leaky rectifiers, C_f(0) = eta.
    """
    if (depth is None) == (network is None):
        raise ValueError(
            "Give either `depth`, the number of layers in a chain, or `network`, a function of "
            f"the local map. Received: depth={depth!r}, network={network!r}."
        )
    eta = checked_number(eta, "eta", "in (0, 1): the correlation to reach", lambda e: 0 < e < 1)
    if network is None:
        return _chain_slope(
            checked_integer(depth, "depth", "a positive whole number of layers"), eta
        )
    if not callable(network):
        raise TypeError(
            "Argument `network` must be a function of the local correlation map. Received: "
            f"network={network!r} (of type {type(network).__name__})."
        )

    def reached(strength: float) -> float:
        # Sums of weights that add up to 1 only in exact arithmetic may leave [-1, 1].
        value = network(lambda c: _map(min(1.0, max(-1.0, c)), strength))
        return checked_number(
            value,
            "network(C)",
            "in [-1, 1], the correlation C_f(0)",
            lambda c: abs(c) <= 1 + 1e-9,
            "Are the squared weights of each sum 1 in total?",
        )

    linear = reached(0.0)
    if abs(linear) > 1e-9:
        raise ValueError(
            "Argument `network` must send the correlation 0 through the network, which linear "
            f"units, C(c) = c, leave at 0. Received: network={network!r}, which returns {linear:g} "
            "for those."
        )
    return _solved_slope(reached, eta)


# A network's layers usually share one depth and eta, and each of them asks.
@functools.lru_cache
def _chain_slope(layers: int, eta: float) -> float:
    def reached(strength: float) -> float:
        correlation = 0.0
        for _ in range(layers):
            correlation = _map(correlation, strength)
        return correlation

    return _solved_slope(reached, eta)


def _solved_slope(reached: Callable[[float], float], eta: float) -> float:
    """Solves reached(_nonlinearity(slope)) = eta for the slope, where reached(0) is 0."""
    largest = reached(1.0)
    if largest <= eta:
        raise ValueError(
            f"No negative slope reaches eta={eta:g}: the most nonlinear choice, a ReLU, only "
            f"brings orthogonal inputs to a correlation of {largest:.4f} here, and any leak brings "
            "less. A network this shallow cannot be made sufficiently nonlinear. Use an eta below "
            f"{math.floor(largest * 1e4) / 1e4:g}, or make the network deeper."
        )
    goal = _straightened(eta)
    low, low_excess = 0.0, -goal
    high, high_excess = 1.0, _straightened(largest) - goal
    last_excess = 0.0
    while True:
        strength = low - low_excess * (high - low) / (high_excess - low_excess)
        if not low < strength < high:
            return (1.0 - strength) / (1.0 + math.sqrt(strength * (2.0 - strength)))
        excess = _straightened(reached(strength)) - goal
        # Where the same end moves twice, the Illinois rule halves the other's excess, or that end
        # would stay for ever.
        stuck = 0.5 if excess * last_excess > 0 else 1.0
        if excess > 0:
            high, high_excess, low_excess = strength, excess, stuck * low_excess
        else:
            low, low_excess, high_excess = strength, excess, stuck * high_excess
        last_excess = excess


def _checked_slope(negative_slope: object) -> float:
    return checked_number(negative_slope, "negative_slope", "(any finite slope)", lambda a: True)


def _checked_correlation(correlation: object) -> float:
    return checked_number(correlation, "correlation", "in [-1, 1]", lambda c: abs(c) <= 1)


def _nonlinearity(a: float) -> float:
    """(1 - a)^2 / (1 + a^2): 1 for the ReLU, 0 for linear units."""
    return ((1.0 - a) / math.hypot(1.0, a)) ** 2


def _map(c: float, strength: float) -> float:
    """C(c) of `correlation_map`, whose formula is c plus its nonlinearity times a pull to 1."""
    pull = (math.sqrt((1.0 - c) * (1.0 + c)) - math.acos(c) * c) / math.pi
    # Rounding may end an ulp beyond 1, where the next layer has no root.
    return min(1.0, c + strength * pull)


def _straightened(c: float) -> float:
    """1 / sqrt(1 - c) - 1, which grows by nearly the same amount in every layer.

    For a ReLU, by 0.159 at c = 0 and 0.150 near c = 1, and in proportion to the nonlinearity: it
    makes the equation for the slope almost linear.
    """
    root = math.sqrt(max(1.0 - c, 2.0**-53))
    return c / (root * (1.0 + root))
