"""Tells from the bare numbers of a look whether it can wait to be judged."""

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.plan import Numbers, Plan
from kerastricks.diagnosis.slots import ColumnSlot

GROWTH = 2.0
"""A loss, a gradient or an update is out of the ordinary when it is this many times larger than
in any look that was judged."""


class Alarm:
    """Ring for what may be over by the next judgement.

    That is NaN where none was before; a loss, a gradient or an update that jumps; and targets
    beyond all that came before. All else that rules look for lasts.

    Args:
        plan: What is observed.
    """

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

    def rings(self, numbers: Numbers) -> bool:
        """Tell whether a look is to be judged at once.

        Args:
            numbers: What the look is read from.
        """
        return (
            self._breaks(numbers)
            or bool((numbers[self._places] > self._limits).any())
            or bool((self._reach(numbers) > self._range).any())
        )

    def judged(self, numbers: Numbers) -> None:
        """Take a look that is being judged for ordinary from now on."""
        with np.errstate(over="ignore"):  # infinite limits let no more than infinity through
            self._limits = np.fmax(self._limits, self._factors * numbers[self._places])
        self._range = np.fmax(self._range, self._reach(numbers))

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
