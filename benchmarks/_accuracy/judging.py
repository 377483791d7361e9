"""Hold the rules against a record, and the answer against what was measured."""

from dataclasses import asdict, dataclass, field
from typing import Any

from _accuracy.faults import FAULTS
from _accuracy.measures import Measured
from _accuracy.recording import Recorded
from _accuracy.states import HARM, HARMED, RISE
from _accuracy.tasks import linear_reference
from kerastricks.diagnosis import Report
from kerastricks.diagnosis.examination import Examination


@dataclass(frozen=True)
class Said:
    """A finding above a note, as far as scores need it.

    Attributes:
        condition: Its condition.
        layer: Its layer.
        severity: `"warning"` or `"critical"`.
        onset: Its onset.
        root: Whether no other finding explains it.
        message: What the doctor says.
    """

    condition: str
    layer: str | None
    severity: str
    onset: int
    root: bool
    message: str


@dataclass(frozen=True)
class Verdict:
    """One run: what it was, what it turned into, what the doctor said.

    Attributes:
        name: The run's name.
        data: Its data set.
        fault: Its fault; None for a run that was to be healthy.
        family: The fault's family; `"healthy"` without one.
        roots: Conditions that name the cause.
        counts: Whether the run is scored: a sick one that is harmed or whose state holds, a
            healthy one that is measured to be healthy.
        state: What was asked of the measurements, or why a healthy run is set aside.
        metric: Its validation metric.
        twin_metric: That of its healthy twin, or of scikit-learn's linear model.
        said: Findings above a note, root causes first.
        failures: What the doctor could not judge or see.
        error: What `fit` raised.
    """

    name: str
    data: str
    fault: str | None
    family: str
    roots: tuple[str, ...]
    counts: bool
    state: str
    metric: float
    twin_metric: float
    said: tuple[Said, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def sick(self) -> bool:
        """True for a run with an injected fault."""
        return self.fault is not None

    @property
    def first(self) -> str | None:
        """Condition of the root cause that is named first."""
        return next((said.condition for said in self.said if said.root), None)

    @property
    def named(self) -> bool:
        """True when a right condition is among the findings."""
        return any(said.condition in self.roots for said in self.said)

    @property
    def right_first(self) -> bool:
        """True when the first root cause is a right one."""
        return self.first in self.roots

    def to_dict(self) -> dict[str, Any]:
        """The verdict in JSON's types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Verdict":
        """The verdict of `to_dict`."""
        said = tuple(Said(**each) for each in values["said"])
        return cls(**{**values, "said": said, "roots": tuple(values["roots"])})


def replayed(recorded: Recorded) -> Report:
    """What the rules say of a record."""
    examination = Examination()
    for method, arguments, options in recorded.events:
        getattr(examination, method)(*arguments, **options)
    return examination.report(recorded.unobserved)


def judged(recorded: Recorded, twin: Measured) -> Verdict:
    """Judge a record.

    Args:
        recorded: A run.
        twin: What was measured of its healthy twin.
    """
    case = recorded.case
    report = replayed(recorded)
    said = tuple(
        Said(f.condition, f.layer, f.severity, f.onset, f.caused_by is None, f.message)
        for f in report.findings
        if f.severity != "note"
    )
    facts = {
        "name": case.name,
        "data": case.recipe.data,
        "fault": case.fault,
        "metric": recorded.measured["metric"],
        "said": said,
        "failures": report.unobserved,
        "error": recorded.error,
    }
    if case.fault is None:
        reference = linear_reference(case.recipe.data, case.recipe.seed)
        reason = ailment(recorded.measured, reference, recorded.error)
        return Verdict(
            family="healthy",
            roots=(),
            counts=reason is None,
            state=reason or "healthy",
            twin_metric=reference,
            **facts,
        )
    fault = FAULTS[case.fault]
    state = fault.state | HARMED
    taken = recorded.error is None and state.holds(recorded.measured, twin)
    return Verdict(
        family=fault.family,
        roots=fault.roots,
        counts=taken,
        state=state.text,
        twin_metric=twin["metric"],
        **facts,
    )


def ailment(measured: Measured, reference: float, error: str | None) -> str | None:
    """Why a run is not healthy by its own measurements; None when it is.

    Args:
        measured: What was measured of it.
        reference: Metric of a linear model on the same split.
        error: What `fit` raised.
    """
    if error is not None:
        return error
    if not (measured["finite"] and measured["losses_finite"]):
        return "a loss or a weight is NaN or infinite"
    if measured["metric"] < reference - HARM:
        return f"worse than a linear model ({measured['metric']:.2f} against {reference:.2f})"
    rise = measured["validation_rise"]
    if rise > RISE:
        return f"overfitted: the validation loss ends at {rise:.2f} times its least value"
    return None
