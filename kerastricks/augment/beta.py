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
    places, (lower, upper) = np.linspace(0.0, 1.0, _CELLS + 1), (_half(a, b), _half(b, a))
    weight = lower[1][-1], upper[1][-1]
    share = weight[0] / sum(weight)
    below = np.interp(places * sum(weight), lower[1], lower[0]) ** max(1.0, 1.0 / a)
    above = np.interp((1.0 - places) * sum(weight), upper[1], upper[0]) ** max(1.0, 1.0 / b)
    found: NDArray[np.float32] = np.where(places <= share, 0.5 * below, 1.0 - 0.5 * above).astype(
        "f4"
    )
    return found


def _half(a: float, b: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """G from 0 to 1, and the integral up to it of the density below one half."""
    g = np.linspace(0.0, 1.0, _STEPS + 1)
    power = max(1.0, 1.0 / a)
    double = g**power
    # (2 x)^(a - 1) g^(p - 1) is 1 where a is below 1: the pole is gone.
    rise = np.ones_like(g) if a < 1.0 else double ** (a - 1.0)
    density = power * rise * (2.0 - double) ** (b - 1.0)
    steps = (density[1:] + density[:-1]) / 2.0
    return g, np.concatenate([[0.0], np.cumsum(steps)])


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
