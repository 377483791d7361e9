"""Steps so small that a fresh model stays where it began.

About a thousandth is a healthy size of an update relative to its weight (CS231n course notes,
"Ratio of weights:updates"); the actual one is measured, after optimizer, clipping and weight decay.
Small updates alone are no fault: a model that has converged, or is fine-tuned, makes them too. So
the loss must still be what a constant answer costs (the logarithm of the number of classes, the
variance of the targets), must hardly fall, and must have a gradient that could make it fall. Where
that cost is not known, as for a loss of one's own, nothing is found.

How small, depends on how long one is to wait. Tiny steps are told at once; steps that are merely
small, when the data have been seen several times and no kernel can have come far: the path is the
sum of all updates relative to the kernel, more than which it cannot have moved.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.rules._learning import (
    HEALTHY_UPDATE,
    constant_cost,
    losses_of,
    rate_in_code,
    sensitivity_of,
    updates_of,
)
from kerastricks.diagnosis.rules._window import Window

UPDATE = 5e-5
"""Told at once when every kernel's update, relative to the kernel, has been below this share of it.

The largest of the kernels and steps is 4e-3 to 0.2 on digits and tumours at usual learning rates
(Adam 1e-3, SGD 0.1), 7e-4 to 3e-3 at a tenth of those, 3e-6 to 1e-4 at a thousandth.
"""
SLOW = 3e-4
"""Told when the data have been seen this many times and the updates are below this share:"""
EPOCHS = 3
PATH = 0.1
"""In neither case may a kernel have covered more than this share of its size.

Networks that have learned something covered 0.11 and more.
"""
MINIMUM_LOOKS = 32
MINIMUM_STEPS = 100
"""Observations, and training steps, that must have been made."""
FALL = 0.03
"""Sick at once when the loss fell by less than this share, from the first quarter to the last."""
SLOW_FALL = 0.1
"""The share from the first epoch to the last: to halve it takes five times as many steps again."""
GROWTH = 2.0
"""Updates that grow by this factor between the same quarters are a learning rate that warms up."""
SENSITIVITY = 1e-2
"""The best kernel's |g| |w|, relative to the loss, is above this where the loss could change.

Fresh networks show 0.1 to 10; dead ones, and those behind a clipped loss, show 0.
"""
CHANCE = 0.8
"""A loss below this share of what a constant answer costs shows a model that has learned."""
SMALLEST = 1e-7
"""Updates below this share are lost to rounding in float32."""


def learning_rate_too_low(window: Window) -> Iterator[Finding]:
    """Find that no kernel has moved enough to lower the loss, though it has a gradient."""
    first, last = window[0], window[-1]
    end = max([last.step, *(epoch.step for epoch in last.epochs)])
    if not first.at_start or len(window) < MINIMUM_LOOKS or end - first.step < MINIMUM_STEPS:
        return
    slow = len(last.epochs) >= EPOCHS
    limit, fall = (SLOW, SLOW_FALL) if slow else (UPDATE, FALL)
    if not _largest_update(last) < limit:
        return
    updates = [_largest_update(observation) for observation in window]
    steps = [*(observation.step for observation in window), end]
    path = sum((b - a) * update for (a, b), update in zip(pairwise(steps), updates, strict=True))
    if not (all(update < limit for update in updates) and path < PATH):
        return
    update, late_update = _quarters(updates)
    if slow:  # where there are epochs, their means are less noisy, and no step is left out
        loss, late_loss = last.epochs[0].loss, last.epochs[-1].loss
    else:
        loss, late_loss = _quarters(losses_of(window))
    _, cost = _quarters([constant_cost(observation) for observation in window])
    sensitivity = sensitivity_of(last)
    stands = late_loss >= (1 - fall) * loss and late_loss >= CHANCE * cost
    possible = SENSITIVITY * late_loss <= sensitivity < math.inf
    if not (stands and possible and late_update <= GROWTH * update):
        return
    factor = float(f"{HEALTHY_UPDATE / max(late_update, SMALLEST):.1g}")
    yield Finding(
        condition="learning_rate_too_low",
        layer=None,
        severity="warning",
        onset=first.step,
        message=(
            f"In {end - first.step} steps the loss went from {loss:.4g} to {late_loss:.4g}: "
            f"a step changes no kernel by more than {max(updates):.1e} of its size, where "
            f"{HEALTHY_UPDATE:.0e} is usual."
        ),
        remedy=(
            "Compile anew, the optimizer with "
            f"{rate_in_code(last, factor)}, or a schedule about {factor:g} times as high."
        ),
        evidence={
            "largest_update_ratio": max(updates),
            "path": path,
            "epochs": len(last.epochs),
            "early_loss": loss,
            "late_loss": late_loss,
            "loss_of_a_constant_answer": cost,
            "sensitivity_to_loss": sensitivity / late_loss,
            "observations": len(window),
            "steps": end - first.step,
            "healthy_update_ratio_above": limit,
            "healthy_learning_rate_times": factor,
        },
    )


def _quarters(numbers: Sequence[float]) -> tuple[float, float]:
    """Medians of the first and of the last quarter; NaN when any number is."""
    if not all(map(math.isfinite, numbers)):
        return math.nan, math.nan
    quarter = len(numbers) // 4
    return median(numbers[:quarter]), median(numbers[-quarter:])


def _largest_update(observation: Observation) -> float:
    return max(updates_of(observation), default=math.nan)
