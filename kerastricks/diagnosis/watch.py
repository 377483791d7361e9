"""Who is told what a probe sees, and when."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from kerastricks.diagnosis.alarm import Alarm
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.failure import Failure
from kerastricks.diagnosis.journal import Journal
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.plan import Numbers, Plan
from kerastricks.diagnosis.remembering import Remembering
from kerastricks.diagnosis.schedule import Schedule

Failed = Callable[[str, str], None]

CLOSELY = 8
"""Looks that are judged one by one after an alarm: conditions must hold for two to eight."""


class Observer(Protocol):
    """Who is told what a probe sees."""

    schedule: Schedule

    def begin(self, plan: Plan) -> None:
        """It is known what can be observed."""

    def miss(self, missing: Mapping[str, str]) -> None:
        """The first look lacks what was planned, by place and reason."""

    def observe(self, observation: Observation) -> None:
        """A step was observed."""

    def resumed(self) -> None:
        """What was seen before the training was killed has been gone through."""

    def begin_anew(self) -> None:
        """What was seen before cannot be gone through, and is to be forgotten."""

    def remembered(self) -> tuple[dict[str, Any], list[tuple[Observation, bool]]]:
        """What has followed from all that was seen, and what is still looked back on.

        Returns:
            The former in values that files take. Of the latter, which of them are whole.
        """

    def restore(self, state: Mapping[str, Any]) -> None:
        """What had followed in an earlier process."""

    def recall(self, observation: Observation, epochs: int, *, within: bool) -> None:
        """A step was observed in an earlier process, and what follows has been restored.

        Args:
            observation: The step, or an outline of it; the epochs of neither are known.
            epochs: How many epochs had ended.
            within: Whether it is still looked back on; else it is the first.
        """


class Watch(Remembering):
    """The observers of one model, and the looks of which they have not been told yet.

    A look is cheap, to judge it is not. So looks wait until one is due to be judged, by the
    schedule of any observer, or because it is out of the ordinary; then all are told in order.
    """

    _REMEMBERED = ("_closely", "_looks")

    def __init__(self) -> None:
        self.observers: list[Observer] = []
        self.on_failure: dict[int, Callable[[Failure], None]] = {}
        self.journals: list[tuple[Observer, Journal]] = []
        self._plan = Plan()
        self._alarm: Alarm | None = None
        self._waiting: deque[Observation] = deque()
        self._telling = False
        self._closely = 0
        self._looks = 0
        self._plain_steps = 0
        self._resumed = 0.0

    @property
    def looks(self) -> int:
        """Looks taken in so far."""
        return self._looks

    @property
    def catching_up(self) -> bool:
        """True while older looks are told: the newest of them follows at once."""
        return bool(self._waiting)

    @property
    def timed(self) -> bool:
        """True where a schedule goes by what looks cost."""
        return any(observer.schedule.timed for observer in self.observers)

    @property
    def patient(self) -> bool:
        """True where the next look may be read later than it is taken: it need not be judged."""
        return not self.timed and self._closely <= 1 and self._patience > 1

    @property
    def _patience(self) -> int:
        return min(observer.schedule.patience(self._looks) for observer in self.observers)

    def join(
        self,
        observer: Observer,
        on_failure: Callable[[Failure], None] | None,
        journal: Journal | None = None,
    ) -> None:
        """Take in an observer, and whom to tell when the training does not come to its end."""
        self.observers.append(observer)
        if journal is not None:
            self.journals.append((observer, journal))
        if on_failure is not None:
            self.on_failure[id(observer)] = on_failure

    def leave(self, observer: Observer) -> None:
        """Let an observer go."""
        if observer in self.observers:
            self.observers.remove(observer)
            self.journals = [kept for kept in self.journals if kept[0] is not observer]
            self.on_failure.pop(id(observer), None)

    def begin(self, plan: Plan) -> None:
        """Tell what can be observed."""
        self._plan, self._alarm = plan, Alarm(plan)
        for observer in self.observers:
            observer.begin(plan)

    def miss(self, missing: Mapping[str, str]) -> None:
        """Tell what the first look lacks, by place and reason."""
        for observer in self.observers:
            observer.miss(missing)

    def due(self, step: int) -> bool:
        """Tell whether the step of this number is to be observed."""
        return any(observer.schedule.due(step) for observer in self.observers)

    def passed(self) -> None:
        """Note that a step was made that was not observed."""
        self._plain_steps += 1

    @contextmanager
    def looking(self, step: int) -> Iterator[None]:
        """Take the time of a look."""
        schedules = [observer.schedule for observer in self.observers]
        started = time.perf_counter()
        if self._plain_steps:
            for schedule in schedules:
                schedule.passed((started - self._resumed) / self._plain_steps)
        yield
        self._plain_steps, self._resumed = 0, time.perf_counter()
        for schedule in schedules:
            schedule.observed(step, self._resumed - started)

    def add(self, observation: Observation, numbers: Numbers, failed: Failed) -> None:
        """Take in a look, and tell of it when it is to be judged.

        Args:
            observation: The look.
            numbers: What it is read from.
            failed: Called with the name of an observer that fails, and the reason.
        """
        self._take_in(observation, numbers)
        patience = self._patience
        self._looks += 1
        due = len(self._waiting) >= patience or self._closely > 0
        self._keep("look", numbers, step=observation.step, told=due)
        if due:
            started = time.perf_counter()
            self._judge(numbers, failed)
            seconds = time.perf_counter() - started
            for observer in self.observers:
                observer.schedule.judged(seconds)

    @contextmanager
    def again(self, observer: Observer) -> Iterator[None]:
        """Have an observer alone go through what was seen before, from the beginning."""
        everyone, self.observers = self.observers, [observer]
        self._forget()
        try:
            yield
        except Exception:
            self._forget()
            raise
        finally:
            self.observers = everyone

    def _forget(self) -> None:
        self._alarm = Alarm(self._plan)
        self._waiting.clear()
        self._closely = self._looks = 0

    def add_again(
        self, observation: Observation, numbers: Numbers, failed: Failed, *, told: bool
    ) -> None:
        """Take in a look of an earlier process, and tell of it if it was told then."""
        self._take_in(observation, numbers)
        self._looks += 1
        for observer in self.observers:
            observer.schedule.observed_before(observation.step)
        if told:
            self._judge(numbers, failed)

    def tell_again(self, failed: Failed) -> None:
        """Tell of the looks that wait, as was done in an earlier process."""
        self._tell(failed)

    def remembered(self) -> dict[str, Any]:
        """What has become of the looks so far; none of them waits."""
        assert self._alarm is not None
        return {**super().remembered(), "alarm": self._alarm.remembered()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        assert self._alarm is not None
        super().restore(state)
        self._alarm.restore(state["alarm"])

    def _take_in(self, observation: Observation, numbers: Numbers) -> None:
        assert self._alarm is not None
        self._closely -= 1
        self._waiting.append(observation)
        if self._alarm.rings(numbers):
            self._closely = CLOSELY
        if self._looks and self.timed:
            looks = self._alarm.startles(numbers)
            for observer in self.observers:
                observer.schedule.look_closely(observation.step, looks)

    def _judge(self, numbers: Numbers, failed: Failed) -> None:
        assert self._alarm is not None
        self._alarm.judged(numbers)
        self._tell(failed)

    def _keep(self, kind: str, numbers: Numbers | None = None, **facts: Any) -> None:
        for _, journal in self.journals:
            journal.append(kind, numbers, **facts)

    def tell(self, failed: Failed) -> None:
        """Tell the observers of all looks that wait, oldest first.

        Args:
            failed: Called with the name of an observer that fails, and the reason.
        """
        if self._waiting and not self._telling:
            self._keep("told")
        self._tell(failed)

    def _tell(self, failed: Failed) -> None:
        if self._telling:
            return  # an observer that is being told asks for what it knows
        self._telling = True
        try:
            while self._waiting:
                observation = self._waiting.popleft()
                for observer in self.observers:
                    try:
                        observer.observe(observation)
                    except Exception as error:
                        failed(type(observer).__name__, in_short(error))
        finally:
            self._telling = False

    def break_off(self, failure: Failure, failed: Failed) -> None:
        """Tell those who want to know that the training did not come to its end.

        Args:
            failure: Where and why.
            failed: Called with place and reason when one of them fails.
        """
        for told in self.on_failure.values():
            try:
                told(failure)
            except Exception as error:
                failed("the end of the report", in_short(error))
