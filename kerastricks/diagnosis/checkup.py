"""The audit before any epoch is wasted: one batch, no training."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.diagnosis.examination import Examination
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.probes import Probe
from kerastricks.diagnosis.report import Report
from kerastricks.diagnosis.rules import RULES, Rule
from kerastricks.diagnosis.rules.exploding_gradients import exploding_gradients
from kerastricks.diagnosis.rules.symmetric_units import symmetric_units
from kerastricks.diagnosis.rules.vanishing_gradients import vanishing_gradients
from kerastricks.diagnosis.schedule import Schedule

MAXIMUM_EXAMPLES = 1024
"""Examples that are looked at, from the start of the data."""

_ONE_LOOK: dict[str, Rule] = {
    **RULES,
    "symmetric_units": partial(symmetric_units, minimum_looks=1),
    "vanishing_gradients": partial(vanishing_gradients, minimum_looks=1),
    "exploding_gradients": partial(exploding_gradients, minimum_looks=1),
}
"""The rules, content with one observation: it is of up to a thousand examples at once."""


def checkup(model: Any, x: Any, y: Any = None) -> Report:
    """Examine a compiled model on one batch, without training it.

    Use it before the first `fit`: it finds what is wrong from the start, such as unscaled inputs,
    targets that the output cannot reach, a loss that does not fit, a start that loses the signal,
    units that are copies of each other. What arises in training (a learning rate that is too high,
    units that die) only `kt.callbacks.TrainingDoctor` sees.

    One step of the model's own `train_step` is made and undone: weights, optimizer, metrics and
    random seeds are afterwards as they were. A model that is not built yet is built.

    Args:
        model: A compiled `keras.Model`.
        x: Inputs, as for `fit`: an array or a structure of arrays, of which the first 1024
            examples are taken, or a data set (`tf.data.Dataset`, `keras.utils.PyDataset`,
            generator) that gives batches with targets, of which the first is taken. 200 examples
            or more are needed to judge saturation, 1000 to judge dead units.
        y: Targets; leave out for a data set.

    Returns:
        A `kerastricks.diagnosis.Report`, healthy where nothing above a note was found.

    Raises:
        ValueError: If the model is not compiled, or there are no examples.
        Exception: What the model's own training step raises.

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
    data: dict[str, Any] = {"x": x, "steps_per_epoch": 1}
    if y is not None:
        count = len(keras.tree.flatten(x)[0])
        if count == 0:
            raise ValueError("kt.checkup needs at least one example. Received: arrays of length 0.")
        first = min(count, MAXIMUM_EXAMPLES)
        head = partial(keras.tree.map_structure, lambda array: array[:first])
        data = {"x": head(x), "y": head(y), "batch_size": first, "shuffle": False}
    look = _Look()
    with look.undoing(model):
        model.fit(**data, epochs=1, verbose=0, callbacks=[look])
    return look.report


class _Look(keras.callbacks.Callback):
    """Watches one step, and undoes it."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule()
        self._examination = Examination(_ONE_LOOK)
        self._probe: Probe | None = None
        self._before: dict[int, tuple[Any, Any]] = {}

    @property
    def report(self) -> Report:
        return self._examination.report(self._probe.unobserved if self._probe else {})

    @contextmanager
    def undoing(self, model: Any) -> Iterator[None]:
        attributes = {name: model.__dict__.get(name) for name in _SET_BY_FIT}
        self._remember(model)
        try:
            yield
        finally:
            model.reset_metrics()
            for variable, value in self._before.values():
                variable.assign(value)
            for name, value in attributes.items():
                setattr(model, name, value)

    def on_train_begin(self, logs: Any = None) -> None:
        del logs
        self._remember(self.model)
        self._probe = Probe.attach(self.model, self)

    def on_train_end(self, logs: Any = None) -> None:
        del logs
        if self._probe is not None:
            self._probe.detach(self)

    def begin(self, plan: Plan) -> None:
        """The model is built by now, and the step not yet made."""
        del plan
        if keras.backend.backend() == "jax":
            return  # the step has taken the values; they were there when `fit` began
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self._remember(self.model)

    def observe(self, observation: Observation) -> None:
        self._examination.add(observation)

    def _remember(self, model: Any) -> None:
        for variable in (*model.variables, *model.optimizer.variables, *model.metrics_variables):
            if id(variable) not in self._before:
                value = np.array(ops.convert_to_numpy(variable.value))
                self._before[id(variable)] = variable, value


_SET_BY_FIT = ("history", "stop_training")
