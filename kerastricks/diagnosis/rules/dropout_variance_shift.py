"""Dropout in front of a batch normalization, which so learns a variance that inference never has.

Dropout divides what it keeps by the share that it keeps, so that means stay; variances grow. A
batch normalization behind it averages the variance of training and divides by its root at
inference, where the signal varies less. Directly behind dropout, units of mean m and variance v
that are kept with probability p have at inference the share

    shift = v / ((m^2 + v) / p - m^2)

of the variance of training. Behind a kernel with random weights, too, where sums over the units
take the place of v and m^2, as far as units are uncorrelated: see
`kerastricks.theory.dropout_variance_shift`. Li, Chen, Hu and Yang, "Understanding the Disharmony
between Dropout and Batch Normalization by Variance Shift" (2019).
"""

import math
from collections.abc import Iterator

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import DropoutStatistics, Observation, Vector
from kerastricks.diagnosis.rules._window import Window

SHIFT = 0.55
"""Warning when inference has less than this share of the variance of training.

The outputs then shrink below 0.74 of those of training. Units around zero reach it at a rate of
0.45, normalized units behind ReLU (m = 0.40, v = 0.34) at one of 0.35. At 0.3 both are above, and
on digits, wines and tumours averages measured anew with dropout off change an accuracy by 2 % at
most there, and the loss by an eighth; at 0.5 and more, the loss falls by a fifth to a half.
"""
NOTE_SHIFT = 0.8
"""Worth a note below this share: normalized units behind ReLU reach it at a rate of 0.15."""
MINIMUM_EXAMPLES = 32
"""Examples that mean and variance rest on; small batches are put together."""
VARYING = 1e-6
"""A unit varies when its variance is above this share of its mean square: float32 rounding."""


def dropout_variance_shift(window: Window) -> Iterator[Finding]:
    """Find batch normalizations whose averages are off at inference because of dropout."""
    examples = 0
    for observation in window:
        if examples >= MINIMUM_EXAMPLES:
            return  # it lies in how the model is built, and has been judged
        examples += _examples(observation)
    if examples < MINIMUM_EXAMPLES:
        return
    worst: dict[str, tuple[float, int, DropoutStatistics]] = {}
    for dropout in window[-1].dropouts:
        shift, units = _shift(window, dropout)
        if shift < min(NOTE_SHIFT, worst.get(dropout.normalization, (math.inf,))[0]):
            worst[dropout.normalization] = shift, units, dropout
    for shift, units, dropout in worst.values():
        through = f", through {' and '.join(dropout.between)}," if dropout.between else ""
        yield Finding(
            condition="dropout_variance_shift",
            layer=dropout.normalization,
            severity="warning" if shift < SHIFT else "note",
            onset=0,
            message=(
                f"{dropout.path} in front of it{through} drops {dropout.rate:.0%} of {units} "
                f"units: at inference its input has about {shift:.2g} of the variance that it "
                f"learns, and its outputs shrink to {math.sqrt(shift):.2g} of those of training."
            ),
            remedy=(
                "Move the dropout behind the last batch normalization, or measure the averages "
                "after training with dropout off: "
                "kt.surgery.recalibrate_batch_norm(model, dataset)."
            ),
            evidence={
                "dropout": dropout.path,
                "rate": dropout.rate,
                "between": list(dropout.between),
                "shift": shift,
                "units": units,
                "examples": examples,
                "healthy_shift_above": NOTE_SHIFT,
            },
        )


def _examples(observation: Observation) -> int:
    return max((layer.examples for layer in observation.layers), default=0)


def _shift(window: Window, dropout: DropoutStatistics) -> tuple[float, int]:
    """Variance at inference over that in training, and the number of units that it rests on."""
    keep = 1 - dropout.rate
    mean, variance = _pooled(window, dropout)
    seen = np.isfinite(mean) & np.isfinite(variance)
    varying = seen & (variance > VARYING * np.square(mean))
    if not (0 < keep < 1 and varying.any()):
        return 1.0, 0
    # A kernel mixes the noise of constant units into its sums; directly behind, each stays alone.
    judged = seen if dropout.between else varying
    mean, variance = mean[judged], variance[judged]
    training = variance + (np.square(mean) + variance) * (1 - keep) / keep
    if dropout.between:
        return float(np.sum(variance) / np.sum(training)), len(mean)
    return float(np.median(variance / training)), len(mean)


def _pooled(window: Window, dropout: DropoutStatistics) -> tuple[Vector, Vector]:
    """Mean and variance of each unit over all examples of the window."""
    looks = [
        (_examples(observation), seen)
        for observation in window
        for seen in observation.dropouts
        if (seen.path, seen.normalization) == (dropout.path, dropout.normalization)
        and len(seen.mean) == len(dropout.mean)
    ]
    weights = [examples for examples, _ in looks]
    means = [np.where(np.isfinite(seen.mean), seen.mean, np.nan) for _, seen in looks]
    mean = np.average(means, axis=0, weights=weights)
    squares = [
        seen.variance + np.square(each - mean) for each, (_, seen) in zip(means, looks, strict=True)
    ]
    return mean, np.average(squares, axis=0, weights=weights)
