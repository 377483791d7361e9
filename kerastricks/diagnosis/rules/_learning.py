"""What both rules on the learning rate measure: how far a step goes, and what has been learned."""

import math
from collections.abc import Sequence

import numpy as np

from kerastricks.diagnosis.observation import Observation, OutputStatistics, WeightStatistics

HEALTHY_UPDATE = 1e-3
"""Usual size of a step relative to the weight (CS231n course notes, "Ratio of weights:updates")."""
SMALL_START = 0.3
"""Kernels smaller than this share of a unit-gain kernel are judged as if they had that size."""


def size_of(kernel: WeightStatistics) -> float:
    """The kernel's norm, or that of a small start: unit gain means a norm of sqrt(units)."""
    return max(kernel.norm, SMALL_START * math.sqrt(kernel.units))


def updates_of(observation: Observation) -> list[float]:
    """The actual update of each kernel relative to its size."""
    return [kernel.update / size_of(kernel) for kernel in observation.kernels]


def sensitivity_of(observation: Observation) -> float:
    """The largest |g| |w| of a kernel; NaN without kernels."""
    return max(
        (kernel.gradient * size_of(kernel) for kernel in observation.kernels), default=math.nan
    )


def losses_of(window: Sequence[Observation]) -> list[float]:
    """The loss of each observation; NaN where it is not known."""
    return [math.nan if each.loss is None else each.loss for each in window]


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
