"""A variable that a training step may write, in no file and in no log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.diagnosis import private, steps
from kerastricks.diagnosis.plan import Numbers, Plan


class Carrier(keras.metrics.Metric):
    """Carry the numbers of an observed step out of it; each step overwrites them.

    Args:
        plan: What is observed.
    """

    def __init__(self, plan: Plan):
        super().__init__(name="kerastricks_probe", dtype="float32")
        self.numbers = self.add_variable((plan.length,), "zeros", name="numbers")

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the step writes the variable."""

    def reset_state(self) -> None:
        """Keep the numbers: Keras resets metrics at each epoch and before validation."""

    def result(self) -> dict[str, Any]:
        """No result, hence no key in the logs."""
        return {}

    def send(self, logs: Any, numbers: Any, model: Any) -> Any:
        """Let the numbers go along with the logs, where a variable is slower to read.

        Args:
            logs: What the step returns.
            numbers: What it has written into the variable.
            model: The model.
        """
        if keras.backend.backend() != "tensorflow" or numbers is None:
            return logs
        # Of several replicas, logs come from one.
        alone = model.distribute_strategy.num_replicas_in_sync == 1
        return {**logs, self.name: numbers} if alone and isinstance(logs, dict) else logs

    def take(self, model: Any, result: Any, *, keep: bool) -> Any:
        """The numbers of the step that was made last, on the device.

        Args:
            model: The model.
            result: What its train function returned; what went along with the logs is taken out.
            keep: Whether they are to outlast the next step, which overwrites the variable.

        Returns:
            A tensor; of several replicas a list, with what each has seen.
        """
        if isinstance(result, dict) and self.name in result:
            return result.pop(self.name)
        parts = steps.of_replicas(model, self.numbers)
        if len(parts) > 1:
            return parts
        (value,) = steps.metrics_values(model, result, [self.numbers])
        return ops.copy(value) if keep else value


@contextmanager
def room_for_numbers(model: Any, fails: private.Fails) -> Iterator[bool]:
    """Have functions made for a model with one metric more, where they settle its layout.

    That is so for a `keras.distribution`, on JAX. The carrier is made when the step has begun, and
    the variables by which the others' layout is known hold no values any more.

    Args:
        model: The model.
        fails: Called with place and reason where there can be no such metric.

    Yields:
        Whether that is so.
    """
    jax = keras.backend.backend() == "jax"
    laid_out = jax and keras.distribution.distribution() is not None
    metric = Carrier(Plan()) if laid_out else None
    if metric is not None:
        private.add_metric(model, metric, fails)
    try:
        yield laid_out
    finally:
        private.remove_metric(model, metric)


def fetched(value: Any, plan: Plan) -> Numbers:
    """Numbers that a step has carried out, as numpy; waits until the step is over."""
    if isinstance(value, list):
        return plan.joined([ops.convert_to_numpy(part) for part in value])
    # A copy: on torch the array is the variable's own memory.
    return np.array(ops.convert_to_numpy(value))
