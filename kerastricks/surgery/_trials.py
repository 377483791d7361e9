"""What becomes of remedies: which are kept, and what is told of each."""

from dataclasses import dataclass

from kerastricks.surgery._edits import Edits
from kerastricks.surgery._remedies._case import Treatment

CANNOT = "cannot be applied here"


@dataclass(frozen=True)
class Trial:
    """One remedy and what became of it.

    Attributes:
        condition: The condition that it is meant to heal.
        layer: Path of the first layer with that condition; None for the whole model.
        remedy: What was changed; for what cannot be changed here, what somebody has to do.
        before: Loss on held-out data after training without it; None where it was not tried.
        after: The same with it.
        kept: Whether the treated model has it.
        reason: Why, or why not.
    """

    condition: str
    layer: str | None
    remedy: str
    before: float | None
    after: float | None
    kept: bool
    reason: str


class Chart:
    """The remedies that are kept so far, and what is told of all.

    Attributes:
        edits: The changes of those that are kept.
    """

    def __init__(self) -> None:
        self.edits = Edits()
        self._kept: list[Treatment] = []
        self._told: list[Trial] = []
        self._repeats: list[Trial] = []

    @property
    def trials(self) -> list[Trial]:
        """A trial for each remedy, and one for each condition that had none but repeats."""
        told = {trial.condition for trial in self._told}
        repeats = {trial.condition: trial for trial in reversed(self._repeats)}
        return self._told + [trial for name, trial in repeats.items() if name not in told]

    def repeats(self, treatment: Treatment) -> bool:
        """Whether all that a remedy changes is changed already, by one for something else."""
        edits = treatment.edits
        if edits is None or not edits.places() or edits.adds_to(self.edits):
            return False
        places = edits.places()
        names = [
            kept.condition for kept in self._kept if kept.edits and places & kept.edits.places()
        ]
        reason = f"what it changes is changed for {' and '.join(dict.fromkeys(names))}"
        self._repeats.append(_trial(treatment, reason))
        return True

    def keep(
        self,
        treatment: Treatment,
        reason: str,
        before: float | None = None,
        after: float | None = None,
    ) -> None:
        """Add a remedy's edits to those that are done."""
        self.edits |= treatment.edits or Edits()
        self._kept.append(treatment)
        self._told.append(_trial(treatment, reason, before, after, kept=True))

    def leave(
        self,
        treatment: Treatment,
        reason: str,
        before: float | None = None,
        after: float | None = None,
    ) -> None:
        """Tell why a remedy is not kept."""
        self._told.append(_trial(treatment, reason, before, after))


def _trial(
    treatment: Treatment,
    reason: str,
    before: float | None = None,
    after: float | None = None,
    *,
    kept: bool = False,
) -> Trial:
    condition, layer, remedy = treatment.condition, treatment.layer, treatment.remedy
    return Trial(condition, layer, remedy, before, after, kept, reason)


def apply_all(treatments: list[Treatment]) -> tuple[Edits, list[Trial]]:
    """Keep all remedies untried."""
    chart = Chart()
    for treatment in treatments:
        if treatment.edits is None:
            chart.leave(treatment, CANNOT)
        elif not chart.repeats(treatment):
            chart.keep(treatment, "applied")
    return chart.edits, chart.trials
