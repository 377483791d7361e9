"""What becomes of the signal on its way through the layers, before the first update."""

import math

import numpy as np

from kerastricks.diagnosis.activations import GATE
from kerastricks.diagnosis.observation import LayerStatistics, Observation, WeightStatistics

MINIMUM_SAMPLES = 8
"""Fewer samples have no deviation worth the name; one has none at all."""
SATURATED = 0.9
"""Share of the samples on which a unit is saturated that is saturated altogether."""


def nonlinear_hidden(observation: Observation) -> list[LayerStatistics]:
    """The nonlinear hidden layers up to the first that is dead or saturated altogether."""
    hidden: list[LayerStatistics] = []
    for layer in observation.layers:
        if layer.head or layer.activation is None or layer.samples < MINIMUM_SAMPLES:
            continue
        weighs = layer.activation.name == "softmax" and layer.source is None
        if weighs or layer.activation.name == GATE:
            continue  # it weighs other signals, as in attention
        dead = layer.active is not None and not np.any(layer.active > 0)
        saturated = layer.saturated is not None and np.all(layer.saturated >= SATURATED)
        if dead or saturated:
            break
        hidden.append(layer)
    return hidden


def deviation_of_inputs(observation: Observation) -> float:
    """The least deviation over the samples of what goes into a first kernel; 0 where unknown."""
    variances = (float(np.mean(each.data.variance)) for each in observation.inputs)
    return math.sqrt(min(variances, default=0.0))


def growth_of_outputs(observation: Observation) -> float:
    """Size of what the last kernel puts out relative to what goes into the first.

    It cannot be seen behind a softmax, and is taken as the size of what goes in times the kernel's
    gain, as for inputs that are not correlated. Where the inputs' size is not known, as before an
    embedding, the first layer's outputs stand for them. NaN where there is no such kernel.
    """
    layers = [layer for layer in observation.layers if not layer.head]
    heads = [layer for layer in observation.layers if layer.head]
    last = {path for layer in heads for path in (layer.source, layer.path)}
    gains = [_gain(kernel) for kernel in observation.kernels if kernel.layer in last]
    sizes = [each.data.size for each in observation.inputs] or [_size(x) for x in layers[:1]]
    if not gains or not max(sizes, default=0.0) > 0:
        return math.nan
    grown = _size(layers[-1]) / max(sizes) if layers else 1.0
    return grown * max(gains)


def _gain(kernel: WeightStatistics) -> float:
    """Size of its outputs for uncorrelated inputs of size one."""
    return kernel.norm / math.sqrt(kernel.units)


def _size(layer: LayerStatistics) -> float:
    """Root mean square of what a layer puts out."""
    return math.sqrt(float(np.mean(layer.variance + np.square(layer.mean))))
