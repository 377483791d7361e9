"""Regression targets of any scale, from a head whose own outputs are of order 1."""

from typing import Any

import keras
import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import ColumnStatistics, Vector
from kerastricks.surgery._compile_changes import CompileChanges
from kerastricks.surgery._edits import Edits
from kerastricks.surgery._remedies._case import Case
from kerastricks.surgery._remedies.inputs import floored

UNIT = 3.0
"""Targets of mean and deviation below this, and of a deviation above its inverse, stay as they are.

A fresh linear output gives values of order 1.
"""
UNEVEN = 10.0
"""Columns whose deviations differ by more than this are not alike to one loss."""


def rescaled_output(
    case: Case, finding: Finding, loss: str, *, shifted: bool = True
) -> tuple[Edits | None, str]:
    """The edits that scale an output back to its targets, and what they do.

    The loss still compares in the targets' unit, so its weight is divided by the unit that it has:
    the gradients that reach the head are those of standardized targets.

    Args:
        case: The sick model.
        finding: The finding at the output.
        loss: Name of its loss.
        shifted: Whether the targets' mean is added, too. What an activation keeps above zero stays
            there without it.

    Returns:
        None, and the reason, where it cannot be done.
    """
    layer = case.anatomy.layer(finding.layer)
    data = case.report.pool.targets.get(str(finding.layer))
    number = None if layer is None else case.outputs.number(layer.name)
    if layer is None or number is None or not case.anatomy.can_insert_at(layer):
        return None, "Only the code of this model can put a layer behind its output."
    if not case.anatomy.is_only_an_output(layer):
        return None, f"What {layer.name} puts out is used elsewhere, too, in the scale that it has."
    if data is None:
        return None, "The report does not hold the statistics of its targets."
    if not case.compiles:
        return None, "The model has a `compile` of its own, whose loss weights are not known."
    mean, deviation = floored(data)
    if not shifted:
        mean, deviation = np.zeros_like(mean), np.hypot(mean, deviation)
    mean, deviation = _rounded(mean), _rounded(deviation)
    name = case.anatomy.unused(f"{layer.name}_scaling")

    def make() -> keras.Layer:
        return keras.layers.Rescaling(
            _numbers(deviation), _numbers(mean), name=name, dtype=keras.config.floatx()
        )

    edits = Edits(
        after={id(layer): (make,)},
        compile=CompileChanges(loss_weights={number: _weight(loss, deviation)}),
    )
    told = f"Rescaling({_shown(deviation)}, {_shown(mean)}) behind {layer.name}, loss weighted"
    if deviation.max() > UNEVEN * deviation.min():
        told += "; the loss still sees the widest column most: standardize y for the others"
    return edits, told


def begin_at_zero(data: ColumnStatistics) -> bool:
    """Whether targets have the floor that a rectifier has: none below zero, the least next to it.

    Next to zero is within a deviation of it; a twentieth below it passes for noise.
    """
    _, deviation = floored(data)
    finite = np.where(np.isfinite(data.minimum), data.minimum, 0.0)
    return bool(np.all((-0.05 * deviation <= finite) & (finite <= deviation)))


def is_off_scale(data: ColumnStatistics) -> bool:
    """Whether targets are far from what a fresh linear output gives."""
    mean, deviation = floored(data)
    return bool(np.max(np.hypot(mean, deviation)) > UNIT or np.max(deviation) < 1 / UNIT)


def _weight(loss: str, deviation: Vector) -> float:
    """What the loss is multiplied with, such that it is of order 1."""
    linear = loss == "mean_absolute_error" or (
        loss in ("huber", "log_cosh") and float(deviation.mean()) > 1
    )
    return float(f"{1 / np.mean(deviation if linear else np.square(deviation)):.4g}")


def _rounded(values: Vector) -> Vector:
    """To four digits, which are as good, and can be read."""
    return np.array([float(f"{value:.4g}") for value in values])


def _numbers(values: Vector) -> Any:
    return float(values[0]) if len(values) == 1 else [float(value) for value in values]


def _shown(values: Vector) -> str:
    return f"{values[0]:g}" if len(values) == 1 else f"{len(values)} numbers"
