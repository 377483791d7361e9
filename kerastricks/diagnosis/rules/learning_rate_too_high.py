"""Steps so large that the loss rises and does not come down again, or that units die of them.

About a thousandth is a healthy size of an update relative to its weight (CS231n course notes,
"Ratio of weights:updates"); the actual one is measured, after optimizer, clipping and weight decay.
Large updates alone are no fault: networks with batch normalization learn well with a twentieth, and
the first steps of Adam are large. So the network must have suffered as well: the loss runs away at
once; or, some time after large steps, it has risen above its start and not come far below it since,
or it stands where it began without a gradient, or half of a layer's units have died.

Momentum adds up steps that look small one by one: where a network had learned, and has fallen back
to where it began without a gradient, a step that is merely high is enough.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.rules._learning import (
    HEALTHY_UPDATE,
    STRETCH,
    UPDATE,
    constant_cost,
    died_since_start,
    losses_of,
    median_update,
    rate_in_code,
    sensitivity_of,
    too_large_by,
)
from kerastricks.diagnosis.rules._window import Window

RUNAWAY = 30.0
"""The loss runs away when two observations in a row show this many times its reference.

The reference is the first loss, or what a constant answer costs, whichever is larger. NaN or
infinity may take the second one's place.
"""
OVERWRITES = 1.0
"""A step of this size has overwritten the kernels: NaN or infinity right after it is its doing."""
HIGH_UPDATE = 0.01
"""A step of this size is high (CS231n): enough where what had been learned is lost."""
RISE = 1.5
"""The loss has risen when two observations since then show this many times its reference.

Single batches are noisy: the second highest loss of 122 healthy runs is 1.37 times it at most, that
of runs which large steps have spoiled 1.7 times and more. Nor is it a rise where a constant answer
to that batch costs as much: the squared error of rare large targets comes and goes with them. Where
that is not known, as of absolute errors, the mean of `RECENT` losses must show it.
"""
LEVEL = 0.5
"""It has come down since when its median is below this share of the reference.

121 of those healthy runs end below 0.42, the last one at 0.63; the spoiled ones at 0.69 and more.
"""
FLAT = 0.9
"""It stands still when its median is above this share of what a constant answer costs.

The healthy runs end at 0.69 of it at most, those without a gradient at 0.98 and more.
"""
SENSITIVITY = 1e-3
"""There is no gradient when the best kernel's |g| |w|, relative to the loss, is below this.

Fresh networks show 0.1 to 10, trained ones more; those that large steps killed show 0.
"""
MINIMUM_LOOKS = 48
"""Observations since the large steps after which the loss should have come down.

Half of the healthy runs are below `LEVEL` after 31, three of four after 48.
"""
RECENT = 8
"""Newest observations over which the median is taken, and over which a dead unit is silent.

The highest loss among as many is twice their median in half of the healthy runs, ten times in one.
"""
KILLED = 0.5
"""Share of a layer's units that must have died; those that never fired do not count."""
MINIMUM_EXAMPLES = 8
"""Batches smaller than this have too noisy a loss to be judged by."""


def learning_rate_too_high(window: Window) -> Iterator[Finding]:
    """Find that large steps made the loss rise, ended the learning, or killed units."""
    losses = losses_of(window)
    reference = _reference(window)
    if not reference > 0:
        return
    runaway = _runs_away(window, losses, reference)
    stands = runaway or median(losses[-RECENT:]) >= LEVEL * reference
    killed = _killed(window)
    # Steps are looked at last: the losses of a network that learns acquit it, unless units died.
    if not (stands or killed):
        return
    chance = _chance(window, reference)
    lost = stands and not runaway and _has_lost_all(window, losses, chance)
    updates = [median_update(observation) for observation in window]
    start = _first_stretch(updates, UPDATE)
    if start is None and lost and sum(loss <= LEVEL * chance for loss in losses) > 1:
        start = _first_stretch(updates, HIGH_UPDATE)
    if start is None:
        return
    since = losses[start:]
    recent, highest = median(since[-RECENT:]), max(since)
    if runaway:
        what = f"the loss runs away, from {losses[0]:.3g} to {losses[-1]:.3g}"
    elif not all(map(math.isfinite, since)):
        return
    elif len(since) >= MINIMUM_LOOKS and stands and _has_risen(window[start:], reference):
        what = f"the loss rose from {losses[0]:.3g} to {highest:.3g} and is {recent:.3g} now"
    elif len(since) >= MINIMUM_LOOKS and lost:
        what = f"the loss stands at {recent:.3g}, {losses[0]:.3g} at first, without a gradient now"
    elif killed and len(since) > RECENT:
        what = f"{killed}, which fired at first, are dead"
    else:
        return
    onset = window[start].step
    update = float(np.mean(updates[start : start + STRETCH]))
    factor = too_large_by(update)
    yield Finding(
        condition="learning_rate_too_high",
        layer=None,
        severity=("critical" if runaway or recent >= FLAT * chance else "warning"),
        onset=onset,
        message=(
            f"From step {onset} on, steps changed the kernels by {update:.2g} of their size, where "
            f"{HEALTHY_UPDATE:.0e} is usual, and {what}."
        ),
        remedy=(
            "Start again, in the optimizer, with "
            f"{rate_in_code(window[-1], 1 / factor)} and clipnorm=1.0."
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


def _runs_away(window: Window, losses: Sequence[float], reference: float) -> bool:
    """True when the newest two losses are beyond all measure, or a step ended in NaN."""
    if len(losses) < 2 or not math.isfinite(losses[-2]):
        return False
    before, last = losses[-2:]
    if not math.isfinite(last) and median_update(window[-2]) >= OVERWRITES:
        return True
    limit = RUNAWAY * reference
    return before >= limit and (last >= limit or not math.isfinite(last))


def _has_risen(since: Window, reference: float) -> bool:
    """True when losses are far above the start, and it is not their batches that cost so much."""
    high = [each for each in since if each.loss is not None and each.loss >= RISE * reference]
    if len(high) < 2:
        return False
    costs = [constant_cost(each) for each in high]
    if not all(map(math.isfinite, costs)):
        # What a batch costs by itself is not known: it has to come out in the mean of several.
        means = np.convolve(losses_of(since), np.full(RECENT, 1 / RECENT), "valid")
        return bool(np.max(means) >= RISE * reference)
    pairs = zip(high, costs, strict=True)
    return sum((each.loss or 0.0) >= RISE * cost for each, cost in pairs) > 1


def _has_lost_all(window: Window, losses: Sequence[float], chance: float) -> bool:
    """True when the loss stands where a constant answer is, without a gradient."""
    dead = sensitivity_of(window[-1]) < SENSITIVITY * (window[-1].loss or 0.0)
    return dead and median(losses[-RECENT:]) >= FLAT * chance


def _killed(window: Window) -> str | None:
    """Name the units that have died since the start, where they are half of a layer."""
    for layer in window[-1].layers:
        # One look at the newest batch spares most layers the others.
        if layer.head or layer.active is None or np.mean(layer.active == 0) < KILLED:
            continue
        count = died_since_start(window, layer, RECENT)
        if count >= KILLED * layer.units:
            return f"{count} of {layer.units} units of {layer.path}"
    return None


def _first_stretch(updates: Sequence[float], large: float) -> int | None:
    """Where steps became large for the first time; None where they never did."""
    for first in range(max(1, len(updates) - STRETCH + 1)):
        stretch = updates[first : first + STRETCH]
        if float(np.mean(stretch)) >= large:
            return next(first + i for i, update in enumerate(stretch) if update >= large)
    return None
