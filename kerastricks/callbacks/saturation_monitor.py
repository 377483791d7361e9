"""Watch for saturated units only."""

from functools import partial

from kerastricks.callbacks._arguments import checked_fraction
from kerastricks.callbacks._monitor import Monitor
from kerastricks.diagnosis.rules.saturated_units import LAYER_FRACTION, saturated_units


class SaturationMonitor(Monitor):
    """Say when the units of a bounded activation (sigmoid, tanh, ...) get stuck at its ends.

    A unit is saturated when, on at least 90 % of the samples, its activation's slope is below a
    tenth of its maximum. Hidden layers only: a sure classifier's output is saturated and healthy.
    For all conditions at once use `TrainingDoctor`.

    Args:
        layer_fraction: Fraction of a layer's units that must be saturated, in (0, 1].
        every: As in `TrainingDoctor`.
        budget: As in `TrainingDoctor`.
        verbose: As in `TrainingDoctor`.

    Attributes:
        report: A `kerastricks.diagnosis.Report` with findings of `"saturated_units"`.

    Raises:
        ValueError: If an argument is out of range, or the model is not compiled.

    Reference:
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
        networks" (2010), section 3.
    """

    def __init__(
        self,
        layer_fraction: float = LAYER_FRACTION,
        *,
        every: int | None = None,
        budget: float = 0.02,
        verbose: int = 1,
    ):
        fraction = checked_fraction("layer_fraction", layer_fraction)
        rules = {"saturated_units": partial(saturated_units, layer_fraction=fraction)}
        super().__init__(rules, every=every, budget=budget, verbose=verbose)
