"""Fit the treated model of every sick run, and compare it with the healthy twin."""

import time
from dataclasses import dataclass

import kerastricks as kt
from _accuracy.architectures import compiled
from _accuracy.cases import Case
from _accuracy.judging import replayed
from _accuracy.measures import Measured, validation_metric
from _accuracy.recording import Recorded, fitted, fresh_session
from _accuracy.states import HARM
from _accuracy.tasks import task_of


@dataclass(frozen=True)
class Treated:
    """What came of a treatment.

    Attributes:
        case: The sick run.
        sick_metric: Its validation metric.
        metric: That of the treated model, fitted anew to the same data.
        twin_metric: That of the healthy twin.
        error: What the treatment or its fit raised.
        seconds: What it took.
    """

    case: Case
    sick_metric: float
    metric: float
    twin_metric: float
    error: str | None
    seconds: float

    @property
    def healed(self) -> bool:
        """True when the twin's metric is reached within 5 points, or 0.05 of R²."""
        return self.error is None and self.metric >= self.twin_metric - HARM


def treated(recorded: Recorded, twin: Measured) -> Treated:
    """Treat the model as training left it, and fit what comes of it as the sick one was fitted.

    Args:
        recorded: A sick run.
        twin: What was measured of its healthy twin.
    """
    started = time.perf_counter()
    recipe, error, metric = recorded.case.recipe, None, -1.0
    with fresh_session(recipe):
        task = task_of(recipe)
        model = compiled(recipe, task)
        model.set_weights(recorded.weights)
        try:
            healthy = kt.surgery.treat(model, replayed(recorded), verbose=0)
            fitted(healthy, recipe, task, [])
            metric = validation_metric(healthy, task)
        except Exception as failure:
            error = f"{type(failure).__name__}: {str(failure)[:300]}"
    return Treated(
        case=recorded.case,
        sick_metric=recorded.measured["metric"],
        metric=metric,
        twin_metric=twin["metric"],
        error=error,
        seconds=time.perf_counter() - started,
    )
