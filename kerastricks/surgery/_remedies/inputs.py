"""Inputs brought to mean 0 and variance 1 before the first kernel."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import ColumnStatistics, Vector
from kerastricks.surgery._edits import Edits, Make
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, treated

RANGE = 10.0
"""No column is divided by less than its range over this: normal ones have a range of 6 deviations.

A feature that is rarely on has a tiny deviation, and would dwarf all others where it is.
"""
SMALLEST = 1e-6
"""`keras.layers.Normalization` divides by no less than 1e-7."""


def scaled_inputs(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Put a layer with the data's own statistics in front of the first kernels."""
    seen: set[int] = set()
    for finding in findings:
        layer, data = (
            case.anatomy.layer(finding.layer),
            case.report.pool.inputs.get(str(finding.layer)),
        )
        if layer is None or not case.anatomy.can_insert_at(layer):
            yield omitted(finding, "Only the code of this model can put a layer in.")
            continue
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if case.anatomy.called_on_several(layer) and not isinstance(layer, keras.layers.RNN):
            yield omitted(
                finding,
                f"{layer.name} is called on several tensors, each with a scale of its own.",
            )
            continue
        if data is None:
            yield omitted(finding, "The report does not hold the statistics of its inputs.")
            continue
        name = case.anatomy.unused(f"{layer.name}_scaling")
        told, make = _scaling(layer, data, bool(finding.evidence.get("pixels")), name)
        yield treated([finding], told, Edits(before={id(layer): (make,)}))


def _scaling(layer: Any, data: ColumnStatistics, pixels: bool, name: str) -> tuple[str, Make]:
    dtype = keras.config.floatx()  # the data may not fit into half precision
    place = f"before {layer.name}"
    if pixels:
        return f"Rescaling(1 / 255) {place}", lambda: keras.layers.Rescaling(
            1 / 255, name=name, dtype=dtype
        )
    mean, deviation = floored(data)
    one = data.columns != data.shape[-1] if data.shape else True
    if one or getattr(layer, "data_format", None) == "channels_first":
        # One number for all columns: they are not told apart, or are no features.
        spread = np.mean(np.square(deviation) + np.square(mean - np.mean(mean)))
        mean, deviation = np.mean(mean, keepdims=True), np.sqrt(spread).reshape(1)
    offset, scale = -mean / deviation, 1 / deviation
    if float(deviation.min()) < SMALLEST:
        return f"Rescaling of {len(mean)} columns {place}", lambda: keras.layers.Rescaling(
            scale=_numbers(scale), offset=_numbers(offset), name=name, dtype=dtype
        )
    axis, variance = (None if len(mean) == 1 else -1), np.square(deviation)
    told = f"Normalization of {len(mean)} columns ({data.samples} samples) {place}"
    return told, lambda: keras.layers.Normalization(
        axis=axis, mean=_numbers(mean), variance=_numbers(variance), name=name, dtype=dtype
    )


def _numbers(values: Vector) -> Any:
    numbers = [float(value) for value in values]
    return numbers[0] if len(numbers) == 1 else numbers


def floored(data: ColumnStatistics) -> tuple[Vector, Vector]:
    """Mean and deviation of each column, such that nothing is divided by next to nothing.

    A column that has not varied yet is divided by what the widest column is divided by.
    """
    finite = np.isfinite(data.mean) & np.isfinite(data.variance)
    mean = np.where(finite, data.mean, 0.0)
    deviation = np.sqrt(np.where(finite, data.variance, 0.0))
    spread = np.where(finite, data.maximum - data.minimum, 0.0)
    deviation = np.maximum(deviation, spread / RANGE)
    varying = spread > 0
    widest = float(np.max(deviation[varying], initial=0.0)) or 1.0
    return mean, np.where(varying, deviation, widest)
