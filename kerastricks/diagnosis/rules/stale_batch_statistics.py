"""Averages of a batch normalization that are far from what its input is now.

Inference normalizes with moving averages. They start at mean 0 and variance 1, of which
(1 - alpha)^t is left after t steps (Ioffe and Szegedy, "Batch Normalization" (2015), algorithm 2;
37 % after 100 steps of Keras' alpha of 0.01), and they follow weights that move fast from afar
(Wu and Johnson, "Rethinking 'Batch' in BatchNorm" (2021), section 3). Training does not notice;
a validation does. So the averages are judged when they are about to be used, against the batches
of the steps before: each channel's mean by the channel's deviation, its variance by its ratio.
A start that is not forgotten yet passes with further steps: in a validation on the way it is a
note, and more only when the training ends with it.
"""

import math
from collections.abc import Iterator
from statistics import median

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import NormalizationStatistics, Observation
from kerastricks.diagnosis.rules._window import Window, unbroken_run

DISTANCE = 0.3
"""Sick when means are this far off: mean over channels of the squared distance, in variances."""
RATIO = 2.0
"""Sick when variances are off by this factor, up or down: geometric mean over channels.

On digits, in batches of 32, averages that follow show distances up to 0.05 and ratios up to 1.25,
high learning rates included. Convolutional networks at a ratio of 2.2 classify 43 % instead of
90 %, dense ones at a distance of 0.5 have twice to five hundred times the loss.
"""
CRITICAL_DISTANCE = 10.0
CRITICAL_RATIO = 30.0
MINIMUM_LOOKS = 3
"""Observations over which this must have held without a break."""
LOOKS = 8
"""Newest observations whose median is reported: the statistics of a batch are noisy."""
MINIMUM_EXAMPLES = 16
"""Smaller batches are passed over: of n samples, the mean alone is 1 / n variances off."""
START = 0.01
"""Share of their start that averages may still hold when they are used."""


def stale_batch_statistics(window: Window) -> Iterator[Finding]:
    """Find batch normalizations whose averages are used while they are far off."""
    if not window[-1].closing:
        return
    judged = [observation for observation in window if _examples(observation) >= MINIMUM_EXAMPLES]
    if not judged:
        return
    last = judged[-1]
    for layer in last.normalizations:

        def sick(observation: Observation, path: str = layer.path) -> bool:
            return _sick(_off(_normalization_at(observation, path)))

        run = unbroken_run(judged, sick)
        if len(run) < MINIMUM_LOOKS:
            continue
        looks = [_off(_normalization_at(each, layer.path)) for each in run[-LOOKS:]]
        distance, ratio = (median(numbers) for numbers in zip(*looks, strict=True))
        left = (1 - layer.alpha) ** last.step if window[0].at_start else 0.0
        lags = left >= START and not _sick(_off(layer, left))
        if lags and (1 - layer.alpha) ** (window[-1].made or 0) < START:
            continue  # seen while it lagged, and not since
        critical = distance > CRITICAL_DISTANCE or ratio > CRITICAL_RATIO
        yield Finding(
            condition="stale_batch_statistics",
            layer=layer.path,
            severity=_severity(critical, passes=left >= START and not window[-1].over),
            onset=run[0].step,
            message=(
                f"The averages that inference uses are off: means by {math.sqrt(distance):.2g} "
                f"deviations, variances by a factor of {ratio:.2g}; "
                + (
                    f"after {last.step} steps they still hold {left:.0%} of where they began."
                    if lags
                    else f"the weights move faster than alpha={layer.alpha:.2g} follows."
                )
            ),
            remedy=_remedy(last.step, lags),
            evidence={
                "squared_distance": distance,
                "variance_ratio": ratio,
                "start_left": left,
                "alpha": layer.alpha,
                "steps": last.step,
                "observations": len(run),
                "healthy_squared_distance_below": DISTANCE,
                "healthy_variance_ratio_below": RATIO,
            },
        )


def _severity(critical: bool, *, passes: bool) -> str:
    if passes:
        return "note"
    return "critical" if critical else "warning"


def _remedy(steps: int, lags: bool) -> str:
    anew = "kt.surgery.recalibrate_batch_norm(model, dataset)"
    if not lags:
        return f"Measure them anew: {anew}; or let the learning rate fall towards the end."
    alpha = 1 - START ** (1 / steps)
    return (
        f'Use kt.layers.BatchNormalization(alpha={alpha:.2g}) or average="debiased", which are '
        f"free of their start by then; or measure them anew: {anew}."
    )


def _sick(off: tuple[float, float]) -> bool:
    distance, ratio = off
    return distance > DISTANCE or ratio > RATIO


def _examples(observation: Observation) -> int:
    return max((layer.examples for layer in observation.layers), default=0)


def _normalization_at(observation: Observation, path: str) -> NormalizationStatistics | None:
    return next((each for each in observation.normalizations if each.path == path), None)


def _off(layer: NormalizationStatistics | None, left: float = 0.0) -> tuple[float, float]:
    """How far means and variances are off, were the share `left` of the start taken out."""
    if layer is None or left == 1:
        return 0.0, 1.0
    with np.errstate(all="ignore"):  # what is not finite is not judged
        moving_mean = layer.moving_mean / (1 - left)
        moving = np.maximum(layer.moving_variance - left, 0) / (1 - left) + layer.epsilon
        batch = layer.batch_variance + layer.epsilon
        distances = np.square(moving_mean - layer.batch_mean) / batch
        logarithms = np.abs(np.log(moving / batch))
        # A channel that hardly varies stays at zero, whatever it is divided by.
        weights = layer.batch_variance / batch
    finite = np.isfinite(distances) & np.isfinite(logarithms) & np.isfinite(weights)
    if not finite.any():
        return 0.0, 1.0
    logarithm = np.sum((weights * logarithms)[finite]) / max(np.sum(weights[finite]), 1e-30)
    return float(np.mean(distances[finite])), math.exp(float(logarithm))
