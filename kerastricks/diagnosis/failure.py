"""A training that is broken off: where, why, and what the data of its last step were like."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.diagnosis import frames, statistics, steps
from kerastricks.diagnosis.errors import in_short, is_out_of_memory
from kerastricks.diagnosis.observation import ColumnStatistics, Observation
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.slots import ColumnSlot

MAXIMUM_NUMBERS = 2**24
"""Targets that are looked at again when it is not known which of them a step was given."""


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


def look_after(
    model: Any,
    plan: Plan | None,
    args: steps.Arguments,
    step: int,
    error: Exception,
    where: str,
    failed: Callable[[str, str], None],
) -> Observation | None:
    """Look at the data of a step that has raised; None where they cannot be had."""
    if plan is None or not plan.outputs or is_out_of_memory(error):
        return None
    try:
        return seen_after_failure(model, plan, args, step)
    except Exception as other:  # what kept the step from its end may do so here
        failed(f"the data of {where}", f"cannot be looked at: {in_short(other)}")
        return None


def seen_after_failure(model: Any, plan: Plan, args: steps.Arguments, step: int) -> Observation:
    """Look at what a step that failed was given, and at what the model makes of it.

    One forward pass in inference mode, which leaves all variables as they are. No batch is asked
    of the user's data. On TensorFlow a batch that a step has taken is gone; then it is the targets
    of all examples, where `fit` was given arrays, and predictions for the first of them.

    Args:
        model: The model.
        plan: What is observed of it.
        args: Arguments of the train function.
        step: The number of the step.

    Returns:
        An observation of outputs and targets alone.

    Raises:
        Exception: If they cannot be had.
    """
    batch = steps.batch_of(args)
    x, y, *_ = _of_arrays() if batch is None else keras.utils.unpack_x_y_sample_weight(batch)
    return seen(steps.forward_pass(model, args, training=False), plan, x, y, step)


def seen(
    forward_pass: Callable[[Any], Any], plan: Plan, x: Any, y: Any, step: int = 0
) -> Observation:
    """Look at targets, and at what a model makes of the inputs.

    Args:
        forward_pass: The model, as a function of its inputs.
        plan: What is observed of it.
        x: Inputs.
        y: Targets.
        step: The number of the step that they belong to.

    Returns:
        An observation of outputs and targets alone.

    Raises:
        Exception: If they cannot be had.
    """
    # Nothing is copied to be put back: a frozen backbone's weights are many, and do not change.
    with keras.StatelessScope():
        outputs = forward_pass(x)
    predictions = keras.tree.flatten(outputs)
    targets = steps.in_order(y, outputs, plan.output_names)
    found = []
    for slot, prediction, target in zip(plan.outputs, predictions, targets, strict=True):
        predicted = _read(slot.prediction, prediction)
        if slot.target is not None and predicted is not None:
            found.append(slot.read(predicted, _read(slot.target, target)))
    return Observation(
        step=step, loss=None, input_nonfinite=0, layers=(), weights=(), outputs=tuple(found)
    )


def _of_arrays() -> tuple[Any, Any]:
    """The first inputs of the arrays that `fit` was given, and all targets."""
    x, y, batch_size = frames.given_to_fit()
    if not all(hasattr(leaf, "shape") for leaf in keras.tree.flatten((x, y)) if leaf is not None):
        raise LookupError(
            "its batch is gone or never came, and a data set is not asked for another"
        )

    def first(count: int, arrays: Any) -> Any:
        return keras.tree.map_structure(
            lambda array: None if array is None else np.asarray(array[:count]), arrays
        )

    def allowed(array: Any) -> int:
        return MAXIMUM_NUMBERS // max(1, math.prod(map(int, array.shape[1:])))

    counts = [allowed(array) for array in keras.tree.flatten(y) if array is not None]
    return first(batch_size, x), first(min(counts, default=0), y)


def _read(slot: ColumnSlot, data: Any) -> ColumnStatistics | None:
    block = statistics.column_vector(ops.convert_to_tensor(data), slot.columns)
    return slot.read(np.asarray(ops.convert_to_numpy(block), dtype=np.float64))
