"""Steps so large that the loss rises, and does not come down again.

About a thousandth is a healthy size of an update relative to its weight (CS231n course notes,
"Ratio of weights:updates"); the actual one is measured, after optimizer, clipping and weight decay.
Large updates alone are no fault: networks with batch normalization learn well with a twentieth, and
the first steps of Adam are large. So the loss must have suffered as well: it runs away at once; or,
some time after large steps, it has risen above its start and not come far below it since, or it
stands where it began without a gradient.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.rules._learning import (
    HEALTHY_UPDATE,
    STRETCH,
    UPDATE,
    constant_cost,
    losses_of,
    median_update,
    sensitivity_of,
    too_large_by,
)
from kerastricks.diagnosis.rules._window import Window

RUNAWAY = 30.0
"""The loss runs away when two observations in a row show this many times its reference.

The reference is the first loss, or what a constant answer costs, whichever is larger.
"""
RISE = 1.5
"""The loss has risen when two observations since then show this many times its reference."""
LEVEL = 0.5
"""It has come down since when its median is below this share of the reference."""
FLAT = 0.9
"""It stands still when its median is above this share of what a constant answer costs."""
SENSITIVITY = 1e-3
"""There is no gradient when the best kernel's |g| |w|, relative to the loss, is below this.

Fresh networks show 0.1 to 10, trained ones more; those that large steps killed show 0.
"""
MINIMUM_LOOKS = 48
"""Observations since the large steps after which the loss should have come down."""
RECENT = 8
"""Newest observations over which the median is taken."""
MINIMUM_EXAMPLES = 8
"""Batches smaller than this have too noisy a loss to be judged by."""


def learning_rate_too_high(window: Window) -> Iterator[Finding]:
    """Find that large steps made the loss rise, or ended the learning."""
    losses = losses_of(window)
    reference = _reference(window)
    runaway = len(losses) > 1 and all(
        math.inf > loss >= RUNAWAY * reference for loss in losses[-2:]
    )
    # The losses first: those of a network that learns acquit it.
    if not (reference > 0 and (runaway or median(losses[-RECENT:]) >= LEVEL * reference)):
        return
    updates = [median_update(observation) for observation in window]
    start = _first_stretch(updates)
    if start is None:
        return
    since = losses[start:]
    recent, highest = median(since[-RECENT:]), max(since)
    if runaway:
        what = f"the loss runs away, from {losses[0]:.3g} to {losses[-1]:.3g}"
    elif len(since) < MINIMUM_LOOKS or not all(map(math.isfinite, since)):
        return
    elif sorted(since)[-2] >= RISE * reference:
        what = f"the loss rose from {losses[0]:.3g} to {highest:.3g} and is {recent:.3g} now"
    elif recent >= FLAT * _chance(window, reference) and _is_dead(window[-1]):
        what = f"the loss stands at {recent:.3g}, {losses[0]:.3g} at first, without a gradient now"
    else:
        return
    onset = window[start].step
    update = float(np.mean(updates[start : start + STRETCH]))
    factor = too_large_by(update)
    yield Finding(
        condition="learning_rate_too_high",
        layer=None,
        severity=(
            "critical" if runaway or recent >= FLAT * _chance(window, reference) else "warning"
        ),
        onset=onset,
        message=(
            f"From step {onset} on, steps changed the kernels by {update:.2g} of their size, where "
            f"{HEALTHY_UPDATE:.0e} is usual, and {what}."
        ),
        remedy=(
            f"Start again with a learning rate about {factor} times smaller than "
            "float(model.optimizer.learning_rate), and clip gradients (clipnorm=1.0)."
        ),
        evidence={
            "update_ratio": update,
            "first_loss": losses[0],
            "highest_loss": highest,
            "recent_loss": recent,
            "reference_loss": reference,
            "observations": len(since),
            "healthy_update_ratio_below": UPDATE,
            "healthy_learning_rate_times": 1 / factor,
        },
    )


def _reference(window: Window) -> float:
    """The first loss or what a constant answer costs, the larger; NaN where batches are tiny."""
    examples = max((layer.examples for layer in window[0].layers), default=0)
    if examples < MINIMUM_EXAMPLES or window[0].loss is None:
        return math.nan
    costs = [constant_cost(window[0]), constant_cost(window[-1])]
    return max([window[0].loss, *(cost for cost in costs if math.isfinite(cost))])


def _chance(window: Window, reference: float) -> float:
    """What a constant answer costs now; the reference where that is not known."""
    cost = constant_cost(window[-1])
    return min(reference, cost) if math.isfinite(cost) else reference


def _first_stretch(updates: Sequence[float]) -> int | None:
    """Where steps became large for the first time; None where they never did."""
    for first in range(max(1, len(updates) - STRETCH + 1)):
        stretch = updates[first : first + STRETCH]
        if float(np.mean(stretch)) >= UPDATE:
            return next(first + i for i, update in enumerate(stretch) if update >= UPDATE)
    return None


def _is_dead(observation: Observation) -> bool:
    return sensitivity_of(observation) < SENSITIVITY * (observation.loss or 0.0)
