"""Gradients so large that a step overwrites the weights.

Three tests, each free of the loss' unit or of the learning rate:

- the actual update (after optimizer, clipping and weight decay) is as large as the weight: about a
  thousandth is healthy, a hundredth is high (CS231n course notes, "Ratio of weights:updates");
- the sensitivity |g| |w| grows more than a thousandfold from the output back to a layer;
- the gradient is a thousand times the weight, and the update a twentieth of it or more.

Why gradients grow with depth: Pascanu, Mikolov and Bengio, "On the difficulty of training
recurrent neural networks" (2013).
"""

import math
from collections.abc import Iterator

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation, WeightStatistics
from kerastricks.diagnosis.rules._window import Window, unbroken_runs

UPDATE = 1.0
"""Alarm when a step changes a kernel by this share of its size."""
CRITICAL_UPDATE = 10.0
GROWTH = 1e3
"""Alarm when the sensitivity is this many times that of the last kernel."""
GRADIENT = 1e3
"""Alarm when the gradient is this many times the kernel, if the step is large as well:"""
LARGE_UPDATE = 0.05
"""A gradient has the unit of the loss, and what rescales it (Adam, clipping) makes it harmless."""
MINIMUM_LOOKS = 3
"""Observations over which the second and third test must have held without a break."""
SMALL_START = 0.3
"""Kernels smaller than this share of a unit-gain kernel are judged as if they had that size.

A kernel that starts at or near zero has to grow, and its first updates are no explosion.
"""


def exploding_gradients(window: Window, *, minimum_looks: int = MINIMUM_LOOKS) -> Iterator[Finding]:
    """Find kernels that are overwritten, or would be, by their gradient."""
    last = window[-1]
    steep, runs = _steep(last), unbroken_runs(window, _steep)
    for kernel in last.kernels:
        update = kernel.update / _size(kernel)
        if UPDATE <= update < math.inf:
            onset = last.step
            severity = "critical" if update >= CRITICAL_UPDATE else "warning"
            what = f"One step changed the kernel by {update:.3g} times its size"
        else:
            run = runs.get(kernel.path, [])
            if len(run) < minimum_looks:
                continue
            onset = run[0].step
            severity = "warning"
            what = f"The gradient's norm is {kernel.gradient:.1e}, {steep[kernel.path]}"
        yield Finding(
            condition="exploding_gradients",
            layer=kernel.layer,
            severity=severity,
            onset=onset,
            message=f"{what}.",
            remedy=(
                "Lower the learning rate, clip with the optimizer's clipnorm=1.0, start with "
                "kt.initializers.He(), and scale inputs and targets to unit variance."
            ),
            evidence={
                "gradient_norm": kernel.gradient,
                "weight_norm": kernel.norm,
                "update_ratio": update,
                "healthy_update_ratio_below": UPDATE,
                "healthy_gradient_to_weight_below": GRADIENT,
            },
        )


def _size(kernel: WeightStatistics) -> float:
    """The kernel's norm, or that of a small start: unit gain means a norm of sqrt(units)."""
    return max(kernel.norm, SMALL_START * math.sqrt(kernel.units))


def _steep(observation: Observation) -> dict[str, str]:
    """Kernels whose gradient is out of proportion, and to what."""
    kernels = [k for k in observation.kernels if k.norm > 0 and math.isfinite(k.gradient)]
    steep: dict[str, str] = {}
    for kernel in kernels:
        head = kernels[-1].sensitivity
        if head > 0 and kernel.sensitivity >= GROWTH * head:
            steep[kernel.path] = f"{kernel.sensitivity / head:.0e} times that at the output"
        elif kernel.gradient >= GRADIENT * _size(kernel) and kernel.update_ratio >= LARGE_UPDATE:
            steep[kernel.path] = f"{kernel.gradient / _size(kernel):.0e} times the kernel"
    return steep
