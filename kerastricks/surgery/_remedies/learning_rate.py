"""Learning rates that are neither far above nor far below what is usual, and clipped gradients."""

import math
from collections.abc import Iterator
from typing import Any

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.rules._learning import UPDATE, too_large_by
from kerastricks.surgery._compile_changes import (
    CompileChanges,
    clips,
    learning_rate_of,
    momentum_of,
)
from kerastricks.surgery._edits import Edits
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, treated

_ADAM = (1e-3, 3e-3)
USUAL: dict[str, tuple[float, float]] = {
    "SGD": (0.05, 0.2),
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "Nadam": _ADAM,
    "Adamax": _ADAM,
    "RMSprop": _ADAM,
    "Lamb": _ADAM,
    "Lion": (1e-4, 3e-4),
    "Adagrad": (1e-2, 1e-1),
    "Ftrl": (1e-2, 1e-1),
    "Adadelta": (0.1, 1.0),
}
"""Learning rates at which small and middling networks with normalized data train well.

The size of one update tells how far a learning rate is off, but only to a power of ten or so, since
weights and gradients change with it; so what it says is held to this range. For SGD the rate is
what momentum makes of it, divided by 1 - momentum.
"""
LEAST_DIVISOR = 10.0
"""A rate whose measured steps were too large is divided by this, though it is below the usual.

Depth divides a rate by no more, either.
"""
CLIPNORM = 1.0
SHALLOW = 3
"""Layers up to which a usual learning rate is meant."""
REACH = 0.13
"""The largest change of the outputs, relative to the inputs, in one of Adam's steps.

It is the sum over the layers of rate times width: that of 1e-3 with two layers of 64 units.
"""
LARGEST_MOMENTUM = 0.99
"""Momentum above this adds up more than a hundred steps, and overshoots for as many."""
USUAL_MOMENTUM = 0.9


def slower(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Divide the learning rate by what its steps were too large, and clip gradients.

    Where the steps were not too large as a whole, gradients are clipped only. A momentum so large
    that it adds up hundreds of steps becomes the usual one. In a deep network the rate becomes
    smaller in any case, if signals do not pass its layers by.
    """
    stated = [f.evidence["healthy_learning_rate_times"] for f in findings if _states(f)]
    update = case.report.pool.update_ratio
    factor = stated[0] if stated else 1 / too_large_by(update) if update >= UPDATE else 1.0
    clipnorm = None if clips(case.optimizer) else CLIPNORM
    momentum = momentum_of(case.optimizer)
    new_momentum = USUAL_MOMENTUM if momentum > LARGEST_MOMENTUM else None
    if new_momentum is not None:
        # What momentum no longer adds up, the rate may be larger by.
        factor *= (1 - new_momentum) / (1 - min(momentum, 0.9999))
        momentum = new_momentum
    held = min(1.0, _held(case, factor, momentum))
    if stated and new_momentum is None:
        held = min(held, max(factor, 1 / LEAST_DIVISOR))
    held *= _easing(case, held, momentum)
    yield from _changed(case, findings, held, clipnorm, new_momentum)


def slower_where_steps_were_large(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """The same for what large steps may lead to, if there were any, or momentum adds them up."""
    large = case.report.pool.update_ratio >= UPDATE
    if large or momentum_of(case.optimizer) > LARGEST_MOMENTUM:
        yield from slower(case, findings)


def gentler_where_deep(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Clip gradients, and lower the learning rate, in a deep network.

    Orthogonal weights let a deep network learn fast at first: with SGD's momentum of 0.9 one of 20
    layers learned wine to 0.36 without clipping, and to 0.98 with it (one seed).
    """
    if case.anatomy.deep:
        yield from slower(case, findings)


def faster(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Multiply the learning rate by what its steps were too small."""
    factor = float(findings[0].evidence["healthy_learning_rate_times"])
    held = _held(case, factor, momentum_of(case.optimizer))
    yield from _changed(case, findings, max(1.0, held), None)


def _states(finding: Finding) -> bool:
    return "healthy_learning_rate_times" in finding.evidence


def _changed(
    case: Case,
    findings: list[Finding],
    factor: float,
    clipnorm: float | None,
    momentum: float | None = None,
) -> Iterator[Treatment]:
    rate = learning_rate_of(case.optimizer)
    if not case.compiles or rate is None:
        yield omitted(findings[0], "The model's learning rate cannot be read and set.")
        return
    if rate == 0 and factor != 1:
        yield omitted(findings[0], "The learning rate is 0, of which there is no multiple.")
        return
    told = []
    if factor != 1:
        told.append(f"learning rate {rate:.3g} -> {rate * factor:.3g}")
    if momentum is not None:
        told.append(f"momentum {momentum_of(case.optimizer):g} -> {momentum}")
    if clipnorm is not None:
        told.append(f"clipnorm={clipnorm}")
    if told:
        changes = CompileChanges(learning_rate=factor, clipnorm=clipnorm, momentum=momentum)
        yield treated(findings, ", ".join(told), Edits(compile=changes))


def _easing(case: Case, factor: float, momentum: float) -> float:
    """By how much the rate, times the factor, has to be less in a deep network than in a shallow.

    Once the gradient reaches every layer, the outputs change by the sum of what a step does to each
    of them. 30 layers of 64 units learned digits to 0.39 with SGD at 0.05 and to 0.95 at a tenth of
    it; 20 of 32 learned diabetes to an R^2 of 0.33 with Adam at 1e-3 and to 0.41 at a tenth of it
    (means of two seeds). Sums of Adam's steps, which have the size of the rate in each weight, grow
    with the layers' width, too: 20 layers of 6 units learn best at 1e-3.
    """
    rate, anatomy = learning_rate_of(case.optimizer), case.anatomy
    name = type(_bare_optimizer(case)).__name__
    if not anatomy.deep or anatomy.has_shortcuts or not rate or name not in USUAL:
        return 1.0
    if USUAL[name] == _ADAM:
        heads = {id(head) for head in anatomy.heads}
        hidden = [kernel for kernel in anatomy.kernels if id(kernel) not in heads]
        share = REACH / (rate * factor * sum(map(_width, hidden)))
    else:
        usual = USUAL[name][0] * (1 - momentum)
        share = SHALLOW / anatomy.depth * max(1.0, usual / (rate * factor))
    return min(1.0, float(f"{max(share, 1 / LEAST_DIVISOR):.1g}"))


def _width(layer: Any) -> float:
    """The largest factor by which a matrix of ones of the shape of a layer's kernel stretches."""
    sizes = [math.prod(w.shape) for w in layer.weights if str(w.name).endswith("kernel")]
    return math.sqrt(max(sizes))


def _bare_optimizer(case: Case) -> Any:
    optimizer: Any = case.model.optimizer
    return getattr(optimizer, "inner_optimizer", optimizer)


def _held(case: Case, factor: float, momentum: float) -> float:
    """The factor that leads into the usual range, where it is known, and else the same."""
    rate = learning_rate_of(case.optimizer)
    low, high = USUAL.get(type(_bare_optimizer(case)).__name__, (0.0, float("inf")))
    if not rate or factor == 1:
        return factor
    unit = 1 - momentum
    return float(f"{min(max(rate * factor, low * unit), high * unit):.3g}") / rate
