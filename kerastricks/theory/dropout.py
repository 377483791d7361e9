"""The change of variance that dropout leaves to a batch normalization behind it."""

import math

import numpy as np
import numpy.typing as npt

from kerastricks.theory._activations import Array
from kerastricks.theory._checks import checked_number


def dropout_variance_shift(
    keep: float,
    mean: float = 0.0,
    variance: float = 1.0,
    *,
    weights: npt.ArrayLike | None = None,
    correlation: float = 0.0,
) -> float | Array:
    """Computes the variance at inference over that in training, behind dropout.

    Use it to judge dropout in front of batch normalization: normalization remembers the variance
    of training, and divides by it at inference, where the signal varies less. 1 means no shift.
    If it is far from 1, put dropout behind the last normalization, or estimate the statistics
    again with dropout off.

    Inputs x of mean m and variance v, divided by `keep` where they are kept. Directly behind
    dropout:

        shift = v / ((m^2 + v) / keep - m^2)

    Behind dropout and a layer sum(w_i x_i), with rho = `correlation` between inputs and
    s = sum(w)^2 / sum(w^2) - 1, which is d cos(theta)^2 - 1 for d weights at an angle theta to
    the vector of ones:

        shift = (v + v rho s) / ((m^2 + v) / keep - m^2 + v rho s)

    Without correlation the two agree, and for m = 0 both are `keep`. ReLU outputs have m > 0.

    Args:
        keep: Share of units that dropout keeps, p in the paper, `1 - rate` of Keras; in (0, 1].
        mean: Mean m of the inputs of dropout. Defaults to 0.
        variance: Variance v of the inputs of dropout; positive. Defaults to 1.
        weights: The layer between dropout and normalization: an array of shape (fan_in,) for one
            unit, or (fan_in, units). Defaults to None: there is no layer.
        correlation: Correlation of each input with each other one; only with `weights`. In
            [-1 / (fan_in - 1), 1], below which there are no such inputs. Defaults to 0.

    Returns:
        The shift, in (0, 1]: a float, or with `weights` of shape (fan_in, units) an array of units.

    Raises:
        TypeError: If an argument is not numeric.
        ValueError: If one is out of range, NaN or infinite, if `weights` has another shape or a
            unit of zeros only, if `correlation` is given without `weights`, or if there is no
            variance left at inference.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> kt.theory.dropout_variance_shift(keep=0.5)
    0.5
    >>> kt.theory.dropout_variance_shift(0.5, weights=np.ones((101, 2)), correlation=0.1)
    array([0.91666667, 0.91666667])

    Reference:
        Li, Chen, Hu, Yang (2019), Understanding the Disharmony between Dropout and Batch
        Normalization by Variance Shift: its cases a (direct) and b (through weights).
    """
    keep = checked_number(
        keep, "keep", "in (0, 1]: the share of units that dropout keeps", lambda p: 0 < p <= 1
    )
    mean = checked_number(mean, "mean", "(any finite mean)", lambda m: True)
    variance = checked_number(variance, "variance", "above 0", lambda v: v > 0)
    correlation = checked_number(correlation, "correlation", "in [-1, 1]", lambda r: abs(r) <= 1)
    # (m^2 + v) / keep - m^2, without the cancellation for large means.
    training = variance + (mean * mean + variance) * (1.0 - keep) / keep
    if weights is None:
        if correlation:
            raise ValueError(
                "Argument `correlation` matters only where inputs are summed: give `weights` too, "
                f"or leave it at 0. Received: correlation={correlation!r}, weights=None."
            )
        return variance / training
    spread = _checked_spread(weights, correlation)
    shared = variance * correlation * spread
    at_inference = variance + shared
    if np.any(at_inference <= 1e-12 * variance):
        raise ValueError(
            "The weighted sum of these inputs is constant at inference: its variance is zero, and "
            f"a ratio says nothing. Received: correlation={correlation!r}. Use a correlation "
            "closer to 0."
        )
    shift = at_inference / (training + shared)
    return float(shift) if shift.ndim == 0 else shift


def _checked_spread(weights: npt.ArrayLike, correlation: float) -> Array:
    """sum(w)^2 / sum(w^2) - 1 of each unit."""
    given = np.asarray(weights)
    if given.dtype.kind not in "fiu":
        raise TypeError(
            f"Argument `weights` must hold real numbers. Received an array of type {given.dtype}."
        )
    w = given.astype(np.float64)
    if w.ndim not in (1, 2) or w.size == 0:
        raise ValueError(
            "Argument `weights` must have shape (fan_in,) or (fan_in, units), none of them 0. "
            f"Received shape {w.shape}; reshape a convolution's kernel to (-1, filters)."
        )
    if not np.all(np.isfinite(w)) or np.any(np.all(w == 0, axis=0)):
        raise ValueError(
            "Argument `weights` must be finite, and no unit's weights all zero: a sum without "
            "terms has no variance."
        )
    least = -1.0 / (len(w) - 1) if len(w) > 1 else -math.inf
    if correlation < least:
        raise ValueError(
            f"Argument `correlation` must be at least -1 / (fan_in - 1) = {least:.4g}: {len(w)} "
            f"inputs cannot all be more opposed. Received: correlation={correlation!r}."
        )
    w = w / np.max(np.abs(w), axis=0)
    return np.asarray(np.sum(w, axis=0) ** 2 / np.sum(w * w, axis=0) - 1.0)
