"""What an activation does to a normal input, by quadrature that finds kinks and steps."""

import math
from typing import NamedTuple

import numpy as np

from kerastricks.theory._activations import Activation, Array

_REACH = 12.0
"""In standard deviations; the mass beyond is 4e-33."""
_ORDER = 8
_ROUGHEST = 1024
"""Panels that may be unsettled at once: a kink leaves one or two, noise leaves them all."""

_NODES, _MASSES = np.polynomial.legendre.leggauss(_ORDER)


def _lagrange(at: Array) -> Array:
    """Row i holds the values at `at[i]` of the polynomials that are 1 at one node, 0 at others."""
    others = ~np.eye(_ORDER, dtype=bool)
    factors = (at[:, None, None] - _NODES) / np.where(others, _NODES[:, None] - _NODES, 1.0)
    basis: Array = np.prod(np.where(others, factors, 1.0), axis=-1)
    return basis


def _differentiation() -> Array:
    gaps = _NODES[:, None] - _NODES + np.eye(_ORDER)
    scales = np.prod(gaps, axis=1)
    matrix: Array = scales[:, None] / scales / gaps
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix


_TO_HALVES = _lagrange(np.concatenate([(_NODES - 1.0) / 2.0, (_NODES + 1.0) / 2.0]))
_DERIVATIVE = _differentiation()


class NormalResponse(NamedTuple):
    """An activation f at points that stand for a standard normal z; expectations are sums.

    Attributes:
        points: Values of z.
        weights: Their probabilities; E[g(z)] is `weights @ g(points)`.
        values: f(stddev z).
        slopes: f'(stddev z), where f has a derivative.
    """

    points: Array
    weights: Array
    values: Array
    slopes: Array

    @property
    def mean(self) -> float:
        """E[f]."""
        return float(self.weights @ self.values)

    @property
    def second_moment(self) -> float:
        """E[f^2]."""
        return float(self.weights @ self.values**2)

    @property
    def variance(self) -> float:
        """Var[f]."""
        return float(self.weights @ (self.values - self.mean) ** 2)

    @property
    def slope_second_moment(self) -> float:
        """E[f'^2]."""
        return float(self.weights @ self.slopes**2)


def evaluate(activation: Activation, x: Array) -> Array:
    """Applies an activation to an array of any shape, and checks what it returns.

    Args:
        activation: Takes a one-dimensional array and returns one of the same length.
        x: Its inputs.

    Returns:
        Its values, of the shape of `x`, in double precision.

    Raises:
        TypeError: If it returns no real numbers.
        ValueError: If it returns another shape, NaN or infinity.
    """
    returned = np.asarray(activation(x.ravel()))
    if np.iscomplexobj(returned) or returned.dtype.kind in "OSUMm":
        raise TypeError(
            "The activation must return real numbers. Received an array of type "
            f"{returned.dtype}. Convert its result to a numpy array of floats."
        )
    if returned.shape != (x.size,):
        raise ValueError(
            "The activation must act on each element alone and return an array of its input's "
            f"shape. Given shape {(x.size,)}, it returned shape {returned.shape}."
        )
    values = returned.astype(np.float64).reshape(x.shape)
    if not np.all(np.isfinite(values)):
        bad = x[~np.isfinite(values)]
        raise ValueError(
            "The activation must be finite: NaN or infinity has no moments. It is not at "
            f"x={bad[np.argmin(np.abs(bad))]:.4g}, among the inputs to average over."
        )
    return values


def normal_response(activation: Activation, stddev: float = 1.0) -> NormalResponse:
    """Samples an activation so that expectations under a normal input become weighted sums.

    Composite Gauss-Legendre quadrature over 12 standard deviations to each side. Panels in which
    a polynomial of degree 7 does not predict the function half a panel finer are halved, again and
    again, so that kinks and steps anywhere end up between panels or in panels of no weight. The
    derivative is that of the polynomials. Where a step is, it is left out, as automatic
    differentiation does.

    Relative accuracy of the moments of smooth activations, and of those with kinks or steps at
    multiples of stddev / 8: 1e-12, of slopes 1e-9; with kinks elsewhere 1e-7; with steps elsewhere
    1e-9, of slopes 1e-7. Functions that compute in single precision: 1e-5 throughout.

    Args:
        activation: Takes a one-dimensional array of any length and returns one of the same length.
        stddev: Standard deviation of the input; positive.

    Returns:
        A `NormalResponse`.

    Raises:
        TypeError: If the activation returns no real numbers.
        ValueError: If it returns another shape, NaN or infinity, if an output depends on other
            inputs or on chance, or if it is too rough.
    """
    left = np.linspace(-_REACH, _REACH, 96, endpoint=False)
    width = 2.0 * _REACH / left.size
    points = _points(left, width)
    values = evaluate(activation, stddev * points)
    _check_elementwise(activation, stddev * points, values)
    scale = np.max(np.abs(values) * _density(points))
    # Single precision shows in values that a round trip through it does not change.
    with np.errstate(over="ignore"):
        single = bool(np.all(values == values.astype(np.float32)))
    tolerance, narrowest = (2e-6, 2.0**-20) if single else (1e-10, 2.0**-34)

    settled = []
    while left.size:
        width /= 2.0
        left = np.stack([left, left + width], axis=1)
        points = _points(left, width)
        finer = evaluate(activation, stddev * points)
        predicted = (values @ _TO_HALVES.T).reshape(finer.shape)
        miss = np.abs(finer - predicted) * _density(points)
        rough = np.max(miss, axis=(1, 2)) > tolerance * scale
        if np.count_nonzero(rough) > _ROUGHEST:
            raise ValueError(
                "The activation is too rough to integrate: between points closer than "
                f"{stddev * width:.1g} it does not follow a smooth curve. It may oscillate "
                "quickly, be random, or compute in half precision; let it compute in float32."
            )
        slopes = (finer - finer.mean(axis=-1, keepdims=True)) @ _DERIVATIVE.T * (2 / width)
        last = width < narrowest
        if last:
            slopes[rough] = 0.0
        done = np.ones_like(rough) if last else ~rough
        weights = _MASSES * (width / 2) * _density(points)
        settled.append([a[done].ravel() for a in (points, weights, finer, slopes / stddev)])
        left, values = left[~done].ravel(), finer[~done].reshape(-1, _ORDER)
    return NormalResponse(*(np.concatenate(parts) for parts in zip(*settled, strict=True)))


def _points(left: Array, width: float) -> Array:
    return left[..., None] + width * (_NODES + 1.0) / 2.0


def _density(z: Array) -> Array:
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _check_elementwise(activation: Activation, x: Array, values: Array) -> None:
    fewer = evaluate(activation, x.ravel()[::3])
    differ = np.abs(fewer - values.ravel()[::3])
    if np.max(differ) > 1e-5 * np.max(np.abs(values)):
        raise ValueError(
            "The activation must act on each element alone, always in the same way. Its value at "
            f"x={x.ravel()[::3][np.argmax(differ)]:.4g} changed when other elements were left out: "
            "it depends on its neighbors, as softmax and normalization do, or on chance. Treat "
            'the layer in front of a softmax as "linear"; replace chance by its expectation.'
        )
