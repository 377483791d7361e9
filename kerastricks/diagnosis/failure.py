"""A training that is broken off: where, why, and what the data of its last step were like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.diagnosis import statistics, steps
from kerastricks.diagnosis.observation import ColumnStatistics, Observation
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.slots import ColumnSlot


@dataclass(frozen=True)
class Failure:
    """A training that did not come to its end.

    Attributes:
        place: Where it broke off.
        reason: What happened there, as the rest of a sentence that begins with the place.
        look: Looks at the data of the step that failed; gives None where nothing can be seen.
    """

    place: str
    reason: str
    look: Callable[[], Observation | None]


def seen_after_failure(
    model: Any, plan: Plan, args: steps.Arguments, step: int
) -> Observation | None:
    """Look at what a step that failed was given, and at what the model makes of it.

    One forward pass in inference mode. On TensorFlow a batch that a compiled step has taken is
    gone; then it is the next one.

    Args:
        model: The model.
        plan: What is observed of it.
        args: Arguments of the train function.
        step: The number of the step.

    Returns:
        An observation of outputs and targets alone; None where they cannot be had.
    """
    try:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(steps.batch_after_failure(args))
        with steps.unchanged_state(model):
            outputs = steps.forward_pass(model, args, training=False)(x)
        predictions = keras.tree.flatten(outputs)
        targets = steps.in_order(y, outputs, plan.output_names)
        seen = []
        for slot, prediction, target in zip(plan.outputs, predictions, targets, strict=True):
            predicted = _read(slot.prediction, prediction)
            if slot.target is not None and predicted is not None:
                seen.append(slot.read(predicted, _read(slot.target, target)))
    except Exception:
        return None  # what kept the step from its end may do so here
    return Observation(
        step=step, loss=None, input_nonfinite=0, layers=(), weights=(), outputs=tuple(seen)
    )


def _read(slot: ColumnSlot, data: Any) -> ColumnStatistics | None:
    block = statistics.column_vector(ops.convert_to_tensor(data), slot.columns)
    return slot.read(np.asarray(ops.convert_to_numpy(block), dtype=np.float64))
