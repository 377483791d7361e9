"""Regression targets on another scale than an output begins with.

An output that is linear, or linear from some point on as a rectifier is, gives values of order 1
under usual initial weights. Targets in the hundreds make errors, and with the squared error
gradients, that much larger, and leave the output's weights a long way to go; targets of a
thousandth drown in the noise of the first predictions. Targets of uneven columns make a loss that
sees the widest of them alone. Bishop, "Neural Networks for Pattern Recognition" (1995), section
8.2, rescales targets as well as inputs.

The targets are held against what the model predicts: one that starts with their mean as the
output's bias, or ends with a layer that scales back, or has been fitted before, has no way to go.
Losses that are free of scale, such as the mean absolute percentage error, are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.finding import SEVERITIES, Finding
from kerastricks.diagnosis.observation import OutputStatistics, Vector
from kerastricks.diagnosis.rules._columns import Columns, finite_columns, unevenness
from kerastricks.diagnosis.rules._window import Window

LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
"""Losses that have the targets' unit."""
LARGE = 10.0
"""Alarm when a column's root mean square, and its distance from the predictions, is above this.

Adam moves a weight by about its learning rate a step: at 0.001, ten thousand steps for a bias.
"""
CRITICAL_SIZE = 100.0
SMALL = 0.01
"""Alarm when the root mean square of all targets is below this, with no entry above five times it.

The second part spares targets that are zero almost everywhere, such as heat maps.
"""
UNEVEN = 100.0
"""Alarm when the widest column's deviation is this many times half the range of narrow ones.

In a squared error the narrow ones then weigh a ten thousandth.
"""
_LINEAR_ABOVE = ("relu", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "softplus")
"""Activations that go on with slope 1, or near it, without end: their scale is their input's."""
MATCHING_DEVIATION = 10.0
"""Predictions that vary by the targets' deviation, up to this factor, are on their scale ..."""
MATCHING_MEAN = 1.0
"""... if their means differ by no more than this many of the targets' deviations."""


@dataclass(frozen=True, slots=True)
class _Fault:
    severity: str
    what: str


def unnormalized_targets(window: Window) -> Iterator[Finding]:
    """Judge the targets of outputs without an upper end, on the first observation."""
    if len(window) > 1:
        return
    for output in window[0].outputs:
        target = output.target
        if target is None or not _unbounded(output):
            continue
        if output.loss is None or output.loss.name not in LOSSES:
            continue
        faults = list(_faults(output))
        if not faults:
            continue
        columns, uneven = finite_columns(target), unevenness(target)
        mean, deviation = _predicted(output, columns)
        worst = np.argsort(-columns.size)[:5]
        yield Finding(
            condition="unnormalized_targets",
            layer=output.path,
            severity=max((fault.severity for fault in faults), key=SEVERITIES.index),
            onset=window[0].step,
            message=(
                f"The targets of this {_kind(output)} output are not normalized: "
                f"{'; '.join(fault.what for fault in faults)} ({target.samples} samples)."
            ),
            remedy=_remedy(output),
            evidence={
                "loss": None if output.loss is None else output.loss.name,
                "size": columns.overall_size,
                "healthy_size": [SMALL, LARGE],
                "largest_columns": columns.index[worst].tolist(),
                "mean_of_largest_columns": columns.mean[worst].tolist(),
                "deviation_of_largest_columns": columns.deviation[worst].tolist(),
                "predicted_mean": mean[worst].tolist(),
                "predicted_deviation": deviation[worst].tolist(),
                "ratio_of_columns": None if uneven is None else uneven.ratio,
                "healthy_ratio_of_columns_below": UNEVEN,
                "columns": target.columns,
                "samples": target.samples,
            },
        )


def _unbounded(output: OutputStatistics) -> bool:
    """Whether the output is linear, or is so from some point on."""
    if output.activation is None:
        return output.known
    return output.activation.name in _LINEAR_ABOVE


def _kind(output: OutputStatistics) -> str:
    return "linear" if output.activation is None else output.activation.name


def _remedy(output: OutputStatistics) -> str:
    if output.activation is not None:
        return (
            "Train on targets divided by their deviation, y / y_train.std(axis=0), and multiply "
            "predictions by it; or leave the output linear, activation=None, and standardize them."
        )
    return (
        "Train on standardized targets, (y - y_train.mean(axis=0)) / y_train.std(axis=0), "
        "and undo it on predictions: prediction * y_train.std(axis=0) + "
        "y_train.mean(axis=0)."
    )


def _faults(output: OutputStatistics) -> Iterator[_Fault]:
    if output.target is None:
        return
    columns = finite_columns(output.target)
    mean, deviation = _predicted(output, columns)
    unmatched = ~_matched(columns, mean, deviation)
    # What an output bias at the mean has not dealt with already.
    remaining = np.hypot(columns.mean - mean, columns.deviation)
    large = np.where(unmatched, np.minimum(columns.size, remaining), 0.0)
    if len(large) and large.max() > LARGE:
        worst = int(np.argmax(large))
        severity = "critical" if large[worst] > CRITICAL_SIZE else "warning"
        where = f" of column {columns.index[worst]}" if len(large) > 1 else ""
        what = (
            f"the root mean square{where} is {columns.size[worst]:.3g} around a mean of "
            f"{columns.mean[worst]:.3g}, where a fresh output gives values near 1"
        )
        yield _Fault(severity, what)
    size, varying = columns.overall_size, columns.varying
    if size < SMALL and columns.largest < 5 * SMALL and (varying & unmatched).any():
        what = (
            f"their root mean square is only {size:.2g}, where a fresh output gives values near 1"
        )
        yield _Fault("warning", what)
    uneven = unevenness(output.target)
    if uneven is not None and uneven.ratio > UNEVEN:
        what = (
            f"column {uneven.column} has a deviation of {uneven.deviation:.3g}, while others stay "
            f"within {uneven.narrow:.2g} of their middle"
        )
        yield _Fault("warning", what)


def _predicted(output: OutputStatistics, columns: Columns) -> tuple[Vector, Vector]:
    """Mean and deviation of the predictions beside each column; 0 where they are not known."""
    prediction, count = output.prediction, len(columns.index)
    if output.target is None or prediction.columns != output.target.columns:
        return np.zeros(count), np.zeros(count)
    mean, variance = prediction.mean[columns.index], prediction.variance[columns.index]
    finite = np.isfinite(mean) & np.isfinite(variance)
    return np.where(finite, mean, 0.0), np.sqrt(np.where(finite, variance, 0.0))


def _matched(columns: Columns, mean: Vector, deviation: Vector) -> NDArray[np.bool_]:
    """Columns on whose scale the predictions already are."""
    near = np.abs(mean - columns.mean) <= MATCHING_MEAN * columns.deviation
    above = deviation * MATCHING_DEVIATION >= columns.deviation
    below = deviation <= MATCHING_DEVIATION * columns.deviation
    return columns.varying & near & above & below
