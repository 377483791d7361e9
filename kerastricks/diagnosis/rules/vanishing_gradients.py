"""Layers that the training signal does not reach.

The sensitivity |g| |w| of a kernel says how much the loss changes when the kernel changes by its
own size. It has the unit of the loss, does not change when a layer's scale is moved to the next
one, and in a network of linear and (leaky) ReLU layers <g, w> is the same for every layer. So a
sensitivity that is a thousand times smaller than that of later layers, for this layer and every
layer before it, is a signal that was lost on the way; a converged network, whose gradients are
small everywhere, is not taken for one. The loss of the signal with depth: Glorot and Bengio,
"Understanding the difficulty of training deep feedforward neural networks" (2010), section 4.2.
"""

import math
from collections.abc import Iterator
from itertools import accumulate

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation, WeightStatistics
from kerastricks.diagnosis.rules._window import Window, unbroken_runs

RATIO = 1e-3
"""Alarm when the sensitivity is below this share of the largest one of later layers."""
MINIMUM_LOOKS = 8
"""Observations over which this must have held without a break."""
FROZEN = 1e-5
"""An actual update smaller than this share of the weight leaves it where it is."""
LEARNED = 0.2
"""A loss that fell below this share of its first value shows a network that learns."""


def vanishing_gradients(window: Window, *, minimum_looks: int = MINIMUM_LOOKS) -> Iterator[Finding]:
    """Find the layers from the input on whose gradient is lost."""
    last = window[-1]
    if _has_learned(window):
        return
    runs = unbroken_runs(window, _lost)
    for path, ratio in _lost(last).items():
        run = runs[path]
        if len(run) < minimum_looks:
            continue
        kernel = next(k for k in last.kernels if k.path == path)
        stuck = kernel.update_ratio < FROZEN
        moves = (
            f"a step moves its weights by {kernel.update_ratio:.1e} of their size"
            if stuck
            else f"the optimizer makes an update of {kernel.update_ratio:.1e} of the weights of it"
        )
        share = f"{ratio:.0e} of" if ratio > 0 else "no share of"
        yield Finding(
            condition="vanishing_gradients",
            layer=kernel.layer,
            severity="critical" if stuck else "warning",
            onset=run[0].step,
            message=(
                f"The gradient that reaches it (norm {kernel.gradient:.1e}) is {share} what later "
                f"layers get, relative to their weights; {moves}."
            ),
            remedy=(
                "Use kt.layers.LeakyReLU() with kernel_initializer=kt.initializers.He(0.3), and "
                "kt.layers.BatchNormalization() before each activation; with sigmoid or tanh, "
                "kt.initializers.Xavier()."
            ),
            evidence={
                "gradient_norm": kernel.gradient,
                "weight_norm": kernel.norm,
                "sensitivity_ratio": ratio,
                "update_ratio": kernel.update_ratio,
                "observations": len(run),
                "healthy_ratio_above": RATIO,
            },
        )


def _has_learned(window: Window) -> bool:
    first, last = window[0].loss, window[-1].loss
    if first is None or last is None:
        return False
    if first == 0:
        return not window[0].at_start  # a fresh model has nothing to learn from such a loss
    return last == 0 or (first > 0 and last <= LEARNED * first)


def _lost(observation: Observation) -> dict[str, float]:
    """Kernels that the signal does not reach, with their share of the later layers' sensitivity.

    Kernels of norm zero are passed over, and so are those without any gradient before one that
    has a gradient: a start at zero, of the head or of a branch, holds the signal back for one step.
    """
    kernels: list[WeightStatistics] = []
    held_back = False
    for kernel in reversed(observation.kernels):
        held_back = held_back or (kernel.norm == 0 and kernel.gradient > 0)
        waits = held_back and kernel.gradient == 0
        if kernel.norm > 0 and math.isfinite(kernel.sensitivity) and not waits:
            kernels.insert(0, kernel)
    if not any(kernel.gradient for kernel in observation.kernels):
        # Nothing arrives even at the output: a clipped loss, or units that are all dead.
        return {kernel.path: 0.0 for kernel in kernels}
    lost: dict[str, float] = {}
    before = 0.0
    largest_from = list(accumulate((k.sensitivity for k in reversed(kernels)), max))[::-1]
    for kernel, later in zip(kernels, largest_from[1:], strict=False):
        before = max(before, kernel.sensitivity)
        if before >= RATIO * later:
            break
        lost[kernel.path] = kernel.sensitivity / later
    return lost
