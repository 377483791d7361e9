"""The rules: pure functions from a window of observations to findings, one condition a file.

A rule gets the observations made so far, oldest first, and yields what it finds true of the
newest one, with the step since when it has been true. To add a condition, add its file, its name
in `kerastricks.diagnosis.CONDITIONS`, and its entry here.
"""

from collections.abc import Callable, Iterable, Sequence

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.rules.constant_output import constant_output
from kerastricks.diagnosis.rules.dropout_variance_shift import dropout_variance_shift
from kerastricks.diagnosis.rules.dying_units import dying_units
from kerastricks.diagnosis.rules.exploding_gradients import exploding_gradients
from kerastricks.diagnosis.rules.learning_rate_too_high import learning_rate_too_high
from kerastricks.diagnosis.rules.learning_rate_too_low import learning_rate_too_low
from kerastricks.diagnosis.rules.loss_mismatch import loss_mismatch
from kerastricks.diagnosis.rules.no_nonlinearity import no_nonlinearity
from kerastricks.diagnosis.rules.non_finite import non_finite
from kerastricks.diagnosis.rules.not_zero_centered import not_zero_centered
from kerastricks.diagnosis.rules.overfitting import overfitting
from kerastricks.diagnosis.rules.poor_initialization import poor_initialization
from kerastricks.diagnosis.rules.saturated_units import saturated_units
from kerastricks.diagnosis.rules.stale_batch_statistics import stale_batch_statistics
from kerastricks.diagnosis.rules.symmetric_units import symmetric_units
from kerastricks.diagnosis.rules.unnormalized_inputs import unnormalized_inputs
from kerastricks.diagnosis.rules.unnormalized_targets import unnormalized_targets
from kerastricks.diagnosis.rules.unreachable_targets import unreachable_targets
from kerastricks.diagnosis.rules.vanishing_gradients import vanishing_gradients

Rule = Callable[[Sequence[Observation]], Iterable[Finding]]

RULES: dict[str, Rule] = {
    "loss_mismatch": loss_mismatch,
    "unreachable_targets": unreachable_targets,
    "unnormalized_inputs": unnormalized_inputs,
    "unnormalized_targets": unnormalized_targets,
    "no_nonlinearity": no_nonlinearity,
    "poor_initialization": poor_initialization,
    "symmetric_units": symmetric_units,
    "learning_rate_too_high": learning_rate_too_high,
    "learning_rate_too_low": learning_rate_too_low,
    "saturated_units": saturated_units,
    "dying_units": dying_units,
    "vanishing_gradients": vanishing_gradients,
    "exploding_gradients": exploding_gradients,
    "constant_output": constant_output,
    "non_finite": non_finite,
    "stale_batch_statistics": stale_batch_statistics,
    "dropout_variance_shift": dropout_variance_shift,
    "overfitting": overfitting,
    "not_zero_centered": not_zero_centered,
}
"""Each condition that this version watches for, and the function that finds it.

A rule takes observations, oldest first, and returns its findings.
"""
