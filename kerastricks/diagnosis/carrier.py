"""A variable that a training step may write, in no file and in no log."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.diagnosis import steps
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

    def read(self, model: Any, result: Any) -> Numbers:
        """The numbers of the step that was made last.

        Args:
            model: The model.
            result: What its train function returned; what went along with the logs is taken out.
        """
        if isinstance(result, dict) and self.name in result:
            value = result.pop(self.name)
        else:
            (value,) = steps.metrics_values(model, result, [self.numbers])
        # A copy: on torch the array is the variable's own memory.
        return np.array(ops.convert_to_numpy(value))
