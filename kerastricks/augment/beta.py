"""The beta distribution, drawn from one uniform number."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.kernels import Ops, Tensor

_CELLS = 2048
_STEPS = 1 << 15


@lru_cache(maxsize=64)
def beta_quantiles(a: float, b: float) -> NDArray[np.float32]:
    """Give the quantiles of Beta(a, b) at k / 2048 for k = 0 ... 2048.

    Below one half, with x = g^p / 2 and p = max(1, 1 / a), the density over g has no pole, and its
    integral is taken by trapezoids; above, the same with a and b changed over.

        f(g) = (2 x)^(a - 1) (2 - 2 x)^(b - 1) g^(p - 1)

    Args:
        a: Above 0.
        b: Above 0.

    Returns:
        (2049,) numbers from 0 to 1.
    """
    g = np.linspace(0.0, 1.0, _STEPS + 1)
    logarithms = [_half(g, *pair) for pair in ((a, b), (b, a))]
    largest = max(half.max() for half in logarithms)
    lower, upper = (_integral(np.exp(half - largest)) for half in logarithms)
    places, whole = np.linspace(0.0, 1.0, _CELLS + 1), lower[-1] + upper[-1]
    below = np.interp(places * whole, lower, g) ** max(1.0, 1.0 / a)
    above = np.interp((1.0 - places) * whole, upper, g) ** max(1.0, 1.0 / b)
    found = np.where(places * whole <= lower[-1], 0.5 * below, 1.0 - 0.5 * above)
    quantiles: NDArray[np.float32] = found.astype(np.float32)
    return quantiles


def _half(g: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """The logarithm of the density over g."""
    power = max(1.0, 1.0 / a)
    double = g**power
    # (2 x)^(a - 1) g^(p - 1) is 1 where a is below 1: the pole is gone.
    rise = np.zeros_like(g)
    if a > 1.0:
        rise[0] = -np.inf
        rise[1:] = (a - 1.0) * np.log(double[1:])
    return np.log(power) + rise + (b - 1.0) * np.log(2.0 - double)  # type: ignore[no-any-return]


def _integral(density: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])


def beta(ops: Ops, uniform: Tensor, a: float, b: float) -> Tensor:
    """Turn uniform numbers into numbers of Beta(a, b), through its quantiles.

    Between quantiles it is uniform: the distribution is right at 2049 places, and nowhere off by
    more than 1/2048. No rejection and no gamma function, so that XLA compiles it.

    Args:
        ops: `keras.ops` or a namespace like it.
        uniform: float32 tensor (B,) of numbers in [0, 1).
        a: Above 0.
        b: Above 0.

    Returns:
        float32 tensor (B,), 0 to 1.
    """
    quantiles = ops.cast(beta_quantiles(a, b), "float32")
    place = uniform * float(_CELLS)
    cell = ops.clip(ops.floor(place), 0.0, float(_CELLS - 1))
    index = ops.cast(cell, "int32")
    left, right = ops.take(quantiles, index, axis=0), ops.take(quantiles, index + 1, axis=0)
    return left + (place - cell) * (right - left)
