"""Taps into a model's own training step.

Keras 3 reads `model.train_function` anew for every batch. The probe puts a dispatcher there that
chooses between the model's own train function, left as it is, and a second one, compiled from the
same `train_step` with taps on. So a step that is not observed costs nothing.

In an observed step each layer's `call`, the model's `compute_loss` and `compute_metrics` and the
optimizer's `apply` reduce what passes through them to one flat vector, which the step carries out
in the variable of a `keras.metrics.Metric`. Metrics are in neither `model.weights` nor in
saved files, and this one returns no result, so that no log key appears.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, ClassVar

import keras

from kerastricks.diagnosis import frames, private, steps
from kerastricks.diagnosis.carrier import Carrier, room_for_numbers
from kerastricks.diagnosis.errors import in_short, without_own_frames
from kerastricks.diagnosis.failure import Failure, look_after
from kerastricks.diagnosis.journal import Journal
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.plan import Plan, path_of
from kerastricks.diagnosis.planning import rehearse
from kerastricks.diagnosis.reader import Reader
from kerastricks.diagnosis.recording import Recording
from kerastricks.diagnosis.taps import Taps
from kerastricks.diagnosis.watch import Observer, Watch


class Probe:
    """Observe the training steps of one model while it is in `fit`.

    Several callbacks may share the probe of a model; it is installed by the first and removed by
    the last. Installing and removing leave no trace in the model.

    Attributes:
        unobserved: What cannot be seen, as path and reason.
    """

    _installed: ClassVar["weakref.WeakKeyDictionary[Any, Probe]"] = weakref.WeakKeyDictionary()

    @classmethod
    def attach(
        cls,
        model: Any,
        observer: Observer,
        on_failure: Callable[[Failure], None] | None = None,
        journal: Journal | None = None,
    ) -> "Probe":
        """Share the probe that a model in `fit` carries, or install one.

        Args:
            model: A compiled Keras model whose `fit` is about to start.
            observer: Who is told. With a shared probe a step is observed when the schedule of any
                observer asks for it, and all are told.
            on_failure: Told when `fit` does not come to its end; nothing of the probe is left on
                the model by then. Keras calls no callback after an exception.
            journal: Keeps what the observer sees, and holds what it saw of a run that goes on.
        """
        probe = cls._installed.get(model)
        if probe is None:
            probe = cls(model)
            try:
                probe._install()
            except Exception as error:
                # Of a `make_train_function` of the user's own. Diagnosis gives way to training.
                probe._uninstall()
                probe._fails(path_of(model), in_short(error))
            else:
                cls._installed[model] = probe
                probe._end_with(frames.callback_list())
        probe._watch.join(observer, on_failure, journal)
        return probe

    def __init__(self, model: Any):
        self.unobserved: dict[str, str] = {}
        self._model = model
        self._watch = Watch()
        self._taps = Taps(self._fails)
        self._plan: Plan | None = None
        self._carrier: Carrier | None = None
        self._reader: Reader | None = None
        self._start = steps.Start(0, 0)
        self._step = 0
        self._between = self._raised_in_trace = False
        self._thread = threading.get_ident()
        self._end: Any = None

    @property
    def step(self) -> int:
        """Training steps made so far in this `fit`."""
        return self._step

    @property
    def updates_before(self) -> int:
        """Updates of the model when this training, perhaps in an earlier process, began."""
        return self._start.updates

    def begin_epoch(self, epoch: int) -> None:
        """Note where the training starts, once all callbacks have begun: one may restore it."""
        if self._plan is None:
            self._start = steps.start_of(self._model.optimizer, self._fails, epoch)

    @property
    def catching_up(self) -> bool:
        """True while observers are told of steps that lie behind: a newer one follows at once."""
        return self._watch.catching_up

    def leave_if_over(self) -> None:
        """Leave the model when `fit` was left without `on_train_end`, as after Ctrl-C."""
        known = self._end is not None and threading.get_ident() == self._thread
        if known and not self._in_fit:
            self._abandoned()

    @property
    def _in_fit(self) -> bool:
        """True when it is asked from below the `fit` that is watched."""
        watched = None if self._end is None else self._end.peek()
        return watched is not None and frames.in_fit(watched[0])

    def tell(self) -> None:
        """Tell the observers of all steps observed so far."""
        if self._reader is not None:
            self._reader.read()
        self._watch.tell(self._fails)

    def shorten(self, observer: Observer) -> None:
        """Have an observer's journal go on in a shorter file, where that is due."""
        if self._reader is not None:
            self._reader.shorten(observer)

    def stop_training(self) -> None:
        """Have `fit` end after this step.

        On JAX a callback's `self.model` would fetch the state of a step that is not over.
        """
        self._model.stop_training = True

    def detach(self, observer: Observer) -> None:
        """Stop telling one observer; the last one removes the probe."""
        self._watch.leave(observer)
        if self._plan is None and getattr(getattr(self._model, "history", None), "epoch", None):
            reason = f"Keras {keras.__version__} ended epochs without a call of `train_function`"
            self._fails(path_of(self._model), reason)
        if not self._watch.observers:
            self._uninstall()

    def _fails(self, place: str, reason: str) -> None:
        # What comes later often follows from what came first.
        self.unobserved.setdefault(place, reason)

    def _install(self) -> None:
        model = self._model
        self._start = steps.start_of(model.optimizer, self._fails)
        self._plain = model.train_function
        original_step = model.train_step

        def observed_step(*args: Any, **kwargs: Any) -> Any:
            if self._plan is None or self._carrier is None:
                return original_step(*args, **kwargs)  # run by another than the dispatcher
            recording = Recording(self._plan, self._carrier.numbers)
            try:
                with self._taps.heard_by(recording):
                    logs = original_step(*args, **kwargs)
                return self._carrier.send(logs, recording.numbers, model)
            except Exception:
                self._raised_in_trace = steps.is_traced(args)
                raise

        self._observed_step = observed_step
        self._original = self._plain
        with room_for_numbers(model, self._fails) as laid_out:
            with self._observed_train_step():
                model.make_train_function(force=True)
            self._observed = model.train_function
            if laid_out:
                model.make_train_function(force=True)
                self._plain = model.train_function
        model.train_function = self._dispatch
        self._taps.put(model, "make_train_function", self._renew)

    def _end_with(self, callbacks: Any) -> None:
        """Leave when `fit` lets go of its callbacks.

        An exception in another callback, or in the data, passes no function of the probe.
        """
        if callbacks is not None:
            self._end = weakref.finalize(callbacks, self._abandoned)
            self._end.atexit = False

    def _renew(self, *args: Any, **kwargs: Any) -> Any:
        """A step of a callback's own, or a new `fit`, the last one not having come to its end."""
        if frames.called_by("train_on_batch") and self._in_fit:
            self._between = True  # it calls the train function next
            return None
        self._abandoned()
        return self._model.make_train_function(*args, **kwargs)

    def _abandoned(self) -> None:
        """`fit` is over, and `on_train_end` was not called."""
        if self._installed.get(self._model) is not self:
            return
        reason = (
            f"`fit` was left after {self._step} steps: a callback or the data raised, or a "
            "callback fitted the model, or compiled it, anew"
        )
        self._break_off("the rest of the training", reason, lambda: None)

    def _break_off(self, place: str, reason: str, look: Callable[[], Observation | None]) -> None:
        """Tell what was seen, leave the model, and tell what is known of the failure."""
        self.tell()
        self._uninstall()
        self._fails(place, reason)
        self._watch.break_off(Failure(place, reason, cache(look)), self._fails)

    def _uninstall(self) -> None:
        model = self._model
        self._installed.pop(model, None)
        if self._end is not None:
            self._end.detach()
        self._taps.remove()
        self._reader = None
        self._remove_carrier()
        if getattr(model, "train_function", None) == self._dispatch:
            model.train_function = self._original

    def _remove_carrier(self) -> None:
        if self._carrier is not None:
            private.remove_metric(self._model, self._carrier)
            self._carrier = None

    def _dispatch(self, *args: Any) -> Any:
        """Stand in for the model's train function: run one step, observed or plain."""
        between, self._between = self._between, False
        args = steps.remembering(args)
        try:
            return self._run_plainly(args) if between else self._run(args)
        except BaseException as error:
            if not between and not steps.is_end_of_data(error):
                self._fail(args, error)
            error.__traceback__ = without_own_frames(error.__traceback__)
            raise

    def _fail(self, args: tuple[Any, ...], error: BaseException) -> None:
        """A step has raised: `fit` ends without `on_train_end`."""
        first, length = self._step, getattr(self._model, "steps_per_execution", 1)
        numbers = f" {first}" if length == 1 else f"s {first} to {first + length - 1}"
        where = f"training step{numbers}"
        if isinstance(error, Exception):
            look = partial(look_after, self._model, self._plan, args, first, error)
            self._break_off(where, f"raised {in_short(error)}", partial(look, where, self._fails))
        else:
            self._break_off(where, f"was interrupted by {in_short(error)}", lambda: None)

    def _run(self, args: tuple[Any, ...]) -> Any:
        if self._plan is None:
            args = self._begin(args)
        length = getattr(self._model, "steps_per_execution", 1)
        last = self._step + length - 1
        reader = self._reader
        if reader is None or not self._watch.due(last):
            result = self._run_plainly(args)
            self._watch.passed()
            self._step += length
            if reader is not None:
                reader.read()
            return result
        if self._watch.timed:
            steps.wait_for_earlier_steps(args)
        self._raised_in_trace = False
        with self._watch.looking(last):
            try:
                with self._observed_train_step():
                    result = self._observed(*args)
            except Exception as error:
                again = steps.before_tracing(self._model, args) if self._raised_in_trace else None
                if again is None:
                    raise
                reason = (
                    f"are made unobserved, since with taps on the step raised {in_short(error)}"
                )
            else:
                self._step += length
                reader.read()
                reader.take(last, result)
                return result
        return self._go_on_unobserved(again, length, reason)

    def _go_on_unobserved(self, args: tuple[Any, ...], length: int, reason: str) -> Any:
        """Make a step without the taps with which it could not be traced, and all that follow."""
        if self._reader is not None:
            self._reader.read()
            self._reader = None
        self._taps.remove(keep=1)  # not the one that `_install` has put
        # The carrier stays: on JAX the state that goes from step to step has a value of it.
        result = self._run_plainly(args)
        self._tell_of(f"the steps from {self._step} on", reason)
        self._step += length
        return result

    def _run_plainly(self, args: tuple[Any, ...]) -> Any:
        return (self._original if self._carrier is None else self._plain)(*args)

    def _begin(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """See the first batch's shapes, plan, and add the variable that carries the numbers."""
        model = self._model
        try:
            inputs, targets, args = steps.peek(args)
            self._plan = rehearse(
                model, self._taps, inputs, targets, steps.forward_pass(model, args)
            )
        except Exception as error:
            # A model may do what no rehearsal foresees. Diagnosis gives way to training.
            reason = in_short(error)
            self._plan = Plan(unobserved={path_of(model): reason})
        if not self._plan.layers and not self._plan.unobserved:
            reason = "no layer has weights or an activation and puts out floats"
            self._plan = Plan(unobserved={path_of(model): reason})
        self.unobserved = {**self.unobserved, **self._plan.unobserved}
        self._watch.begin(self._plan)
        if not self._plan.layers:
            return args
        try:
            return self._prepare(args)
        except Exception as error:
            self._withdraw(path_of(model), in_short(error))
            return args

    def _withdraw(self, place: str, reason: str) -> None:
        """Leave the model alone for the rest of the training, and tell why."""
        self._taps.remove()
        self._remove_carrier()
        self._reader = None
        self._tell_of(place, reason)

    def _tell_of(self, place: str, reason: str) -> None:
        self._fails(place, reason)
        self._watch.miss({place: reason})

    def _prepare(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Add the variable that carries the numbers, and the taps that take them."""
        model, plan = self._model, self._plan
        assert plan is not None
        before = list(model.metrics_variables)
        with steps.variable_scope(model):
            self._carrier = Carrier(plan)
        reader = Reader(model, plan, self._carrier, self._watch, self._fails, self._start)
        self._reader = reader
        if keras.backend.backend() == "jax":
            # Here a step may write the variables of the model's metrics only. Elsewhere the model
            # need not know of it, and `for metric in self.metrics` does not meet it.
            if not private.add_metric(model, self._carrier, self._withdraw):
                return args
            if not any(each is self._carrier.numbers for each in model.metrics_variables):
                reason = "is overridden without super().metrics: on JAX no numbers leave the step"
                self._withdraw(f"{type(model).__name__}.metrics", reason)
                return args
        self._step = reader.resume()
        self._start = reader.start
        for layer in plan.tapped:
            self._taps.tap_layer(layer)
        self._taps.tap_loss(model)
        if model.optimizer is not None:  # else the model's `train_step` has its own
            self._taps.tap_optimizer(model.optimizer, self._trained)
        return steps.extended(args, before, list(model.metrics_variables))

    def _trained(self) -> list[Any] | None:
        """The variables that the optimizer updates when it is not given any; None if not known."""
        if keras.backend.backend() == "jax":
            return list(self._model.trainable_variables)
        return private.updated_by(self._model.optimizer, self._fails)

    @contextmanager
    def _observed_train_step(self) -> Iterator[None]:
        """Let `make_train_function`, or the trace that it leads to, find the tapped step."""
        state = self._model.__dict__
        before = state.get("train_step")
        state["train_step"] = self._observed_step
        try:
            yield
        finally:
            if before is None:
                state.pop("train_step", None)
            else:
                state["train_step"] = before
