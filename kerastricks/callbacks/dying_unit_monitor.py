"""Watch for dying units only."""

from collections.abc import Iterable
from functools import partial
from os import PathLike

from kerastricks.callbacks._monitor import Monitor
from kerastricks.diagnosis.rules.dying_units import LAYER_FRACTION, dying_units
from kerastricks.theory._checks import checked_number


class DyingUnitMonitor(Monitor):
    """Say when rectifier units die: never active on two thousand samples, and no gradient.

    Natural sparsity is not death: a unit that fires on one sample in a hundred is alive. For all
    conditions at once use `TrainingDoctor`.

    Args:
        layer_fraction: Fraction of a layer's units that must be dead, in (0, 1].
        stop_on: As in `TrainingDoctor`.
        every: As in `TrainingDoctor`.
        budget: As in `TrainingDoctor`.
        verbose: As in `TrainingDoctor`.
        backup_dir: As in `TrainingDoctor`.

    Attributes:
        report: A `kerastricks.diagnosis.Report` with findings of `"dying_units"`.

    Raises:
        TypeError: If an argument is no number.
        ValueError: If an argument is out of range, or the model is not compiled.

    Example:
        >>> import kerastricks as kt
        >>> monitor = kt.callbacks.DyingUnitMonitor(layer_fraction=0.2, verbose=0)
        >>> monitor.report.findings
        []

    Reference:
        Lu, Shin, Su and Karniadakis, "Dying ReLU and Initialization: Theory and Numerical
        Examples" (2019).
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
        rules = {"dying_units": partial(dying_units, layer_fraction=fraction)}
        super().__init__(
            rules,
            stop_on=stop_on,
            every=every,
            budget=budget,
            verbose=verbose,
            backup_dir=backup_dir,
        )
