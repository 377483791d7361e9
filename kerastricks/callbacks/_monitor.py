"""What all diagnostic callbacks share: observe, judge, speak once."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.text import Text

from kerastricks._printable import printable
from kerastricks.diagnosis.entries import Entry
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.examination import JUDGED_AFTER_FAILURE, Examination
from kerastricks.diagnosis.failure import Failure
from kerastricks.diagnosis.finding import Finding, grouped, headline, worst
from kerastricks.diagnosis.journal import Journal
from kerastricks.diagnosis.observation import Epoch, Observation
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.probes import Probe
from kerastricks.diagnosis.report import Report
from kerastricks.diagnosis.rules import Rule
from kerastricks.diagnosis.scalars import ScalarWriter, require_writer
from kerastricks.diagnosis.schedule import Schedule
from kerastricks.diagnosis.steps import updates_made
from kerastricks.diagnosis.vitals import vitals

_FEW = 3
"""Places that are told of one by one."""
_STYLES = {"critical": "bold red", "warning": "bold yellow"}


class Monitor(keras.callbacks.Callback):
    """Watch a `fit` with a set of rules.

    Args:
        rules: Rules by name.
        stop_on: Conditions that end the training.
        every: Observe each so many steps; None for a schedule that is dense at first.
        budget: Largest share of the training time that observing may cost, once past the start.
        verbose: 1 to print each finding once, 0 to be silent.
        log_vitals: Whether to add numbers to the epoch logs.
        log_dir: Folder for TensorBoard's event files; None to write none.
        backup_dir: Folder that keeps what was seen until `fit` has come to its end; None for none.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        *,
        stop_on: str | Iterable[str] = (),
        every: int | None = None,
        budget: float = 0.02,
        verbose: int = 1,
        log_vitals: bool = False,
        log_dir: str | PathLike[str] | None = None,
        backup_dir: str | PathLike[str] | None = None,
    ):
        super().__init__()
        if log_dir is not None:
            require_writer()
        if verbose not in (0, 1):
            raise ValueError(f"Argument `verbose` must be 0 or 1. Received: verbose={verbose!r}")
        self._rules = rules
        self._stop_on = _checked_conditions(stop_on, rules)
        self._every = every
        self._budget = budget
        self._verbose = verbose
        self._log_vitals = log_vitals
        self._log_dir = log_dir
        self._scalars: ScalarWriter | None = None
        self._backup_dir = None if backup_dir is None else Path(backup_dir)
        self._journal: Journal | None = None
        self._probe: Probe | None = None
        self._unobserved: dict[str, str] = {}
        self.begin_anew()

    @property
    def report(self) -> Report:
        """What was found so far in this `fit`, or in the last one, also when it was broken off."""
        if self._probe is not None:
            self._probe.leave_if_over()
        self._catch_up()
        return self._examination.report(self._places)

    @property
    def _places(self) -> dict[str, str]:
        """What cannot be seen, as place and reason."""
        return self._probe.unobserved if self._probe else self._unobserved

    def set_model(self, model: Any) -> None:
        """Take the model to watch.

        Raises:
            ValueError: If the model is not compiled.
        """
        if not getattr(model, "compiled", False):
            raise ValueError(
                f"{type(self).__name__} needs a compiled model: it watches the loss and the "
                f"optimizer's updates. Received the uncompiled model {model.name!r}. Call "
                "model.compile(optimizer, loss) before model.fit(...)."
            )
        super().set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Install the probe, or share the one that another callback installed."""
        del logs
        self._unobserved = {}
        self.begin_anew()
        if self._backup_dir is not None:
            path = self._backup_dir / f"{type(self).__name__}.journal"
            self._journal = Journal(path, partial(self._lose, str(path)), self._again)
        self._probe = Probe.attach(self.model, self, self._break_off, self._journal)
        if self._log_dir is not None:
            try:
                self._scalars = ScalarWriter(self._log_dir)
            except Exception as error:
                self._lose(str(self._log_dir), in_short(error))

    def begin(self, plan: Plan) -> None:
        """Say so when nothing can be observed (called by the probe)."""
        if not plan.layers:
            reasons = "; ".join(f"{path}: {reason}" for path, reason in plan.unobserved.items())
            told = f"nothing of this model can be observed: {reasons}. Training goes on."
            self._attempt(lambda: self._say(told))

    def begin_anew(self) -> None:
        """Forget what was seen and said (called by the probe where it cannot be gone through)."""
        self.schedule = Schedule(self._every, self._budget)
        self._examination = self._new_examination()
        self._advised: set[str] = set()
        self._told: set[Any] = set()
        self._said: set[Any] = set()
        self._last: Observation | None = None

    def resumed(self) -> None:
        """End a training that would have ended before it was killed (called by the probe)."""
        found = (f for f in self._examination.findings if self._stops(f))
        first = min(found, key=lambda finding: finding.onset, default=None)
        if first is not None and self._probe is not None:
            self._probe.stop_training()
            where = "" if first.layer is None else f" in {first.layer}"
            when = f"since step {first.onset}, before this training was resumed"
            told = f"training stops because of {first.condition}{where}, {when}."
            self._attempt(lambda: self._say(told))

    def remembered(self) -> tuple[dict[str, Any], list[tuple[Observation, bool]]]:
        """What followed from what was seen, and what rules look back on (called by the probe)."""
        parts = {
            "examination": self._examination.remembered(),
            "schedule": self.schedule.remembered(),
            "advised": self._advised,
            "told": self._told,
            "failed": self._places.get(type(self).__name__),
        }
        return parts, self._examination.window

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what had followed in an earlier process (called by the probe)."""
        self._examination.restore(state["examination"])
        self.schedule.restore(state["schedule"])
        self._advised, self._told = state["advised"], state["told"]
        if state["failed"] is not None:
            self._places[type(self).__name__] = state["failed"]

    def recall(self, observation: Observation, epochs: int, *, within: bool) -> None:
        """Look back on a step that is told of in `restore` (called by the probe)."""
        self._last = observation
        self._examination.recall(observation, epochs, within=within)

    def miss(self, missing: Mapping[str, str]) -> None:
        """Say what was to be observed and is not (called by the probe)."""
        reasons = "; ".join(f"{place}: {reason}" for place, reason in list(missing.items())[:_FEW])
        more = f"; and {len(missing) - _FEW} more, see `report`" if len(missing) > _FEW else ""
        self._attempt(lambda: self._say(f"not all can be observed: {reasons}{more}."))

    def observe(self, observation: Observation) -> None:
        """Judge an observed step (called by the probe, in the midst of the training)."""
        self._last = observation
        if self._probe is not None and self._probe.catching_up:
            self._examination.note(observation)
        else:
            self._tell(lambda: self._examination.add(observation))
        if self._probe is not None and not self._replaying:
            step = self._probe.updates_before + observation.step
            self._write(lambda to: to.add(observation, step=step, findings=self._findings()))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note where the training starts, or goes on."""
        del logs
        if self._probe is not None:
            begin = self._probe.begin_epoch
            self._attempt(lambda: begin(epoch))

    def on_test_begin(self, logs: Any = None) -> None:
        """Judge what the validation is about to use."""
        del logs
        self._catch_up()
        made = self._probe.step if self._probe else None
        if self._journal is not None:
            self._journal.append("closing", made=made)
        self._judge_averages(over=False, made=made)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Judge the epoch; look at the next step when the loss has become NaN or infinite."""
        self._catch_up()
        if self._log_vitals and logs is not None:
            logs.update(self._vitals())
        self._write(lambda to: to.flush())
        if self._probe is not None:
            step = self._probe.step
            self._attempt(lambda: self._keep_epoch(epoch, step, logs or {}))
            self._attempt(lambda: self._end_epoch(step, logs or {}))
            shorten = self._probe.shorten
            self._attempt(lambda: shorten(self))

    def on_train_end(self, logs: Any = None) -> None:
        """Judge the end, and leave the model as it was."""
        del logs
        self._catch_up()
        self._close()
        if self._journal is not None:
            self._journal.remove()
            self._journal = None
        if self._probe is not None:
            self._probe.detach(self)
            # What is over holds no model and no threads, so that the callback can be copied.
            self._unobserved, self._probe = self._probe.unobserved, None

    def _new_examination(self) -> Examination:
        """What observations are held against, in one `fit`."""
        return Examination(self._rules)

    def _break_off(self, failure: Failure) -> None:
        """Say why the training ends, and judge what is known (called by the probe)."""
        self._attempt(lambda: self._say(f"{failure.place}: {failure.reason}. See `report`."))
        if not self._rules.keys().isdisjoint(JUDGED_AFTER_FAILURE):
            seen = failure.look()
            if seen is not None:
                self._tell(lambda: self._examination.add_failed(seen), over=True)
        self._close()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _keep_epoch(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Note the end of an epoch where the training may have to go on."""
        if self._journal is not None:
            kept = {name: _plain(logs.get(name)) for name in ("loss", "val_loss")}
            made = updates_made(self.model.optimizer)
            self._journal.append("epoch", epoch=epoch, step=step, updates=made, logs=kept)

    def _again(self, entry: Entry) -> None:
        """Judge what was judged in an earlier process."""
        if entry.kind == "epoch":
            self._attempt(lambda: self._end_epoch(entry.facts["step"], entry.facts["logs"]))
        elif entry.kind == "closing":
            self._judge_averages(over=False, made=entry.facts["made"])
        elif entry.kind == "said":
            self._attempt(lambda: self._said.update(map(tuple, entry.facts["keys"])))

    @property
    def _replaying(self) -> bool:
        return self._journal is not None and self._journal.replaying

    def _end_epoch(self, step: int, logs: Mapping[str, Any]) -> None:
        """Judge an epoch by its logs, which a `train_step` of the user's own may have filled."""
        loss, validation = logs.get("loss"), logs.get("val_loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            self.schedule.demand()
        else:
            ended = Epoch(step, float(loss), validation)
            self._tell(lambda: self._examination.end_epoch(ended))

    def _close(self) -> None:
        """Judge what was learned, and end the files."""
        self._judge_averages(over=True, made=self._probe.step if self._probe else None)
        self._write(lambda to: to.close())
        self._scalars = None

    def _judge_averages(self, *, over: bool, made: int | None) -> None:
        self._tell(lambda: self._examination.close(over=over, made=made), over=over)

    def _catch_up(self) -> None:
        """Have the probe tell what was observed and not told yet."""
        if self._probe is not None:
            self._probe.tell()

    def _vitals(self) -> dict[str, float]:
        seen = {} if self._last is None else vitals(self._last)
        return {"doctor_findings": float(self._findings()), **seen}

    def _findings(self) -> int:
        """How many findings above a note are known."""
        return sum(finding.severity != "note" for finding in self._examination.findings)

    def _tell(self, judge: Callable[[], list[Finding]], *, over: bool = False) -> None:
        """Judge, and say what is new."""
        self._attempt(lambda: self._speak_of(judge(), over=over))

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do something; when it fails, the training goes on, and the report says so."""
        try:
            action()
        except Exception as error:
            self._lose(type(self).__name__, in_short(error))

    def _write(self, action: Callable[[ScalarWriter], None]) -> None:
        """Write for TensorBoard, unless that has failed before."""
        if self._scalars is None:
            return
        try:
            action(self._scalars)
        except Exception as error:
            self._scalars = None
            self._lose(str(self._log_dir), in_short(error))

    def _lose(self, place: str, reason: str) -> None:
        """Say once what cannot be written or read; the training goes on."""
        if place not in self._places:
            self._places[place] = reason
            self._attempt(lambda: self._say(f"{place}: {reason}. Training goes on."))

    def _speak_of(self, findings: list[Finding], *, over: bool) -> None:
        known = {finding.key: finding for finding in self.report.findings} if findings else {}
        stops = [] if over or self._replaying else [f for f in findings if self._stops(f)]
        if stops and self._probe is not None:
            self._probe.stop_training()  # before anything is printed, which may fail
        grave = [f for f in findings if f.severity != "note"]
        for group in grouped(f for f in grave if f.key not in self._said):
            self._speak(group, known)
        self._advised.update(f.condition for f in grave if f.key in self._said)
        if grave and self._journal is not None:
            self._journal.append("said", keys=[list(f.key) for f in grave])
        self._told.update(finding.key for finding in findings)
        if stops:
            self._say(f"training stops because of {stops[0].condition}.")

    def _stops(self, finding: Finding) -> bool:
        return finding.condition in self._stop_on and finding.severity != "note"

    def _speak(self, group: list[Finding], known: Mapping[Any, Finding]) -> None:
        told = worst(_unexplained(group, known))
        said = printable(told.message)
        text = Text.assemble((headline(group), _STYLES[told.severity]), f".\n  {said}")
        cause = known[told.key].caused_by
        if cause is not None:
            text.append(f"\n  It follows from {headline([cause])}.")
        elif told.condition not in self._advised:
            self._advised.add(told.condition)
            text.append("\n  Remedy: ", "bold green").append(printable(told.remedy))
        effects = {f.condition: None for f in known.values() if self._is_told_effect(f, group)}
        if effects:
            text.append(f"\n  It explains {' and '.join(effects)}, told before.")
        self._say(text)

    def _is_told_effect(self, finding: Finding, causes: list[Finding]) -> bool:
        cause = finding.caused_by
        return (
            cause is not None
            and finding.key in self._told
            and cause.key in {each.key for each in causes}
        )

    def _say(self, text: str | Text) -> None:
        if self._verbose and not self._replaying:
            text = printable(text) if isinstance(text, str) else text
            # The progress bar may stand in the middle of a line. What does not fit, the terminal
            # wraps, so that a remedy is copied in one piece.
            line = Text.assemble("\n", (type(self).__name__, "bold"), ": ", text)
            Console(soft_wrap=True, highlight=False).print(line)


def _plain(value: Any) -> float | None:
    return float(value) if isinstance(value, Real) else None


def _unexplained(group: list[Finding], known: Mapping[Any, Finding]) -> list[Finding]:
    """The findings of a group that do not follow from others of it; roots, if there are any."""
    keys = {finding.key for finding in group}
    causes = [(finding, known[finding.key].caused_by) for finding in group]
    roots = [finding for finding, cause in causes if cause is None]
    return roots or [finding for finding, cause in causes if cause and cause.key not in keys]


def _checked_conditions(stop_on: str | Iterable[str], rules: Mapping[str, Rule]) -> frozenset[str]:
    names = frozenset([stop_on] if isinstance(stop_on, str) else stop_on)
    if names <= rules.keys():
        return names
    raise ValueError(
        f"Argument `stop_on` must name conditions that are watched for: {', '.join(rules)}. "
        f"Received: {', '.join(sorted(map(repr, names - rules.keys())))}."
    )
