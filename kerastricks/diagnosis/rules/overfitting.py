"""A validation loss that has risen for good while the training loss went on falling.

From its minimum on the network learns the training data and nothing beyond them. What is compared
is the generalization loss E / E_min - 1 of Prechelt, "Early Stopping - But When?" (1998), against
the scatter of the validation loss around its own course; its second differences tell that scatter
apart from a fall or a rise. The minimum is taken of medians of three epochs: a single lucky epoch
makes every later one look worse.
"""

import math
from collections.abc import Iterator

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Epoch, Vector
from kerastricks.diagnosis.rules._window import Window

LATER_EPOCHS = 3
"""Epochs past the minimum that it takes, and epochs at the end that must all be worse than it."""
RISE = 0.2
"""Alarm when the validation loss is above its minimum by this share of it.

Synthetic plateaus of 100 epochs that wander by 3 %, each epoch correlated 0.8 with the one before,
fired in 0 of 200 runs, and in 6 at a share of 0.1; a rise of 3 % an epoch is told up to 5 epochs
later for it.
"""
SCATTER = 5.0
"""The rise must also be this many standard deviations of the validation loss' scatter."""
GAIN_SHARE = 0.02
"""The rise must also undo this share of what training has gained since the first epoch.

A loss that fell from 2 to 0.001 and rose to 0.002 is a converged network; a loss that may be
negative has no zero to take shares of.
"""
LEARNED = 0.1
"""The training loss must have fallen by this share since the epoch with the minimum."""
UNSETTLED = 0.05
"""Epochs do not count while this much of a moving average is still its initial value.

The validation loss of a batch normalization's first epochs rises and falls with its averages.
"""


def overfitting(window: Window) -> Iterator[Finding]:
    """Judge the epochs whenever one has been added."""
    last = window[-1]
    if len(window) > 1 and len(last.epochs) <= len(window[-2].epochs):
        return
    epochs = _judged(window)
    if len(epochs) <= LATER_EPOCHS:
        return
    training = np.array([epoch.loss for epoch in epochs])
    validation = np.array([epoch.validation_loss for epoch in epochs], float)
    best = int(np.argmin(validation))
    level = float(np.min(_medians(validation)))
    scatter = _scatter(validation)
    margin = max(
        RISE * abs(level),
        GAIN_SHARE * (max(validation[0], training[0]) - level),
        SCATTER * scatter,
    )
    trained = float(np.median(training[-LATER_EPOCHS:]))
    if (
        len(epochs) - 1 - best < LATER_EPOCHS
        or np.min(validation[-LATER_EPOCHS:]) <= level + margin
        or trained > training[best] - LEARNED * abs(training[best])
        or validation[-1] <= training[-1]
    ):
        return
    number = last.epochs.index(epochs[best]) + 1
    yield Finding(
        condition="overfitting",
        layer=None,
        severity="warning",  # of a classifier whose loss rises, the accuracy often does not fall
        onset=epochs[best].step,
        message=(
            f"Since epoch {number} the validation loss rose from {validation[best]:.3g} to "
            f"{validation[-1]:.3g}, while the training loss fell from {training[best]:.3g} to "
            f"{training[-1]:.3g}: the network learns the training data by heart."
        ),
        remedy=(
            'Stop there: keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, '
            "restore_best_weights=True). To get further: kt.layers.Dropout(0.3), "
            "keras.optimizers.AdamW(weight_decay=0.01), kt.augment.Pipeline for images, or more "
            "data."
        ),
        evidence={
            "best_epoch": number,
            "epochs": len(last.epochs),
            "best_validation_loss": float(validation[best]),
            "validation_loss": float(validation[-1]),
            "training_loss_at_best": float(training[best]),
            "training_loss": float(training[-1]),
            "scatter": scatter,
            "healthy_validation_loss_below": level + margin,
        },
    )


def _judged(window: Window) -> list[Epoch]:
    """The epochs that were validated, with moving averages that mean something."""
    settled = _settled(window)
    return [
        epoch
        for epoch in window[-1].epochs
        if epoch.step >= settled
        and epoch.validation_loss is not None
        and math.isfinite(epoch.validation_loss)
        and math.isfinite(epoch.loss)
    ]


def _settled(window: Window) -> float:
    """The step from which on the slowest moving average has forgotten where it started."""
    alphas = [seen.alpha for seen in window[0].normalizations if 0 < seen.alpha < 1]
    if not alphas or not window[0].at_start:
        return 0.0
    return math.log(UNSETTLED) / math.log1p(-min(alphas))


def _medians(losses: Vector) -> Vector:
    return np.asarray(np.median(np.stack([losses[:-2], losses[1:-1], losses[2:]]), axis=0))


def _scatter(losses: Vector) -> float:
    """Standard deviation around a smooth course; second differences have six times its variance.

    From the median, which a few steep epochs do not move; 0.6745 is the median of |z| for a
    standard normal z.
    """
    return float(np.median(np.abs(np.diff(losses, 2)))) / (0.6745 * math.sqrt(6))
