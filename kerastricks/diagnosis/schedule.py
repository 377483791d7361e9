"""When to observe: every step at first, then ever more rarely, within a share of the run time."""

import math
from collections import deque
from statistics import median_low

from kerastricks.diagnosis.remembering import Remembering
from kerastricks.theory._checks import checked_number

_RESOLUTION = 32
_DENSE_LOOKS = 2 * _RESOLUTION
_TIMINGS = 9
_LONGEST_WAIT = 64
"""Looks of which at least one is judged: rules follow a run of looks back that far."""


class Schedule(Remembering):
    """Decide which training steps are observed.

    The first 64 steps are all observed; after that the gap before step `s` grows to `s / 32`, so
    that an onset is known to about 3 % of its step number, and a run of n steps costs about
    64 + 32 ln(n / 64) looks. The gap grows further when that is needed to keep the measured extra
    time of looking within `budget`. When something changes at once, a number of steps are observed
    in a row whatever they cost, but not more than 64 in a run, and one in 32 steps.

    Args:
        every: A fixed distance between observed steps, or None for the schedule above.
        budget: Largest share of the training time that looking may cost after the dense start;
            above 0. When `every` is given, the share that judging may cost.

    Raises:
        TypeError: If `every` is no whole number, or `budget` no number.
        ValueError: If `every` is below 1, or `budget` is not positive.
    """

    _REMEMBERED = ("_last", "_demanded", "_close_looks")

    def __init__(self, every: int | None = None, budget: float = 0.02):
        if every is not None:
            every = int(
                checked_number(
                    every,
                    "every",
                    "of steps, whole and 1 or more, or None to let the doctor choose",
                    lambda n: n >= 1 and n == int(n),
                )
            )
        checked_number(
            budget, "budget", "above 0: a share of the training time, such as 0.02", lambda b: b > 0
        )
        self._every = every
        self._budget = budget
        self._last: int | None = None
        self._demanded = 0
        self._close_looks = 0
        self._plain: deque[float] = deque(maxlen=_TIMINGS)
        self._looks: deque[float] = deque(maxlen=_TIMINGS)
        self._judgements: deque[float] = deque(maxlen=_TIMINGS)
        self._affordable = 1

    def due(self, step: int) -> bool:
        """Tell whether the step of this number is to be observed."""
        if self._demanded or self._last is None:
            return True
        return step - self._last >= (self._every or self._gap(step))

    def demand(self) -> None:
        """Have the next step observed whatever the schedule says."""
        self._demanded = max(self._demanded, 1)

    def look_closely(self, step: int, looks: int) -> None:
        """Have the next steps observed, as something has changed at once, where few are.

        Args:
            step: The step that was observed.
            looks: How many steps.
        """
        if self._every is None and self._gap(step) > 1:
            left = _DENSE_LOOKS + step // _RESOLUTION - self._close_looks
            more = min(looks, left) - self._demanded
            if more > 0:
                self._demanded += more
                self._close_looks += more

    @property
    def timed(self) -> bool:
        """True when it goes by what looks cost."""
        return self._every is None

    def patience(self, looks: int) -> int:
        """Tell how many looks may gather until the newest is judged, after so many.

        One where looks are made by the schedule above. With a fixed distance between them, the gap
        between looks that are judged grows as there, up to 64.
        """
        if self._every is None:
            return 1
        gap = looks // _RESOLUTION
        if gap > 1 and self._looks and self._judgements:
            plain = median_low(self._plain) if self._plain else 0.0
            apart = median_low(self._looks) + (self._every - 1) * plain
            gap = max(gap, math.ceil(median_low(self._judgements) / (self._budget * apart)))
        return min(_LONGEST_WAIT, max(1, gap))

    def judged(self, seconds: float) -> None:
        """Note what it took to judge, and to take in the looks before."""
        self._judgements.append(seconds)

    def observed_before(self, step: int) -> None:
        """Note that a step was observed in an earlier process, on a machine of its own."""
        self._last = step
        self._demanded = max(self._demanded - 1, 0)

    def observed(self, step: int, seconds: float) -> None:
        """Note that a step was observed, and what it took, judging included."""
        self.observed_before(step)
        self._looks.append(seconds)
        self._affordable = self._affordable_gap()

    def passed(self, seconds: float) -> None:
        """Note, before a look is, what each step since the one before took on average."""
        self._plain.append(seconds)

    def _gap(self, step: int) -> int:
        # Asked before every step, so what changes with looks alone is not worked out here.
        return max(1, step // _RESOLUTION, self._affordable)

    def _affordable_gap(self) -> int:
        """Steps from look to look with which the looks keep within the budget."""
        # The low median: a first step of either kind is compiled, and takes seconds.
        if self._plain and self._looks:
            plain = median_low(self._plain)
            extra = median_low(self._looks) - plain
            if plain > 0 and extra > 0:
                return math.ceil(extra / (self._budget * plain))
        return 1
