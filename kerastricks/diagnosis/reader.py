"""Reads what observed steps have carried out, and makes observations of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras

from kerastricks.diagnosis import steps
from kerastricks.diagnosis.carrier import Carrier, fetched
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.first_look import missing_from
from kerastricks.diagnosis.plan import Numbers, Plan
from kerastricks.diagnosis.watch import Watch


class Reader:
    """Take the numbers of each look, and hand the watch an observation of them.

    Where steps are dispatched ahead, to read is to wait for the step, while Python could prepare
    the next one. There a look is read when that is under way, unless it is to be judged at once.

    Args:
        model: The model.
        plan: What is observed of it.
        carrier: Carries the numbers of a step out of it.
        watch: Told of each look.
        failed: Called with place and reason when a look cannot be read; the training goes on.
        fresh: Whether the training starts with a model that was never updated.
        learning_rate: The optimizer's when it starts, where it is known.
    """

    def __init__(
        self,
        model: Any,
        plan: Plan,
        carrier: Carrier,
        watch: Watch,
        failed: Callable[[str, str], None],
        *,
        fresh: bool,
        learning_rate: float | None,
    ):
        self._model = model
        self._plan = plan
        self._carrier = carrier
        self._watch = watch
        self._failed = failed
        self._fresh = fresh
        self._learning_rate = learning_rate
        self._first = True
        self._unread: tuple[int, Any] | None = None

    def take(self, step: int, result: Any) -> None:
        """Take what a step has carried out; it is read at once where the step is over.

        Args:
            step: Number of the step.
            result: What the train function returned.
        """
        with self._unharmed(step):
            later = steps.dispatched_ahead() and self._watch.patient
            self._unread = step, self._carrier.take(self._model, result, keep=later)
            if not later:
                self.read()

    def read(self) -> None:
        """Read what waits to be read."""
        if self._unread is None:
            return
        (step, value), self._unread = self._unread, None
        with self._unharmed(step):
            self._hand_on(step, fetched(value))

    def _hand_on(self, step: int, numbers: Numbers) -> None:
        """Make an observation of what the step has carried out."""
        scaled = isinstance(self._model.optimizer, keras.optimizers.LossScaleOptimizer)
        at_start = self._fresh and step < getattr(self._model, "steps_per_execution", 1)
        seen = replace(
            self._plan.read(step, numbers),
            at_start=at_start,
            loss_scaled=scaled,
            learning_rate=self._learning_rate,
        )
        if self._first:
            self._first = False
            missing = dict(missing_from(self._plan, seen))
            for place, reason in missing.items():
                self._failed(place, reason)
            if missing:
                self._watch.miss(missing)
        self._watch.add(seen, numbers, self._failed)

    @contextmanager
    def _unharmed(self, step: int) -> Iterator[None]:
        """A fault of the diagnosis is none of the training."""
        try:
            yield
        except Exception as error:
            reason = f"could not be read at step {step}: {in_short(error)}"
            self._failed("the numbers of a step", reason)
