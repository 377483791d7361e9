"""Units that are copies of each other and get the same gradient, so that they stay copies.

Units of one layer with equal incoming weights and equal gradients learn the same thing for ever:
the layer is as wide as it has distinct units. Zeros and other constant starts do this (Goodfellow,
Bengio and Courville, "Deep Learning" (2016), section 8.4). Weights and gradients are compared
through their products with fixed random vectors, which are equal for equal columns; two products
tell apart the columns of layers with a hundred thousand units.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation, Vector, WeightStatistics
from kerastricks.diagnosis.rules._window import Window, unbroken_run, weight_at

LAYER_FRACTION = 0.5
"""A layer is sick when at least this fraction of its units has a twin."""
MINIMUM_LOOKS = 3
"""Observations over which this must have held without a break."""
TOLERANCE = 1e-5
"""Signatures that differ by less than this share are equal: float32 rounding.

Of weights it is a share of the unit's larger one, of gradients of the largest unit's.
"""


def symmetric_units(window: Window, *, minimum_looks: int = MINIMUM_LOOKS) -> Iterator[Finding]:
    """Find layers whose units are copies of each other."""
    last = window[-1]
    for kernel in last.kernels:

        def fraction(observation: Observation, path: str = kernel.path) -> float:
            seen = weight_at(observation, path)
            return 0.0 if seen is None else _twins(seen)[0]

        run = unbroken_run(window, lambda observation: fraction(observation) >= LAYER_FRACTION)
        # What begins unequal does not become equal: weights that decay to nothing only look so.
        if len(run) < minimum_looks or fraction(window[0]) < LAYER_FRACTION:
            continue
        share, distinct, units = *_twins(kernel), kernel.units
        yield Finding(
            condition="symmetric_units",
            layer=kernel.layer,
            severity="critical",
            onset=run[0].step,
            message=(
                f"{units} units are copies of {distinct}: units with equal weights and equal "
                "gradients stay equal for ever."
            ),
            remedy="Start with random weights: kernel_initializer=kt.initializers.He().",
            evidence={
                "units": units,
                "distinct_units": distinct,
                "fraction_with_twin": share,
                "observations": len(run),
                "healthy_fraction_below": LAYER_FRACTION,
            },
        )


def _twins(kernel: WeightStatistics) -> tuple[float, int]:
    """The share of units that have a twin, and the number of distinct units."""
    weights, gradients = _vector(kernel.unit_signature), _vector(kernel.unit_gradient_signature)
    if weights.shape[-1] < 2 or not (np.isfinite(weights).all() and np.isfinite(gradients).all()):
        return 0.0, weights.shape[-1]
    # A unit that is zero in a kernel that is not is one whose weights are not among those seen.
    known = np.any(weights != 0, axis=0) | (kernel.norm == 0)
    # Of each unit relative to its own size: beside one that has run away all others are small.
    exponents = np.frexp(np.max(np.abs(weights), axis=0))[1]
    shares = [_rounded(np.ldexp(row, -exponents)) for row in weights]
    rows = [exponents, *shares, _rounded(gradients)]
    keys = _hashed(rows)[known]
    _, counts = np.unique(keys, return_counts=True)
    alike, unknown = np.sum(counts[counts > 1]), np.sum(~known)
    return float(alike / len(known)), len(counts) + int(unknown)


def _rounded(signatures: Vector) -> Vector:
    scale = float(np.max(np.abs(signatures)))
    return np.round(signatures / scale / TOLERANCE) if scale > 0 else signatures


def _hashed(rows: list[Vector]) -> NDArray[np.uint64]:
    """One number for each column of whole numbers; equal columns give equal numbers."""
    keys = np.zeros(rows[0].shape, np.uint64)
    for row in rows:
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + row.astype(np.int64).view(np.uint64)
    return keys


def _vector(signatures: Vector | None) -> Vector:
    return np.zeros(0) if signatures is None else signatures
