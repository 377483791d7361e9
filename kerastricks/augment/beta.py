"""The beta distribution, drawn from one uniform number."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.kernels import Ops, Tensor

_CELLS = 2048
_STEPS = 1 << 15
_ROWS = 8
"""Rows of quantiles from an alpha to twice the alpha."""


@lru_cache(maxsize=64)
def beta_quantiles(a: float, b: float) -> NDArray[np.float64]:
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
    quantiles: NDArray[np.float64] = np.where(
        places * whole <= lower[-1], 0.5 * below, 1.0 - 0.5 * above
    )
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


@lru_cache(maxsize=64)
def _straightened(low: float, high: float, ratio: float) -> NDArray[np.float64]:
    """Give quantiles of Beta(alpha, ratio alpha) as z, a row for each of several alphas.

        z = 1 / (1 + ((1 - x) / x)^p),  p = alpha / (1 + alpha)

    Where x is about (c k)^(1 / alpha), near 0, z is a gentle function of k and alpha. Alphas go
    from low to high in equal proportions.

    Returns:
        (rows, 2049) numbers from 0 to 1.
    """
    rows = []
    count = 2 + int(_ROWS * (math.log2(high) - math.log2(low)))
    for alpha in np.geomspace(low, high, count).tolist():
        x = beta_quantiles(alpha, ratio * alpha)
        with np.errstate(divide="ignore", over="ignore"):
            odds = (1.0 - x) / x
        rows.append(1.0 / (1.0 + odds ** (alpha / (1.0 + alpha))))
    return np.stack(rows)


def draws_of_alpha(alphas: Any) -> int:
    """How many numbers a sample takes for its alpha: one where there is a range."""
    low, high = alphas
    return int(low < high)


def beta(ops: Ops, uniform: Tensor, alphas: Any, place: Tensor, ratio: float = 1.0) -> Tensor:
    """Turn uniform numbers into numbers of Beta(alpha, ratio alpha), through its quantiles.

    The distribution is right at 2049 places, and between them nowhere off by more than 1/2048. No
    rejection and no gamma function, so that XLA compiles it.

    Of a range, each sample has an alpha of its own. Its quantiles are read between those of two
    alphas less than a tenth apart, which is off by 1/5000 at most.

    Args:
        ops: `keras.ops` or a namespace like it.
        uniform: float32 tensor (B,) of numbers in [0, 1).
        alphas: The range (low, high) of alpha, above 0.
        place: Where in the range each sample's alpha lies, float32 tensor (B,) of numbers in
            [0, 1). It is not read where low is high.
        ratio: Above 0.

    Returns:
        float32 tensor (B,), 0 to 1.
    """
    low, high = alphas
    cell, part = _cell(ops, uniform * float(_CELLS), _CELLS)

    def quantile(table: Tensor, index: Tensor) -> Tensor:
        left, right = ops.take(table, index, axis=0), ops.take(table, index + 1, axis=0)
        return left + part * (right - left)

    if low == high:
        quantiles = beta_quantiles(low, ratio * low).astype("float32")
        return quantile(ops.cast(quantiles, "float32"), cell)
    rows = _straightened(low, high, ratio).astype("float32")
    table = ops.cast(rows.ravel(), "float32")
    alpha = low + place * (high - low)
    proportion = ops.log(alpha / low) / (math.log(high) - math.log(low))
    row, between = _cell(ops, proportion * float(len(rows) - 1), len(rows) - 1)
    index = row * (_CELLS + 1) + cell
    lower, upper = quantile(table, index), quantile(table, index + (_CELLS + 1))
    z = lower + between * (upper - lower)
    # Rounding may lead past 1, whose odds have no power.
    odds = ops.maximum(1.0 - z, 0.0) / z
    return 1.0 / (1.0 + odds ** (1.0 + 1.0 / alpha))


def _cell(ops: Ops, place: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Give the cell of so many that a place lies in, as int32, and how far on in it."""
    cell = ops.clip(ops.floor(place), 0.0, float(count - 1))
    return ops.cast(cell, "int32"), place - cell
