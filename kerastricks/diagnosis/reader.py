"""Reads what observed steps have carried out, and makes observations of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kerastricks.diagnosis import steps
from kerastricks.diagnosis.carrier import Carrier, fetched
from kerastricks.diagnosis.encoding import decoded, encoded
from kerastricks.diagnosis.entries import UnreadableError
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.first_look import missing_from
from kerastricks.diagnosis.journal import Journal
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.past import Past
from kerastricks.diagnosis.plan import Numbers, Plan
from kerastricks.diagnosis.watch import Observer, Watch


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
        start: Where the training stands when its first step begins.

    Attributes:
        start: The same; of a training that goes on, where it began.
    """

    def __init__(
        self,
        model: Any,
        plan: Plan,
        carrier: Carrier,
        watch: Watch,
        failed: Callable[[str, str], None],
        start: steps.Start,
    ):
        self.start = start
        self._now = start
        self._model = model
        self._plan = plan
        self._carrier = carrier
        self._watch = watch
        self._failed = failed
        self._first = True
        self._unread: tuple[int, Any] | None = None

    def take(self, step: int, result: Any) -> None:
        """Take what a step has carried out; it is read at once where the step is over.

        Args:
            step: Number of the step.
            result: What the train function returned.
        """
        with self._unharmed(step):
            # What a journal is to hold is in it before a backup of the model can be made.
            ahead = steps.dispatched_ahead() and not self._watch.journals
            later = ahead and self._watch.patient
            self._unread = step, self._carrier.take(self._model, result, keep=later)
            if not later:
                self.read()

    def read(self) -> None:
        """Read what waits to be read."""
        if self._unread is None:
            return
        (step, value), self._unread = self._unread, None
        with self._unharmed(step):
            self._hand_on(step, fetched(value, self._plan))

    def _hand_on(self, step: int, numbers: Numbers) -> None:
        """Make an observation of what the step has carried out."""
        seen, missing = self._seen(step, numbers)
        if missing:
            self._watch.miss(missing)
        self._watch.add(seen, numbers, self._failed)

    def _seen(self, step: int, numbers: Numbers) -> tuple[Observation, dict[str, str]]:
        """An observation, and what the first one lacks."""
        scaled = isinstance(self._model.optimizer, keras.optimizers.LossScaleOptimizer)
        fresh = self.start.updates == 0  # a model that is fitted further is not at its start
        seen = replace(
            self._plan.read(step, numbers),
            at_start=fresh and step < getattr(self._model, "steps_per_execution", 1),
            loss_scaled=scaled,
            learning_rate=self.start.learning_rate,
        )
        missing = dict(missing_from(self._plan, seen)) if self._first else {}
        self._first = False
        for place, reason in missing.items():
            self._failed(place, reason)
        return seen, missing

    def resume(self) -> int:
        """Have the observers go through what their journals hold of this training, and write on.

        Returns:
            The number of the next step.
        """
        self._leave_shared_files()
        pasts = [self._past(journal) for _, journal in self._watch.journals]
        step = max((past.step for past in pasts if past is not None), default=0)
        for (observer, journal), past in zip(self._watch.journals, pasts, strict=True):
            if past is not None and self._gone_through(observer, journal, past):
                journal.go_on(past)
                observer.resumed()
            else:
                journal.begin(self._plan, replace(self._now, step=step))
        return step

    def _leave_shared_files(self) -> None:
        """Of two observers that were given the same file, one writes it."""
        first: dict[Any, Any] = {}
        for kept in self._watch.journals:
            if first.setdefault(kept[1].path, kept) is not kept:
                kept[1].lost("is another callback's")
        self._watch.journals = list(first.values())

    def _past(self, journal: Journal) -> Past | None:
        try:
            return journal.past(self._plan, self._now)
        except (UnreadableError, OSError) as error:
            reason = str(error) if isinstance(error, UnreadableError) else in_short(error)
            journal.lost(f"{reason}; the report begins anew")
            return None

    def _gone_through(self, observer: Observer, journal: Journal, past: Past) -> bool:
        """Whether an observer could go through what was seen before."""
        try:
            self._go_through(observer, journal, past)
        except Exception as error:
            # Numbers that no training writes, or a fault of ours; the training knows of neither.
            observer.begin_anew()
            self.start, self._first = self._now, True
            journal.lost(f"cannot be gone through ({in_short(error)}); the report begins anew")
            return False
        return True

    def _go_through(self, observer: Observer, journal: Journal, past: Past) -> None:
        """Have an observer see again what was seen before, and say nothing."""
        self.start, self._first = past.start, True
        with self._watch.again(observer), journal.replay():
            for entry in journal.entries(past):
                if entry.kind == "look":
                    step, told = entry.facts["step"], entry.facts["told"]
                    seen, _ = self._seen(step, entry.numbers)
                    self._watch.add_again(seen, entry.numbers, self._failed, told=told)
                elif entry.kind == "told":
                    self._watch.tell_again(self._failed)
                elif entry.kind == "state":
                    held = decoded(entry.facts["held"])
                    self._watch.restore(held["watch"])
                    observer.restore(held["observer"])
                elif entry.kind == "seen":
                    seen, _ = self._seen(entry.facts["step"], entry.numbers)
                    observer.recall(seen, entry.facts["epochs"], within=entry.facts["within"])
                elif entry.kind == "outline":
                    seen = decoded(entry.facts["held"])
                    observer.recall(seen, entry.facts["epochs"], within=True)
                else:
                    journal.again(entry)
        if past.missing:
            epochs = ", ".join(map(str, past.missing))
            journal.lost(f"lacks the end of epoch {epochs}, counted from zero")
        numbers = np.zeros(self._plan.length, "float32")
        numbers[self._plan.calls_at + 2] = (
            self._watch.looks
        )  # the inputs are seen in the first looks alone
        self._carrier.numbers.assign(numbers)

    def shorten(self, observer: Observer) -> None:
        """Give an observer's journal a shorter file where it has become long."""
        for each, journal in self._watch.journals:
            if each is observer and journal.long:
                state, window = observer.remembered()
                held = {"watch": self._watch.remembered(), "observer": state}
                looks = [  # each with the number of its epochs: all have the same ones, and many
                    (
                        seen.step if whole else encoded(replace(seen, epochs=())),
                        len(seen.epochs),
                    )
                    for seen, whole in window
                ]
                journal.shorten(encoded(held), looks)

    @contextmanager
    def _unharmed(self, step: int) -> Iterator[None]:
        """A fault of the diagnosis is none of the training."""
        try:
            yield
        except Exception as error:
            reason = f"could not be read at step {step}: {in_short(error)}"
            self._failed("the numbers of a step", reason)
