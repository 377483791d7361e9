"""The rules: pure functions from a window of observations to findings, one condition a file.

A rule gets the observations made so far, oldest first, and yields what it finds true of the
newest one, with the step since when it has been true. To add a condition, add its file, its name
in `kerastricks.diagnosis.CONDITIONS`, and its entry here.
"""

from collections.abc import Callable, Iterable, Sequence

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.rules.dying_units import dying_units
from kerastricks.diagnosis.rules.exploding_gradients import exploding_gradients
from kerastricks.diagnosis.rules.non_finite import non_finite
from kerastricks.diagnosis.rules.poor_initialization import poor_initialization
from kerastricks.diagnosis.rules.saturated_units import saturated_units
from kerastricks.diagnosis.rules.symmetric_units import symmetric_units
from kerastricks.diagnosis.rules.vanishing_gradients import vanishing_gradients

Rule = Callable[[Sequence[Observation]], Iterable[Finding]]

RULES: dict[str, Rule] = {
    "poor_initialization": poor_initialization,
    "symmetric_units": symmetric_units,
    "saturated_units": saturated_units,
    "dying_units": dying_units,
    "vanishing_gradients": vanishing_gradients,
    "exploding_gradients": exploding_gradients,
    "non_finite": non_finite,
}
