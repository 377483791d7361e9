"""The audit before any epoch is wasted: one batch, no training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.diagnosis.errors import in_short, is_out_of_memory
from kerastricks.diagnosis.examination import Examination
from kerastricks.diagnosis.failure import Failure, seen
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.planning import plan_of
from kerastricks.diagnosis.probes import Probe
from kerastricks.diagnosis.report import Report
from kerastricks.diagnosis.rules import RULES, Rule
from kerastricks.diagnosis.rules.exploding_gradients import exploding_gradients
from kerastricks.diagnosis.rules.symmetric_units import symmetric_units
from kerastricks.diagnosis.rules.vanishing_gradients import vanishing_gradients
from kerastricks.diagnosis.schedule import Schedule
from kerastricks.theory._checks import checked_integer

_ONE_LOOK: dict[str, Rule] = {
    **RULES,
    "symmetric_units": partial(symmetric_units, minimum_looks=1),
    "vanishing_gradients": partial(vanishing_gradients, minimum_looks=1),
    "exploding_gradients": partial(exploding_gradients, minimum_looks=1),
}
"""The rules, content with one observation: it is of up to two thousand examples at once."""


def checkup(model: Any, x: Any, y: Any = None, *, batch_size: int = 2048) -> Report:
    """Examine a compiled model on one batch, without training it.

    Use it before the first `fit`: it finds what is wrong from the start, such as unscaled inputs,
    targets that the output cannot reach, a loss that does not fit, a start that loses the signal,
    units that are copies of each other. What arises in training (a learning rate that is too high,
    units that die) only `kt.callbacks.TrainingDoctor` sees.

    One step of the model's own `train_step` is made and undone: weights, optimizers, metrics and
    the seeds that layers keep are afterwards as they were. A model that is not built yet is built.
    On torch the step also draws from torch's own generator, as dropout does there, and on JAX a
    `fit` of a built model shuffles otherwise than the one that builds it: seed anew behind the
    checkup for the run that you would have had without.

    Args:
        model: A compiled `keras.Model`.
        x: Inputs, as for `fit`: an array or a structure of arrays, of which the first examples are
            taken; or a data set (`tf.data.Dataset`, `keras.utils.PyDataset`, generator) that gives
            batches with targets, of which the first is taken, and lost to a generator.
        y: Targets; leave out for a data set, or a model that needs none.
        batch_size: How many examples are taken of arrays, a positive integer. 200 or more are
            needed to judge saturation, 2000 to judge dead units; lower it where they do not fit
            into memory. Defaults to 2048.

    Returns:
        A `kerastricks.diagnosis.Report`, healthy where nothing above a note was found.

    Raises:
        TypeError: If `batch_size` is no number.
        ValueError: If the model is not compiled, cannot be built before its first step, or there
            are no examples.
        Exception: What the model's own training step raises, unless the targets explain it: a label
            that is no class, or targets of a shape that does not fit the loss, are reported.

    Example:
        >>> import keras, numpy as np
        >>> import kerastricks as kt
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "tanh")])
        >>> model.compile("sgd", "mse")
        >>> x = np.random.default_rng(0).normal(size=(256, 4))
        >>> report = kt.checkup(model, x, 5 * x[:, 0])
        >>> report.root_causes[0].condition
        'unreachable_targets'
    """
    if not getattr(model, "compiled", False):
        raise ValueError(
            "kt.checkup needs a compiled model: it examines the loss and the gradients. Received "
            f"the uncompiled model {model.name!r}. Call model.compile(optimizer, loss) first."
        )
    size = checked_integer(batch_size, "batch_size", "a positive integer, of examples")
    batch = _batch(x, y, size)
    look = _Look()
    try:
        with look.undoing(model):
            model.fit(**batch, epochs=1, verbose=0, callbacks=[look])
    except Exception as error:
        look.explain(error, model, batch)
        if not look.report.sick:
            raise
    return look.report


def _batch(x: Any, y: Any, size: int) -> dict[str, Any]:
    """The arguments with which `fit` makes one step."""
    leaves = keras.tree.flatten(x)
    if not all(hasattr(leaf, "shape") for leaf in leaves):
        if y is None:
            return {"x": x, "steps_per_epoch": 1}
        raise ValueError(
            "kt.checkup takes arrays, or a data set that gives inputs and targets. Received: "
            f"x={type(x).__name__} of {type(leaves[0]).__name__}, and y. Convert them: "
            "np.asarray(x), np.asarray(y)."
        )
    count = int(leaves[0].shape[0])
    if count == 0:
        raise ValueError("kt.checkup needs at least one example. Received: arrays of length 0.")
    first = min(count, size)
    if isinstance(y, list | tuple) and not all(hasattr(each, "shape") for each in y):
        y = np.asarray(y)
    head = partial(keras.tree.map_structure, lambda array: array[:first])
    return {
        "x": head(x),
        "y": None if y is None else head(y),
        "batch_size": first,
        "shuffle": False,
    }


def _first(batch: dict[str, Any]) -> tuple[Any, Any]:
    """Inputs and targets of the first batch once more.

    Raises:
        LookupError: If they cannot be had again, or do not belong together.
    """
    x, y = batch["x"], batch.get("y")
    if "y" not in batch:
        if iter(x) is x:
            raise LookupError("a generator's batches are gone")
        x, y, _ = keras.utils.unpack_x_y_sample_weight(next(iter(x)))
    x, y = keras.tree.map_structure(lambda leaf: None if leaf is None else np.asarray(leaf), (x, y))
    lengths = {len(leaf) for leaf in keras.tree.flatten((x, y)) if leaf is not None}
    if len(lengths) > 1:
        raise LookupError("inputs and targets are not as many")
    return x, y


class _Look(keras.callbacks.Callback):
    """Watches one step, and undoes it."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule()
        self._examination = Examination(_ONE_LOOK)
        self._probe: Probe | None = None
        self._before: dict[int, tuple[Any, Any]] = {}
        self._data_seen = False
        self._raised: dict[str, str] = {}

    @property
    def report(self) -> Report:
        return self._examination.report(self._raised or self._unobserved)

    @property
    def _unobserved(self) -> dict[str, str]:
        return self._probe.unobserved if self._probe else {}

    def explain(self, error: Exception, model: Any, batch: dict[str, Any]) -> None:
        """Judge the data of a `fit` that has raised, unless its step has shown them.

        Keras makes out the loss by shapes alone before it calls any callback, on some backends.
        """
        if self._data_seen or is_out_of_memory(error):
            return
        try:
            x, y = _first(batch)
            plan = plan_of(model, x, y)
            observation = seen(lambda x: model(x, training=False), plan, x, y)
        except Exception:  # what kept the step from its end may do so here: it is raised
            return
        self._examination.add_failed(observation)
        self._raised = {"training step 0": f"raised {in_short(error)}"}

    @contextmanager
    def undoing(self, model: Any) -> Iterator[None]:
        attributes = {name: vars(model)[name] for name in _SET_BY_FIT if name in vars(model)}
        self._remember(model)
        try:
            yield
        finally:
            self.on_train_end()  # which `fit` leaves out after an exception
            model.reset_metrics()
            for variable, value in self._before.values():
                if tuple(variable.shape) == value.shape:  # else what has failed has changed it
                    variable.assign(value)
            for name in _SET_BY_FIT:
                if name in attributes:
                    setattr(model, name, attributes[name])
                elif name in vars(model):
                    delattr(model, name)

    def on_train_begin(self, logs: Any = None) -> None:
        del logs
        self._remember(self.model)
        self._probe = Probe.attach(self.model, self, self._break_off)

    def on_train_end(self, logs: Any = None) -> None:
        del logs
        if self._probe is not None:
            self._probe.detach(self)

    def miss(self, missing: Mapping[str, str]) -> None:
        """It is in the report."""

    def begin(self, plan: Plan) -> None:
        """The model is built by now, and the step not yet made."""
        del plan
        if keras.backend.backend() == "jax":
            return  # the step has taken the values; they were there when `fit` began
        if not self.model.built:
            raise ValueError(
                f"kt.checkup cannot undo the first step of {self.model.name!r}, which would build "
                "it. Build it first, by calling it on a batch: model(x[:1])."
            )
        for optimizer in _optimizers(self.model):
            if optimizer is self.model.optimizer and not optimizer.built:
                optimizer.build(self.model.trainable_variables)
        self._remember(self.model)

    def observe(self, observation: Observation) -> None:
        # With `steps_per_execution` it is not the first step that is seen.
        self._examination.add(replace(observation, step=0))

    def _break_off(self, failure: Failure) -> None:
        """Judge predictions and targets of a step that has failed."""
        observation = failure.look()
        if observation is not None:
            self._data_seen = True
            self._examination.add_failed(replace(observation, step=0))

    def _remember(self, model: Any) -> None:
        states = [optimizer.variables for optimizer in _optimizers(model)]
        for variable in chain(model.variables, model.metrics_variables, *states):
            if id(variable) not in self._before:
                value = np.array(ops.convert_to_numpy(variable.value))
                self._before[id(variable)] = variable, value


def _optimizers(model: Any) -> list[Any]:
    """The model's optimizer, and others that a `train_step` of its own may use."""
    values = [model.optimizer, *vars(model).values()]
    found = [value for value in values if isinstance(value, keras.optimizers.Optimizer)]
    return list({id(optimizer): optimizer for optimizer in found}.values())


_SET_BY_FIT = ("history", "stop_training")
