"""Tells from the bare numbers of a look whether it can wait to be judged."""

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.plan import Numbers, Plan
from kerastricks.diagnosis.remembering import Remembering
from kerastricks.diagnosis.slots import ColumnSlot, LayerSlot

GROWTH = 2.0
"""A loss, a gradient or an update is out of the ordinary when it is this many times larger than
in any look that was judged."""
LOST = 0.5
"""A layer has changed at once when this share of the units that still worked no longer does."""
LOOKS_AFTER_LOSS = 64
"""Steps worth a look when a layer has: 2000 samples, in batches of 32, tell whether it is dead."""
LOOKS_AFTER_JUMP = 16
"""Steps worth a look after a jump: rules want up to eight, and many a jump is over by the next."""


class Alarm(Remembering):
    """Tell what may be over by the next judgement, and what has changed at once.

    The former is NaN where none was before; a loss, a gradient or an update that jumps; and targets
    beyond all that came before. All else that rules look for lasts. The latter is such a jump, or a
    layer whose units fall silent or saturate.

    Args:
        plan: What is observed.
    """

    _REMEMBERED = ("_limits", "_range", "_broken", "_idle")

    def __init__(self, plan: Plan):
        start, weights = plan.forward_length, plan.weights
        gradients = [start + plan.parts[id(slot)].start for slot in weights]
        updates = [start + plan.counts_at + len(weights) + i for i in range(len(weights))]
        self._places = np.array([plan.calls_at + 1, *gradients, *updates])
        # Gradients and updates come as squares.
        self._factors = np.array([GROWTH, *[GROWTH**2] * 2 * len(weights)], np.float32)
        self._limits = np.zeros(len(self._factors), np.float32)
        slots = [slot.target for slot in plan.outputs if slot.target is not None]
        self._ends = [_ends(slot, plan.parts[id(slot)].stop) for slot in slots]
        self._range = np.full((2, len(slots)), -np.inf, np.float32)
        self._broken: NDArray[np.bool_] | None = None
        hidden = [slot for slot in plan.layers if _can_be_idle(slot)]
        self._layers = [(slot, plan.parts[id(slot)]) for slot in hidden]
        self._idle = np.zeros(len(self._layers))

    def rings(self, numbers: Numbers) -> bool:
        """Tell whether a look is to be judged at once.

        Args:
            numbers: What the look is read from.
        """
        return (
            self._breaks(numbers)
            or self._jumps(numbers)
            or bool((self._reach(numbers) > self._range).any())
        )

    def startles(self, numbers: Numbers) -> int:
        """Tell how many of the next steps are worth a look, as something has changed at once.

        Args:
            numbers: What the look is read from.
        """
        lost = self._idle_shares(numbers) > self._idle + LOST * (1 - self._idle)
        if lost.any():
            return LOOKS_AFTER_LOSS
        return LOOKS_AFTER_JUMP if self._jumps(numbers) else 0

    def judged(self, numbers: Numbers) -> None:
        """Take a look that is being judged for ordinary from now on."""
        with np.errstate(over="ignore"):  # infinite limits let no more than infinity through
            self._limits = np.fmax(self._limits, self._factors * numbers[self._places])
        self._range = np.fmax(self._range, self._reach(numbers))
        self._idle = np.fmax(self._idle, self._idle_shares(numbers))

    def _jumps(self, numbers: Numbers) -> bool:
        return bool((numbers[self._places] > self._limits).any())

    def _idle_shares(self, numbers: Numbers) -> NDArray[np.float64]:
        """Of each hidden layer the share of silent units, or of saturated outputs."""
        return np.array([_idle_share(slot, numbers[part]) for slot, part in self._layers])

    def _breaks(self, numbers: Numbers) -> bool:
        """Whether there is NaN or infinity where the look before had none."""
        broken = ~np.isfinite(numbers)
        before, self._broken = self._broken, broken if broken.any() else None
        if self._broken is None or before is None:
            return self._broken is not None
        return bool((self._broken & ~before).any())

    def _reach(self, numbers: Numbers) -> Numbers:
        """How far the targets go, down and up."""
        down = [-numbers[lowest].min() for lowest, _ in self._ends]
        up = [numbers[highest].max() for _, highest in self._ends]
        return np.array([down, up], np.float32)


def _ends(slot: ColumnSlot, stop: int) -> tuple[slice, slice]:
    """Where the smallest and the largest entries of the columns lie, given where the block ends."""
    middle = stop - slot.columns
    return slice(middle - slot.columns, middle), slice(middle, stop)


def _can_be_idle(slot: LayerSlot) -> bool:
    of = slot.activation
    return of is not None and (of.rectifier or of.bounded) and not slot.head


def _idle_share(slot: LayerSlot, block: Numbers) -> float:
    samples, events = block[1], block[-slot.units :]
    if slot.activation is not None and slot.activation.bounded:
        return float(events.mean() / samples) if samples else 0.0
    return float(np.mean(events == 0)) if samples else 0.0
