"""Taps into a model's own training step: the one file that touches Keras' private attributes.

Keras 3 reads `model.train_function` anew for every batch. The probe puts a dispatcher there that
chooses between the model's own train function, left as it is, and a second one, compiled from the
same `train_step` with taps on. So a step that is not observed costs nothing.

In an observed step each layer's `call`, the model's `compute_loss` and `compute_metrics` and the
optimizer's `apply` reduce what passes through them to one flat vector each, which the step carries
out in the variables of a `keras.metrics.Metric`. Metrics are in neither `model.weights` nor in
saved files, and this one returns no result, so that no log key appears.

Written for Keras 3.10 to 3.15.
"""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

import keras
import numpy as np
from keras import ops
from keras.src.backend import compute_output_spec

from kerastricks.diagnosis import steps
from kerastricks.diagnosis.losses import losses_of
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.plan import Plan, path_of
from kerastricks.diagnosis.recording import Recording
from kerastricks.diagnosis.rehearsal import Rehearsal
from kerastricks.diagnosis.schedule import Schedule
from kerastricks.diagnosis.structure import linear_kernels

# Their inner layers run in a loop that no tensor may leave.
_OPAQUE = (keras.layers.RNN, keras.layers.Wrapper)

_LOSS_ARGUMENTS = ("x", "y", "y_pred")

_EVENTS = {
    "saw": "layer outputs",
    "saw_loss": "the loss",
    "saw_gradients": "gradients",
    "saw_weights": "weight updates",
    "saw_end": "weights",
}


class Observer(Protocol):
    """Who is told what a probe sees."""

    schedule: Schedule

    def begin(self, plan: Plan) -> None:
        """It is known what can be observed."""

    def observe(self, observation: Observation) -> None:
        """A step was observed."""


class Probe:
    """Observe the training steps of one model while it is in `fit`.

    Several callbacks may share the probe of a model; it is installed by the first and removed by
    the last. Installing and removing leave no trace in the model.

    Attributes:
        unobserved: What cannot be seen, as path and reason.
    """

    _installed: ClassVar["weakref.WeakKeyDictionary[Any, Probe]"] = weakref.WeakKeyDictionary()

    @classmethod
    def attach(cls, model: Any, observer: "Observer") -> "Probe":
        """Share the probe that a model in `fit` carries, or install one.

        Args:
            model: A compiled Keras model whose `fit` is about to start.
            observer: Who is told. With a shared probe a step is observed when the schedule of any
                observer asks for it, and all are told.
        """
        probe = cls._installed.get(model)
        if probe is None:
            probe = cls(model)
            probe._install()
            cls._installed[model] = probe
        probe._observers.append(observer)
        return probe

    def __init__(self, model: Any):
        self.unobserved: dict[str, str] = {}
        self._model = model
        self._observers: list[Observer] = []
        self._local = threading.local()
        self._patched: list[tuple[Any, str]] = []
        self._plan: Plan | None = None
        self._metric: _Carrier | None = None
        self._step = 0
        self._unwatched = 0
        self._resumed = 0.0

    @property
    def step(self) -> int:
        """Training steps made so far in this `fit`."""
        return self._step

    def stop_training(self) -> None:
        """Have `fit` end after this step.

        On JAX a callback's `self.model` would fetch the state of a step that is not over.
        """
        self._model.stop_training = True

    def detach(self, observer: "Observer") -> None:
        """Stop telling one observer; the last one removes the probe."""
        if observer in self._observers:
            self._observers.remove(observer)
        if not self._observers:
            self._uninstall()

    def _install(self) -> None:
        model = self._model
        # A model that is fitted further is not at its start.
        self._fresh = steps.updates_made(model.optimizer) == 0
        self._plain = model.train_function
        original_step = model.train_step

        def observed_step(*args: Any, **kwargs: Any) -> Any:
            assert self._plan is not None
            assert self._metric is not None
            with self._tape(Recording(self._plan, self._metric.forward, self._metric.backward)):
                return original_step(*args, **kwargs)

        self._observed_step = observed_step
        with self._observed_train_step():
            model.make_train_function(force=True)
        self._observed = model.train_function
        model.train_function = self._dispatch
        self._patch(model, "make_train_function", self._renew)

    def _renew(self, *args: Any, **kwargs: Any) -> Any:
        """A new `fit` begins, and the last one did not come to its end: leave first."""
        self._uninstall()
        return self._model.make_train_function(*args, **kwargs)

    def _uninstall(self) -> None:
        model = self._model
        self._installed.pop(model, None)
        self._unpatch()
        if self._metric is not None:
            if self._metric in model._metrics:
                model._metrics.remove(self._metric)
            self._metric = None
        if model.train_function == self._dispatch:
            model.train_function = self._plain

    def _dispatch(self, *args: Any) -> Any:
        """Stand in for the model's train function: run one step, observed or plain."""
        try:
            return self._run(args)
        except BaseException as error:
            # `fit` does not call `on_train_end` after an exception.
            if not steps.is_end_of_data(error):
                self._uninstall()
            raise

    def _run(self, args: tuple[Any, ...]) -> Any:
        if self._plan is None:
            args = self._begin(args)
        length = getattr(self._model, "steps_per_execution", 1)
        last = self._step + length - 1
        schedules = [observer.schedule for observer in self._observers]
        if self._metric is None or not any(schedule.due(last) for schedule in schedules):
            result = self._plain(*args)
            self._unwatched += 1
            self._step += length
            return result
        steps.wait_for_earlier_steps(args)
        started = time.perf_counter()
        if self._unwatched:
            for schedule in schedules:
                schedule.passed((started - self._resumed) / self._unwatched)
        with self._observed_train_step():
            result = self._observed(*args)
        self._step += length
        observation = self._read(last, result)
        for observer in self._observers:
            try:
                observer.observe(observation)
            except Exception as error:
                self.unobserved[type(observer).__name__] = f"{type(error).__name__}: {error}"
        self._unwatched, self._resumed = 0, time.perf_counter()
        for schedule in schedules:
            schedule.observed(last, self._resumed - started)
        return result

    def _begin(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """See the first batch's shapes, plan, and add the variables that carry the numbers."""
        model = self._model
        try:
            inputs, targets, args = steps.peek(args)
            self._plan = self._rehearse(inputs, targets, steps.forward_pass(model, args))
        except Exception as error:
            # A model may do what no rehearsal foresees. Diagnosis gives way to training.
            reason = f"{type(error).__name__}: {error}"
            self._plan = Plan(unobserved={path_of(model): reason})
        if not self._plan.layers and not self._plan.unobserved:
            reason = "no layer has weights or an activation and puts out floats"
            self._plan = Plan(unobserved={path_of(model): reason})
        self.unobserved = self._plan.unobserved
        for observer in self._observers:
            observer.begin(self._plan)
        if not self._plan.layers:
            return args
        before = list(model.metrics_variables)
        with steps.variable_scope(model):
            self._metric = _Carrier(self._plan)
        if keras.backend.backend() == "jax":
            # Here a step may write the variables of the model's metrics only. Elsewhere the model
            # need not know of it, and `for metric in self.metrics` does not meet it.
            model._metrics.append(self._metric)
        for layer in self._plan.tapped:
            self._tap(layer)
        self._tap_loss()
        self._tap_optimizer()
        return steps.extended(args, before, list(model.metrics_variables))

    def _rehearse(self, inputs: Any, targets: Any, forward_pass: Callable[[Any], Any]) -> Plan:
        """Run the forward pass on shapes alone, building the model where it is not built yet.

        It also tries every statistic: what cannot leave the place where it is computed (the body
        of a loop, say) fails here and is left alone in training.
        """
        model = self._model
        unbuilt = not all(layer.built for layer in model._flatten_layers())
        if unbuilt and keras.backend.backend() != "jax":
            # Layers that a model creates while it is built are not there to be tapped before. On
            # JAX `fit` has built what can be built, and then the variables hold no values.
            compute_output_spec(model, inputs)
        unobserved: dict[str, str] = {}
        leaves = list(dict.fromkeys(_leaves(model, unobserved)))
        rehearsal = Rehearsal(unobserved, [layer for layer in leaves if _is_gate(layer)])

        names = getattr(model, "output_names", None) or ()
        entered: list[Any] = []
        before = len(self._patched)

        def forward(x: Any) -> None:
            rehearsal.start()
            entered.clear()
            with self._tape(rehearsal):
                outputs = forward_pass(x)
            given = steps.in_order(targets, outputs, names)
            rehearsal.finish([x, entered], outputs, given, losses_of(model, outputs))

        for layer in leaves:
            self._tap(layer)
        self._tap_entry(entered)
        try:
            compute_output_spec(forward, inputs)
        finally:
            self._unpatch(before)
        linear = linear_kernels(model)
        return rehearsal.plan(leaves, model.trainable_variables, linear, tuple(names))

    def _tap(self, layer: Any) -> None:
        original = layer.call

        def call(*args: Any, **kwargs: Any) -> Any:
            outputs = original(*args, **kwargs)
            self._tell("saw", layer, (args, kwargs), outputs)
            return outputs

        self._patch(layer, "call", call)

    def _tap_entry(self, entered: list[Any]) -> None:
        """Collect the inputs as a functional model passes them on: converted, perhaps copied."""
        graph = getattr(self._model, "_functional", None) or self._model
        standardize = getattr(graph, "_standardize_inputs", None)
        if standardize is None:
            return

        def tapped(inputs: Any) -> Any:
            standardized = standardize(inputs)
            entered.append(standardized)
            return standardized

        self._patch(graph, "_standardize_inputs", tapped)

    def _tap_loss(self) -> None:
        model = self._model
        compute_loss, compute_metrics = model.compute_loss, model.compute_metrics

        def tapped_loss(*args: Any, **kwargs: Any) -> Any:
            loss = compute_loss(*args, **kwargs)
            given = {**dict(zip(_LOSS_ARGUMENTS, args, strict=False)), **kwargs}
            self._tell("saw_loss", *(given.get(name) for name in _LOSS_ARGUMENTS), loss)
            return loss

        def tapped_metrics(*args: Any, **kwargs: Any) -> Any:
            self._tell("saw_end")
            return compute_metrics(*args, **kwargs)

        self._patch(model, "compute_loss", tapped_loss)
        self._patch(model, "compute_metrics", tapped_metrics)

    def _tap_optimizer(self) -> None:
        optimizer = self._model.optimizer
        if optimizer is None:  # the model's `train_step` has its own
            return
        stateless_apply, apply = optimizer.stateless_apply, optimizer.apply

        def tapped_stateless_apply(state: Any, grads: Any, weights: Any) -> Any:
            scale = steps.loss_scale(optimizer, state)
            self._tell("saw_gradients", self._model.trainable_variables, weights, grads, scale)
            result = stateless_apply(state, grads, weights)
            self._tell("saw_weights", result[0])
            return result

        def tapped_apply(grads: Any, trainable_variables: Any = None) -> Any:
            if getattr(self._local, "tape", None) is None:
                return apply(grads, trainable_variables)
            grads = list(grads)
            weights = trainable_variables
            if weights is None:
                weights = optimizer._trainable_variables
            weights = list(weights)
            values = [ops.copy(weight) for weight in weights]
            self._tell("saw_gradients", weights, values, grads, steps.loss_scale(optimizer, None))
            result = apply(grads, weights)
            self._tell("saw_weights", [ops.convert_to_tensor(weight) for weight in weights])
            return result

        if keras.backend.backend() == "jax":
            self._patch(optimizer, "stateless_apply", tapped_stateless_apply)
        else:
            self._patch(optimizer, "apply", tapped_apply)

    def _tell(self, event: str, *details: Any) -> None:
        """Report an event to the tape, if one is listening; never fail the step because of it."""
        tape = getattr(self._local, "tape", None)
        if tape is None:
            return
        try:
            getattr(tape, event)(*details)
        except Exception as error:
            self.unobserved[_EVENTS[event]] = f"{type(error).__name__}: {error}"

    def _patch(self, owner: Any, name: str, function: Callable[..., Any]) -> None:
        # Into `__dict__`, past Keras' attribute tracking: nothing of it reaches a saved file.
        owner.__dict__[name] = function
        self._patched.append((owner, name))

    def _unpatch(self, keep: int = 0) -> None:
        for owner, name in self._patched[keep:]:
            owner.__dict__.pop(name, None)
        del self._patched[keep:]

    @contextmanager
    def _tape(self, tape: Recording | Rehearsal) -> Iterator[None]:
        # Thread-local: replicas of a distribution strategy run in threads of their own.
        self._local.tape = tape
        try:
            yield
        finally:
            self._local.tape = None

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

    def _read(self, step: int, result: Any) -> Observation:
        assert self._plan is not None
        assert self._metric is not None
        forward, backward = (
            np.asarray(ops.convert_to_numpy(value), dtype=np.float64)
            for value in steps.metrics_values(self._model, result, self._metric.variables)
        )
        scaled = isinstance(self._model.optimizer, keras.optimizers.LossScaleOptimizer)
        at_start = self._fresh and step < getattr(self._model, "steps_per_execution", 1)
        seen = self._plan.read(step, forward, backward, at_start=at_start, loss_scaled=scaled)
        if not seen.layers and not seen.weights:
            self.unobserved["train_step"] = "none of its numbers can be carried out of it"
        elif seen.loss is None:
            self.unobserved["the loss"] = "train_step does not call compute_loss"
        elif self._plan.weights and not seen.weights:
            self.unobserved["the weights"] = "train_step does not update them by model.optimizer"
        return seen


class _Carrier(keras.metrics.Metric):
    """Variables that a training step may write, in no file and in no log."""

    def __init__(self, plan: Plan):
        super().__init__(name="kerastricks_probe", dtype="float32")
        self.forward = self.add_variable((plan.forward_length,), "zeros", name="forward")
        self.backward = self.add_variable((plan.backward_length,), "zeros", name="backward")

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the step writes the variables."""

    def reset_state(self) -> None:
        """Keep the numbers: Keras resets metrics at each epoch and before validation."""

    def result(self) -> dict[str, Any]:
        """No result, hence no key in the logs."""
        return {}


def _is_gate(operation: Any, depth: int = 3) -> bool:
    """True when an output is multiplied with another, perhaps after a change of shape."""
    for node in getattr(operation, "_outbound_nodes", []):
        kind = type(node.operation).__name__
        reshapes = kind in ("Reshape", "ExpandDims", "Permute") and depth > 0
        products = kind == "Multiply" and len(node.input_tensors) > 1
        if products or (reshapes and _is_gate(node.operation, depth - 1)):
            return True
    return False


def _leaves(layer: Any, unobserved: dict[str, str]) -> Iterator[Any]:
    """The layers at which a model's data is looked at, containers opened."""
    for child in layer._flatten_layers(include_self=False, recursive=False):
        if getattr(child, "_remat_mode", None) is not None:
            unobserved[path_of(child)] = "is recomputed in the backward pass"
        elif isinstance(child, _OPAQUE):
            kind = type(child).__name__
            unobserved[f"{path_of(child)}/*"] = f"runs inside {kind}, whose output alone is seen"
            yield child
        elif not isinstance(child, keras.layers.InputLayer):
            inner = [x for x in _leaves(child, unobserved) if x is not _activation_layer(child)]
            yield from inner
            if not inner or child._trainable_variables or child._non_trainable_variables:
                yield child


def _activation_layer(layer: Any) -> Any:
    """The layer given as another's `activation`: its output is that layer's own."""
    return getattr(layer, "activation", None)
