"""How deep signals reach: the depth scales of wide random networks."""

import math
from typing import NamedTuple

import numpy as np

from kerastricks.theory._activations import Activation, Array, resolve_activation
from kerastricks.theory._checks import checked_number
from kerastricks.theory._gaussian import NormalResponse, normal_response

_TERMS = 256
_UNBOUNDED = 1e12
_VANISHED = 1e-12
_CRITICAL = 1e-5
"""What activations that compute in single precision leave of an exact 1."""


class DepthScale(NamedTuple):
    """Where variances and correlations settle in deep networks, and how fast.

    Attributes:
        q_star: The variance of pre-activations that depth leads to.
        chi_1: Slope of the correlation map at 1. Below 1 inputs grow alike and gradients vanish
            (ordered phase), above 1 inputs grow apart and gradients explode (chaos).
        c_star: The correlation that depth leads to; NaN if `q_star` is 0.
        xi_q: Number of layers in which the variance comes closer to `q_star` by a factor e.
        xi_c: Number of layers in which correlations come closer to `c_star` by a factor e.
    """

    q_star: float
    chi_1: float
    c_star: float
    xi_q: float
    xi_c: float


def depth_scale(
    activation: str | Activation,
    weight_variance: float,
    bias_variance: float = 0.0,
    keep: float = 1.0,
) -> DepthScale:
    """Computes how many layers information about the input survives in a wide random network.

    Use it to choose the weights' scale of a deep plain network: one trains if its depth is at most
    a few `xi_c` (six in the paper's experiments). On the edge of chaos, chi_1 = 1, the scale is
    infinite; dropout removes that edge. Do not use it with normalization or shortcuts.

    For weights of variance `weight_variance / fan_in`, biases of variance `bias_variance`, the
    activation f and standard normal z; z1, z2 of correlation c_star:

        q_star  =  weight_variance / keep * E[f(sqrt(q_star) z)^2] + bias_variance
        chi_1   =  weight_variance * E[f'(sqrt(q_star) z)^2]
        c_star  = (weight_variance * E[f(sqrt(q_star) z1) f(sqrt(q_star) z2)] + bias_variance)
                  / q_star
        xi_c    = -1 / ln(weight_variance * E[f'(sqrt(q_star) z1) f'(sqrt(q_star) z2)])
        xi_q    = -1 / ln(slope of the first line's right-hand side in q_star)

    c_star is 1 in the ordered phase without dropout, where xi_c = -1 / ln(chi_1). Gradients grow
    by chi_1 / keep in each layer.

    The variance starts from 1, as behind normalized inputs, and q_star is where it first settles.
    If any variance stays (the ReLU at weight_variance=2) it is 1, and xi_q infinite. If it vanishes
    (`tanh` at weight_variance=0.5 without biases), q_star is 0, c_star NaN, and both scales are
    those on which signals and gradients fade, -1 / ln(chi_1).

    Args:
        activation: A name or a callable, as in `gain`.
        weight_variance: Fan-in times the variance of a weight: 1 for LeCun, 2 for He
            initialization. Positive.
        bias_variance: Variance of the biases. Not negative. Defaults to 0.
        keep: Share of the activations that dropout keeps (and divides by `keep`), in (0, 1].
            Defaults to 1.

    Returns:
        The named tuple `(q_star, chi_1, c_star, xi_q, xi_c)`. Scales are in layers, and infinite
        beyond 1e5.

    Raises:
        TypeError: If an argument is not of the types above.
        ValueError: If one is out of range, if the variance grows without bound, or if the
            activation has a step.

    Example:
    >>> import kerastricks as kt
    >>> scale = kt.theory.depth_scale("tanh", weight_variance=1.5, bias_variance=0.05)
    >>> round(scale.chi_1, 3), round(scale.c_star, 3), round(scale.xi_c, 1)
    (0.939, 1.0, 15.8)

    Reference:
        Schoenholz, Gilmer, Ganguli, Sohl-Dickstein (2017), Deep Information Propagation: the
        maps of variance and correlation, the depth scales xi_q and xi_c, and those with dropout.
    """
    f = resolve_activation(activation)
    weights = checked_number(weight_variance, "weight_variance", "above 0", lambda v: v > 0)
    biases = checked_number(bias_variance, "bias_variance", "of at least 0", lambda v: v >= 0)
    kept = checked_number(
        keep,
        "keep",
        "in (0, 1]: the share of activations that dropout keeps",
        lambda share: 0 < share <= 1,
        "It is 1 - rate; keeping nothing leaves no signal.",
    )
    q = _settled_variance(f, weights / kept, biases)
    if q == 0:
        # Near zero, and not yet drowned by rounding.
        chi = weights * normal_response(f, 1e-5).slope_second_moment
        return DepthScale(0.0, chi, math.nan, _scale(chi / kept), _scale(chi / kept))
    response = normal_response(f, math.sqrt(q))
    chi = weights * response.slope_second_moment
    # E[f(z1) f(z2)] is the sum of a_k^2 c^k over the coefficients of f in normalized Hermite
    # polynomials (Mehler).
    squares = _hermite_coefficients(response) ** 2
    # Its slope at c = 1, of which steps have a part that their derivative does not show.
    if squares @ np.arange(_TERMS) > 1.01 * q * response.slope_second_moment:
        raise ValueError(
            "The activation has a step, which tears apart inputs however alike: the slope of the "
            f"correlation map at 1 is infinite. Received: activation={activation!r}. Use a "
            "continuous activation."
        )
    # d/dq E[f(sqrt(q) z)^2], by the derivative of the normal density.
    slope_q = (
        weights / kept * float(response.weights @ (response.values**2 * (response.points**2 - 1.0)))
    )
    xi_q = _scale(slope_q / (2.0 * q))
    if kept == 1 and chi <= 1 + _CRITICAL:
        return DepthScale(q, chi, 1.0, xi_q, _scale(chi))
    # What is left beyond the last term joins it, so that the sum stays exact at c = 1.
    squares[-1] += max(response.second_moment - squares.sum(), 0.0)
    c, slope_c = _settled_correlation(squares * weights / q, biases / q)
    return DepthScale(q, chi, c, xi_q, _scale(slope_c))


def _scale(factor: float) -> float:
    """Layers in which `factor` a layer becomes 1 / e."""
    if abs(factor) >= 1 - _CRITICAL:
        return math.inf
    return -1.0 / math.log(abs(factor)) if factor else 0.0


def _settled_variance(activation: Activation, weights: float, biases: float) -> float:
    def after(q: float) -> float:
        with np.errstate(over="ignore"):
            return weights * normal_response(activation, math.sqrt(q)).second_moment + biases

    start = after(1.0)
    if abs(start - 1.0) < _CRITICAL:
        return 1.0
    factor = 1.5 if start > 1 else 1 / 1.5
    near, far = 1.0, factor
    while (after(far) > far) == (start > 1):
        near, far = far, far * factor
        if far < _VANISHED:
            return 0.0
        if far > _UNBOUNDED or after(near) > _UNBOUNDED:
            raise ValueError(
                "The variance of pre-activations grows with depth without bound, so there is no "
                f"fixed point. Received: weight_variance={weights:g} (divided by keep), "
                f"bias_variance={biases:g}. Use smaller weights (for a ReLU without biases at "
                "most 2, with biases less), or a bounded activation such as tanh."
            )
    low, high = sorted((near, far))
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if after(middle) > middle else (low, middle)
    return (low + high) / 2


def _settled_correlation(terms: Array, offset: float) -> tuple[float, float]:
    """The fixed point of the map offset + sum(terms[k] c^k), and the map's slope there."""
    powers = np.arange(_TERMS)
    slopes = terms[1:] * powers[1:]
    # Convex and not below the diagonal at 0: above it up to the first fixed point, then below.
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        c = offset + float(terms @ middle**powers)
        low, high = (middle, high) if c > middle else (low, middle)
    return low, float(slopes @ low ** powers[:-1])


def _hermite_coefficients(response: NormalResponse) -> Array:
    z, weighted = response.points, response.weights * response.values
    coefficients = np.empty(_TERMS)
    before, current = np.zeros_like(z), np.ones_like(z)
    for k in range(_TERMS):
        coefficients[k] = weighted @ current
        before, current = current, (z * current - math.sqrt(k) * before) / math.sqrt(k + 1)
    return coefficients
