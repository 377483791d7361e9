"""Hidden layers whose outputs all lie on one side of zero.

The gradient of a unit's incoming weights is its error times the inputs: where these are all
positive, so that all its weights can only grow or shrink together, the way to the minimum is a
zigzag. LeCun, Bottou, Orr and Müller, "Efficient BackProp" (1998), sections 4.3 and 4.4, where a
sigmoid's mean of 0.5 speaks for tanh; Glorot and Bengio, "Understanding the difficulty of training
deep feedforward neural networks" (2010), section 3.1. A note only: networks do train this way.
"""

from collections.abc import Iterator

import numpy as np

from kerastricks.diagnosis.activations import GATE
from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import LayerStatistics, Vector
from kerastricks.diagnosis.rules._window import Window, layer_at

DEVIATIONS = 3.0
"""A unit lies to one side when its mean is more than this many deviations away from zero.

ReLU of a standard normal has 0.40 / 0.58 = 0.68; at 3, a normal unit changes its sign on one
sample in 740.
"""
LAYER_FRACTION = 0.5
"""A layer is off center when more than this fraction of its units is, and no mean opposes them."""
MINIMUM_EXAMPLES = 32
"""Examples that mean and deviation rest on; the first observations are put together for them."""
_MEANT_SO = ("softmax", GATE)
"""Weights of a sum or a product, not a signal of their own."""


def not_zero_centered(window: Window) -> Iterator[Finding]:
    """Judge the hidden layers once, when enough examples have been seen."""
    for layer in window[-1].layers:
        if layer.head or layer.activation is None or layer.activation.name in _MEANT_SO:
            continue
        seen = _seen(window, layer)
        examples = sum(each.examples for each in seen)
        if examples < MINIMUM_EXAMPLES:
            continue
        if not (layer.units and all(map(_finite, seen))):
            continue
        mean, deviation = _pooled(seen)
        aside = float(np.mean(np.abs(mean) > DEVIATIONS * deviation))
        one_sided = aside > LAYER_FRACTION and (np.all(mean >= 0) or np.all(mean <= 0))
        nonnegative = layer.activation.bounded and layer.activation.low >= 0
        if not (one_sided or nonnegative):
            continue
        sign = "negative" if np.all(mean <= 0) else "positive"
        yield Finding(
            condition="not_zero_centered",
            layer=layer.path,
            severity="note",
            onset=window[0].step,
            message=(
                f"The {layer.units} {layer.activation.name} units put out {sign} numbers around "
                f"{float(np.mean(mean)):.2g} with a deviation of {float(np.mean(deviation)):.2g} "
                f"({examples} examples): all weights of a unit behind them get gradients of the "
                "same sign."
            ),
            remedy=(
                'Use activation="tanh", or kt.layers.BatchNormalization() and then '
                "kt.layers.LeakyReLU()."
            ),
            evidence={
                "mean": float(np.mean(mean)),
                "deviation": float(np.mean(deviation)),
                "fraction_aside": aside,
                "units": layer.units,
                "examples": examples,
                "healthy_mean_below_deviations": DEVIATIONS,
                "healthy_fraction_below": LAYER_FRACTION,
            },
        )


def _seen(window: Window, layer: LayerStatistics) -> list[LayerStatistics]:
    """The layer in each observation in which it ran; empty once enough had been seen before."""
    seen: list[LayerStatistics] = []
    examples = 0
    for observation in window:
        if examples >= MINIMUM_EXAMPLES:
            return []
        each = layer_at(observation, layer.path)
        if each is not None and each.units == layer.units:
            seen.append(each)
            examples += each.examples
    return seen


def _finite(layer: LayerStatistics) -> bool:
    return bool(np.isfinite(layer.mean).all() and np.isfinite(layer.variance).all())


def _pooled(seen: list[LayerStatistics]) -> tuple[Vector, Vector]:
    """Mean and deviation of each unit over several observations."""
    weights = np.array([each.samples for each in seen], float)
    means = np.stack([each.mean for each in seen])
    squares = np.stack([each.variance for each in seen]) + np.square(means)
    mean = np.average(means, axis=0, weights=weights)
    variance = np.average(squares, axis=0, weights=weights) - np.square(mean)
    return mean, np.sqrt(np.maximum(variance, 0.0))
