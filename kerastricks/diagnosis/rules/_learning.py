"""What both rules on the learning rate measure: how far a step goes, and what has been learned."""

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from kerastricks.diagnosis.observation import (
    LayerStatistics,
    Observation,
    OutputStatistics,
    WeightStatistics,
)
from kerastricks.diagnosis.rules._window import Window, layer_at

HEALTHY_UPDATE = 1e-3
"""Usual size of a step relative to the weight (CS231n course notes, "Ratio of weights:updates")."""
USUAL = 1e-3
"""Learning rate in place of zero: the default of Keras' Adam."""
SMALL_START = 0.3
"""Kernels smaller than this share of a unit-gain kernel are judged as if they had that size."""
UPDATE = 0.05
"""Steps are large when the median kernel's update reaches this share of it, on average over:"""
STRETCH = 8
"""Observations in a row. A single step of 0.4, which may kill a network, is enough.

On digits and tumours, networks of all kinds show 0.002 to 0.06 here at usual learning rates (Adam
1e-3, SGD 0.1; 0.14 from kernels of zeros), 0.03 to 0.6 at ten times those, 0.08 and more at a
hundred times.
"""
LARGEST_FACTOR = 1000
"""What has run away says no more of how far the learning rate is off."""
SILENT_EXAMPLES = 200
"""Examples in a row without firing that make a unit dead which fired before."""


def size_of(kernel: WeightStatistics) -> float:
    """The kernel's norm, or that of a small start: unit gain means a norm of sqrt(units)."""
    return max(kernel.norm, SMALL_START * math.sqrt(kernel.units))


def updates_of(observation: Observation) -> list[float]:
    """The actual update of each kernel relative to its size."""
    return [kernel.update / size_of(kernel) for kernel in observation.kernels]


def median_update(observation: Observation) -> float:
    """The median kernel's update relative to the kernel; 0 where none is known."""
    return median([u for u in updates_of(observation) if math.isfinite(u)] or [0.0])


def too_large_by(update: float) -> int:
    """The power of ten by which steps of this size, 1e-3 of the weight or more, are too large."""
    return int(min(LARGEST_FACTOR, 10 ** math.floor(math.log10(update / HEALTHY_UPDATE))))


def rate_in_code(observation: Observation, times: float) -> str:
    """The learning rate that is so many times what it was, as the argument of an optimizer."""
    rate = observation.learning_rate
    if rate is None:
        return f"learning_rate={times:g} * float(model.optimizer.learning_rate)"
    better = float(f"{rate * times:.2g}") if rate else USUAL
    return f"learning_rate={better:g} (`fit` began with {rate:g})"


def sensitivity_of(observation: Observation) -> float:
    """The largest |g| |w| of a kernel; NaN without kernels."""
    return max(
        (kernel.gradient * size_of(kernel) for kernel in observation.kernels), default=math.nan
    )


def losses_of(window: Sequence[Observation]) -> list[float]:
    """The loss of each observation; NaN where it is not known."""
    return [math.nan if each.loss is None else each.loss for each in window]


def died_since_start(window: Window, layer: LayerStatistics, looks: int) -> int:
    """Units of a rectifier that fired at the start and on none of the newest examples."""
    seen = [layer_at(each, layer.path) for each in (window[0], *window[-looks:])]
    active = [each.active for each in seen if each is not None and each.active is not None]
    if len(active) < len(seen) or looks * layer.examples < SILENT_EXAMPLES:
        return 0
    return int(np.sum((active[0] > 0) & (np.max(active[1:], axis=0) == 0)))


def constant_cost(observation: Observation) -> float:
    """The loss of the best constant answer, over all outputs; NaN when it is not known."""
    costs = [_constant_cost(output) for output in observation.outputs]
    return sum(costs) if costs else math.nan


def _constant_cost(output: OutputStatistics) -> float:
    name = output.loss.name if output.loss else None
    if name in ("sparse_categorical_crossentropy", "categorical_crossentropy"):
        return math.log(output.units or 1) or math.nan
    if name == "binary_crossentropy":
        return math.log(2)
    if name == "mean_squared_error" and output.target is not None:
        return float(np.mean(output.target.variance))
    return math.nan
