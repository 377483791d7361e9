"""Watch the gradients only."""

from collections.abc import Iterable
from os import PathLike

from kerastricks.callbacks._monitor import Monitor
from kerastricks.diagnosis.rules import RULES

_CONDITIONS = ("vanishing_gradients", "exploding_gradients", "non_finite")


class GradientMonitor(Monitor):
    """Say when gradients vanish on the way to the first layers, explode, or are no numbers.

    Both are judged relative to the weights and to other layers: the small gradients of a network
    that has converged are healthy. For all conditions at once use `TrainingDoctor`.

    Args:
        stop_on: As in `TrainingDoctor`.
        every: As in `TrainingDoctor`.
        budget: As in `TrainingDoctor`.
        verbose: As in `TrainingDoctor`.
        backup_dir: As in `TrainingDoctor`.

    Attributes:
        report: A `kerastricks.diagnosis.Report` with findings of `"vanishing_gradients"`,
            `"exploding_gradients"` and `"non_finite"`.

    Raises:
        TypeError: If an argument is no number.
        ValueError: If an argument is out of range, or the model is not compiled.

    Example:
        >>> import kerastricks as kt
        >>> monitor = kt.callbacks.GradientMonitor(stop_on="non_finite", verbose=0)
        >>> monitor.report.findings
        []

    Reference:
        Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks"
        (2013).
    """

    def __init__(
        self,
        *,
        stop_on: str | Iterable[str] = (),
        every: int | None = None,
        budget: float = 0.02,
        verbose: int = 1,
        backup_dir: str | PathLike[str] | None = None,
    ):
        rules = {name: RULES[name] for name in _CONDITIONS}
        super().__init__(
            rules,
            stop_on=stop_on,
            every=every,
            budget=budget,
            verbose=verbose,
            backup_dir=backup_dir,
        )
