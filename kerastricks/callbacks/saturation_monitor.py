"""Watch for saturated units only."""

from collections.abc import Iterable
from functools import partial
from os import PathLike

from kerastricks.callbacks._monitor import Monitor
from kerastricks.diagnosis.rules.saturated_units import (
    LAYER_FRACTION,
    MEAN_SHARE,
    saturated_units,
)
from kerastricks.theory._checks import checked_number


class SaturationMonitor(Monitor):
    """Say when the units of a bounded activation (sigmoid, tanh, ...) get stuck at its ends.

    A unit is saturated when, on at least 90 % of the samples, its activation's slope is below a
    tenth of its maximum. Hidden layers only: a sure classifier's output is saturated and healthy.
    For all conditions at once use `TrainingDoctor`.

    Args:
        layer_fraction: Fraction of a layer's units that must be saturated, in (0, 1]. A layer also
            counts whose units are saturated on this share of the samples on average, 75 % or more.
        stop_on: As in `TrainingDoctor`.
        every: As in `TrainingDoctor`.
        budget: As in `TrainingDoctor`.
        verbose: As in `TrainingDoctor`.
        backup_dir: As in `TrainingDoctor`.

    Attributes:
        report: A `kerastricks.diagnosis.Report` with findings of `"saturated_units"`.

    Raises:
        TypeError: If an argument is no number.
        ValueError: If an argument is out of range, or the model is not compiled.

    Example:
        >>> import kerastricks as kt
        >>> monitor = kt.callbacks.SaturationMonitor(layer_fraction=0.8, verbose=0)
        >>> monitor.report.findings
        []

    Reference:
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
        networks" (2010), section 3.
    """

    def __init__(
        self,
        layer_fraction: float = LAYER_FRACTION,
        *,
        stop_on: str | Iterable[str] = (),
        every: int | None = None,
        budget: float = 0.02,
        verbose: int = 1,
        backup_dir: str | PathLike[str] | None = None,
    ):
        fraction = checked_number(
            layer_fraction, "layer_fraction", "in (0, 1]", lambda f: 0 < f <= 1
        )
        rule = partial(
            saturated_units, layer_fraction=fraction, mean_share=max(fraction, MEAN_SHARE)
        )
        rules = {"saturated_units": rule}
        super().__init__(
            rules,
            stop_on=stop_on,
            every=every,
            budget=budget,
            verbose=verbose,
            backup_dir=backup_dir,
        )
