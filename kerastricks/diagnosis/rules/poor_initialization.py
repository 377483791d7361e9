"""A start from which the signal shrinks or grows geometrically with depth.

With variance-preserving weights the standard deviation of a layer's output over the samples stays
the same through depth; Var(x) [n Var(w)] with n Var(w) away from 1 loses or amplifies it by a
constant factor per layer. Glorot and Bengio (2010), He, Zhang, Ren and Sun, "Delving Deep into
Rectifiers" (2015), section 2.2. The deviation over the samples is measured, not the raw size: a
sigmoid's output is always about 0.5, and what shrinks is the part that depends on the input.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median_high, median_low

import numpy as np

from kerastricks.diagnosis.activations import GATE
from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import LayerStatistics, Observation
from kerastricks.diagnosis.rules._window import Window

RANGE = 100.0
"""Alarm when the last hidden layer's signal is this much smaller or larger than the first's."""
CRITICAL_RANGE = 1e4
TREND = 10.0
"""The typical layer must account for this much of it: one odd layer is no trend."""
MINIMUM_LAYERS = 3
MINIMUM_SAMPLES = 8
"""Fewer samples have no deviation worth the name; one has none at all."""
_SMALLEST = 1e-12


def poor_initialization(window: Window) -> Iterator[Finding]:
    """Judge the start: the first observation, if it was made before the first update."""
    if not window[0].at_start or len(window) > 1:
        return
    hidden = _hidden(window[0])
    if len(hidden) < MINIMUM_LAYERS:
        return
    scales = [max(layer.scale, _SMALLEST) for layer in hidden]
    if not all(map(math.isfinite, scales)):
        return
    total = scales[-1] / scales[0]
    factors = [b / a for a, b in pairwise(scales)]
    factor = median_high(factors) if total < 1 else median_low(factors)
    trend = factor ** (len(scales) - 1)
    shrinks = total < 1 / RANGE and trend < 1 / TREND
    grows = total > RANGE and trend > TREND
    if not (shrinks or grows):
        return
    first = next(
        layer
        for layer, scale in zip(hidden, scales, strict=True)
        if (scale / scales[0] < 1 / RANGE if shrinks else scale / scales[0] > RANGE)
    )
    size = max(total, 1 / total)
    yield Finding(
        condition="poor_initialization",
        layer=first.path,
        severity="critical" if size > CRITICAL_RANGE else "warning",
        onset=0,
        message=(
            f"At the start the signal {'shrinks' if shrinks else 'grows'} by a factor of "
            f"{factor:.2g} a layer: its deviation is {scales[0]:.1e} at {hidden[0].path} and "
            f"{scales[-1]:.1e} at {hidden[-1].path}."
        ),
        remedy=_remedy(hidden),
        evidence={
            "factor_per_layer": factor,
            "ratio_last_to_first": total,
            "scale_per_layer": {layer.path: layer.scale for layer in hidden},
            "samples": hidden[0].samples,
            "healthy_ratio": [1 / RANGE, RANGE],
        },
    )


def _hidden(observation: Observation) -> list[LayerStatistics]:
    """The nonlinear hidden layers up to the first one in which no unit fires at all."""
    hidden: list[LayerStatistics] = []
    for layer in observation.layers:
        if layer.head or layer.activation is None or layer.activation.name in ("softmax", GATE):
            continue
        if layer.samples < MINIMUM_SAMPLES:
            continue
        if layer.active is not None and not np.any(layer.active > 0):
            break
        hidden.append(layer)
    return hidden


def _remedy(hidden: list[LayerStatistics]) -> str:
    names = {layer.activation.name for layer in hidden if layer.activation}
    if names & {"relu", "relu6", "leaky_relu", "prelu"}:
        return (
            "Start with kernel_initializer=kt.initializers.He(), which keeps the variance of "
            "rectified layers."
        )
    return (
        "Start with kernel_initializer=kt.initializers.Xavier(); a deep sigmoid network shrinks "
        "the signal even then, so use kt.layers.LeakyReLU() with kt.initializers.He(0.3)."
    )
