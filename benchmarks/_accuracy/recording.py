"""Train a case under the doctor's eyes and keep all that the doctor was given."""

import pickle
import re
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kerastricks as kt
from _accuracy.architectures import compiled, fit_targets
from _accuracy.cases import Case
from _accuracy.measures import Measured, after_training, before_training, of_history
from _accuracy.recipe import Recipe
from _accuracy.tasks import Task, task_of
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.examination import Examination

Event = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A call of the doctor's examination: method, arguments, options."""


@dataclass
class Recorded:
    """A run as it was.

    Attributes:
        case: What was run.
        events: What the doctor's examination was given, in order: observations, ends of epochs,
            closings.
        unobserved: What the probe could not see.
        said: Conditions and layers that the doctor itself found, as a check on the replay.
        measured: What was measured without the doctor.
        weights: Values of the model's weights at the end.
        error: What `fit` raised; None when it ran through.
        seconds: What the training took.
    """

    case: Case
    events: list[Event] = field(default_factory=list)
    unobserved: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, str | None, str]] = field(default_factory=list)
    measured: Measured = field(default_factory=dict)
    weights: list[np.ndarray] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0


class Keeper:
    """An examination that writes down all that is asked of it.

    Args:
        events: Where to.
    """

    def __init__(self, events: list[Event]):
        self._examination = Examination()
        self._events = events

    def __getattr__(self, name: str):
        """The examination's own method, and a note of the call."""
        method = getattr(self._examination, name)
        if name in ("report", "findings"):
            return method

        def kept(*arguments, **options):
            self._events.append((name, arguments, options))
            return method(*arguments, **options)

        return kept


class KeepingDoctor(kt.callbacks.TrainingDoctor):
    """The doctor at its defaults, and what its examination was given."""

    def __init__(self):
        self.events: list[Event] = []
        super().__init__(verbose=0)

    def _new_examination(self):
        return Keeper(self.events)


def record(case: Case) -> Recorded:
    """Run a case."""
    started = time.perf_counter()
    recorded = Recorded(case)
    with fresh_session(case.recipe):
        task = task_of(case.recipe)
        model = built(case.recipe, task)
        start = model.get_weights()
        recorded.measured.update(before_training(model, case.recipe, task))
        doctor = KeepingDoctor()
        try:
            history = fitted(model, case.recipe, task, [doctor])
            recorded.measured.update(of_history(history))
        except Exception as error:
            recorded.error = in_short(error)
        report = doctor.report
        recorded.measured.update(after_training(model, case.recipe, task, start))
        recorded.weights = model.get_weights()
    recorded.events = doctor.events
    recorded.unobserved = dict(report.unobserved)
    recorded.said = [(f.condition, f.layer, f.severity) for f in report.findings]
    recorded.seconds = time.perf_counter() - started
    return recorded


@contextmanager
def fresh_session(recipe: Recipe):
    """Nothing left of other runs: names, seeds, dtype policy."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(recipe.seed)
    keras.config.set_dtype_policy(recipe.policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def built(recipe: Recipe, task: Task):
    """The compiled model of a run, fitted already as long as the recipe says."""
    model = compiled(recipe, task)
    if recipe.warm_epochs:
        fitted(model, recipe, task, [], epochs=recipe.warm_epochs)
        model.optimizer.learning_rate = recipe.annealed * recipe.learning_rate
    return model


def fitted(model, recipe: Recipe, task: Task, callbacks: list, *, epochs: int | None = None):
    """Fit a model as a recipe says.

    Returns:
        The History's losses.
    """
    y, y_validation = fit_targets(recipe, task)
    if recipe.early_stopping:
        stop = keras.callbacks.EarlyStopping(
            patience=recipe.early_stopping, restore_best_weights=True
        )
        callbacks = [*callbacks, stop]
    weights = None
    if recipe.class_weight:
        counts = np.bincount(task.y)
        weights = {label: len(task.y) / len(counts) / count for label, count in enumerate(counts)}
    history = model.fit(
        task.x,
        y,
        batch_size=recipe.batch_size,
        epochs=epochs or recipe.epochs,
        validation_data=(task.x_validation, y_validation),
        class_weight=weights,
        callbacks=callbacks,
        verbose=0,
    )
    return history.history


def path_of(cache: Path, stage: str, case: Case) -> Path:
    """The file of a case in the cache."""
    return cache / stage / case.half / (re.sub(r"[^\w.,²-]+", "_", case.name) + ".pickle")


def stored(path: Path, make: Callable[[], Any], case: Case, *, anew: bool = False) -> Any:
    """What a file holds; made and written first where there is none, or one of another recipe."""
    if not anew and path.exists():
        kept = pickle.loads(path.read_bytes())
        if kept.case == case:
            return kept
    kept = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(kept))
    return kept
