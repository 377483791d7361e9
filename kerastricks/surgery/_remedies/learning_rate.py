"""Learning rates that are neither far above nor far below what is usual, and clipped gradients."""

from collections.abc import Iterator
from typing import Any

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.rules._learning import UPDATE, too_large_by
from kerastricks.surgery._compile_changes import CompileChanges, clips, learning_rate_of
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
"""A rate whose measured steps were too large is divided by this, though it is below the usual."""
CLIPNORM = 1.0


def slower(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Divide the learning rate by what its steps were too large, and clip gradients.

    Where the steps were not too large as a whole, gradients are clipped only.
    """
    stated = [f.evidence["healthy_learning_rate_times"] for f in findings if _states(f)]
    update = case.report.pool.update_ratio
    factor = stated[0] if stated else 1 / too_large_by(update) if update >= UPDATE else 1.0
    clipnorm = None if clips(case.optimizer) else CLIPNORM
    held = min(1.0, _held(case, factor))
    if stated:
        held = min(held, max(factor, 1 / LEAST_DIVISOR))
    yield from _changed(case, findings, held, clipnorm)


def slower_where_steps_were_large(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """The same for what large steps may lead to, if there were any."""
    if case.report.pool.update_ratio >= UPDATE:
        yield from slower(case, findings)


def clipped_where_deep(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Clip gradients, and lower the learning rate if need be, in a deep network.

    Orthogonal weights let a deep network learn fast at first: with SGD's momentum of 0.9 one of 20
    layers learned wine to 0.36 without clipping, and to 0.98 with it (one seed).
    """
    if case.anatomy.deep:
        yield from slower(case, findings)


def faster(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Multiply the learning rate by what its steps were too small."""
    factor = float(findings[0].evidence["healthy_learning_rate_times"])
    yield from _changed(case, findings, max(1.0, _held(case, factor)), None)


def _states(finding: Finding) -> bool:
    return "healthy_learning_rate_times" in finding.evidence


def _changed(
    case: Case, findings: list[Finding], factor: float, clipnorm: float | None
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
    if clipnorm is not None:
        told.append(f"clipnorm={clipnorm}")
    if told:
        changes = CompileChanges(learning_rate=factor, clipnorm=clipnorm)
        yield treated(findings, ", ".join(told), Edits(compile=changes))


def _held(case: Case, factor: float) -> float:
    """The factor that leads into the usual range, where it is known, and else the same."""
    rate = learning_rate_of(case.optimizer)
    optimizer: Any = case.model.optimizer
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    low, high = USUAL.get(type(optimizer).__name__, (0.0, float("inf")))
    if not rate or factor == 1:
        return factor
    unit = 1 - float(getattr(optimizer, "momentum", 0.0) or 0.0)
    return float(f"{min(max(rate * factor, low * unit), high * unit):.3g}") / rate
