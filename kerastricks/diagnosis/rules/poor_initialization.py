"""A start from which the signal shrinks or grows on its way through the layers.

With variance-preserving weights the standard deviation of a layer's output over the samples stays
the same through depth; Var(x) [n Var(w)] with n Var(w) away from 1 loses or amplifies it by a
constant factor per layer. Glorot and Bengio (2010), He, Zhang, Ren and Sun, "Delving Deep into
Rectifiers" (2015), section 2.2. The deviation over the samples is measured, not the raw size: a
sigmoid's output is always about 0.5, and what shrinks is the part that depends on the input.

Two layers are no trend. They are sick when each loses twenty times, or when they amplify so much
that the model's first answers are absurd: a first loss far above ln C (Karpathy, "A Recipe for
Training Neural Networks", 2019), or predictions far larger than the targets. A normalization behind
large weights makes them harmless, and then neither is the case.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median_high, median_low
from typing import Any

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import LayerStatistics, Observation
from kerastricks.diagnosis.rules._answers import absurd_answers
from kerastricks.diagnosis.rules._signal import (
    deviation_of_inputs,
    growth_of_outputs,
    nonlinear_hidden,
)
from kerastricks.diagnosis.rules._window import Window

RANGE = 100.0
"""Alarm when the last hidden layer's signal is this much smaller or larger than the first's."""
CRITICAL_RANGE = 1e4
TREND = 10.0
"""The typical layer must account for this much of it: one odd layer is no trend."""
MINIMUM_LAYERS = 3
LOSS = 20.0
"""Two layers or more are sick when each of them loses this factor, counted from the inputs.

Even a sigmoid at Xavier's start loses 4 to 5 only, and kernels N(0, 0.01²) over 100 to 256 inputs,
which were usual once, 9 to 14.
"""
GROWTH = 10.0
"""Absurd answers are the start's fault when the outputs are this many times the inputs.

Sound starts make them 0.1 to 3 times the inputs.
"""
USUAL_EPSILON = 1e-2
"""Epsilons of normalizations are 1e-3 and less."""
_SMALLEST = 1e-12


def poor_initialization(window: Window) -> Iterator[Finding]:
    """Judge the start: the first observation, if it was made before the first update."""
    start = window[0]
    if not start.at_start or len(window) > 1:
        return
    hidden = nonlinear_hidden(start)
    if not all(math.isfinite(layer.scale) for layer in hidden):
        return
    found = (
        _trend(start, hidden)
        or _each_loses(start, hidden)
        or _grows(start, hidden)
        or _begins_far_off(start)
    )
    if found is not None:
        yield found


def _trend(start: Observation, hidden: list[LayerStatistics]) -> Finding | None:
    """Many layers, most of which change the signal by the same factor."""
    if len(hidden) < MINIMUM_LAYERS:
        return None
    scales = [max(layer.scale, _SMALLEST) for layer in hidden]
    total = scales[-1] / scales[0]
    factors = [b / a for a, b in pairwise(scales)]
    factor = median_high(factors) if total < 1 else median_low(factors)
    trend = factor ** (len(scales) - 1)
    shrinks = total < 1 / RANGE and trend < 1 / TREND
    grows = total > RANGE and trend > TREND
    if not (shrinks or grows):
        return None
    first = next(
        layer
        for layer, scale in zip(hidden, scales, strict=True)
        if (scale / scales[0] < 1 / RANGE if shrinks else scale / scales[0] > RANGE)
    )
    return _finding(
        start,
        hidden,
        first.path,
        total,
        f"At the start the signal {'shrinks' if shrinks else 'grows'} by a factor of {factor:.2g} "
        f"a layer: its deviation is {scales[0]:.1e} at {hidden[0].path} and {scales[-1]:.1e} at "
        f"{hidden[-1].path}.",
        {"factor_per_layer": factor, "healthy_ratio": [1 / RANGE, RANGE]},
    )


def _each_loses(start: Observation, hidden: list[LayerStatistics]) -> Finding | None:
    """Few layers, each of which shrinks the signal."""
    entered = deviation_of_inputs(start)
    scales = [entered, *(layer.scale for layer in hidden)]
    if len(hidden) < 2 or not all(0 < LOSS * b <= a for a, b in pairwise(scales)):
        return None
    return _finding(
        start,
        hidden,
        hidden[0].path,
        scales[-1] / entered,
        f"At the start each hidden layer shrinks the signal twentyfold or more: its deviation is "
        f"{entered:.1e} in the inputs and {scales[-1]:.1e} at {hidden[-1].path}.",
        {"healthy_factor_per_layer_above": 1 / LOSS},
    )


def _grows(start: Observation, hidden: list[LayerStatistics]) -> Finding | None:
    """Layers that amplify the signal until the answers are absurd."""
    absurd = absurd_answers(start)
    growth = growth_of_outputs(start) if absurd else 0.0
    if absurd is None or not growth >= GROWTH:
        return None
    largest = max(hidden, key=lambda layer: layer.scale, default=None)
    return _finding(
        start,
        hidden,
        largest.path if largest else start.kernels[-1].layer,
        growth,
        f"At the start the kernels make the outputs {growth:.2g} times as large as the inputs, and "
        f"{absurd.what}.",
        {**absurd.evidence, "growth": growth, "healthy_growth_below": GROWTH},
    )


def _begins_far_off(start: Observation) -> Finding | None:
    """Absurd answers that are not the doing of the kernels: worth knowing, and soon unlearned."""
    absurd = absurd_answers(start)
    if absurd is None or not start.kernels:
        return None
    return Finding(
        condition="poor_initialization",
        layer=start.kernels[-1].layer,
        severity="note",
        onset=0,
        message=f"At the start {absurd.what}: the first steps go to unlearning that.",
        remedy='Start the last layer with bias_initializer="zeros", or at the logarithms of the '
        "classes' shares, and scale what it gets, by kt.layers.BatchNormalization() before it.",
        evidence=absurd.evidence,
    )


def _finding(
    start: Observation,
    hidden: list[LayerStatistics],
    layer: str,
    ratio: float,
    message: str,
    evidence: dict[str, Any],
) -> Finding:
    return Finding(
        condition="poor_initialization",
        layer=layer,
        severity="critical" if max(ratio, 1 / ratio) > CRITICAL_RANGE else "warning",
        onset=0,
        message=message,
        remedy=_remedy(start, hidden),
        evidence={
            **evidence,
            "ratio_last_to_first": ratio,
            "scale_per_layer": {layer.path: layer.scale for layer in hidden},
            "samples": max((layer.samples for layer in start.layers), default=0),
        },
    )


def _remedy(start: Observation, hidden: list[LayerStatistics]) -> str:
    for layer in start.normalizations:
        variance = float(np.median(layer.batch_variance))
        if layer.epsilon > max(variance, USUAL_EPSILON):
            return (
                f"Set the epsilon of {layer.path} to 1e-3: it is {layer.epsilon:g}, more than the "
                f"variance of {variance:.2g} that it is added to."
            )
    names = {layer.activation.name for layer in hidden if layer.activation}
    if "softmax" in names:
        return (
            "Keep softmax for the output: use kt.layers.LeakyReLU() with kt.initializers.He(0.3)."
        )
    if names & {"relu", "relu6", "leaky_relu", "prelu"}:
        return (
            "Start with kernel_initializer=kt.initializers.He(), which keeps the variance of "
            "rectified layers."
        )
    return (
        "Start with kernel_initializer=kt.initializers.Xavier(); a deep sigmoid network shrinks "
        "the signal even then, so use kt.layers.LeakyReLU() with kt.initializers.He(0.3)."
    )
