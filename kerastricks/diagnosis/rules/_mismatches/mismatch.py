"""A mismatch, and what is asked of an output to find one."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerastricks.diagnosis.observation import ColumnStatistics, Loss, OutputStatistics

TOLERANCE = 0.01
"""How far outside 0 to 1 a probability may be, and how far from 1 their sum.

bfloat16 rounds a number by up to 0.4 %.
"""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An output and a loss that do not fit each other.

    Attributes:
        severity: How grave it is.
        message: What does not fit.
        remedy: What to change.
        evidence: The numbers that it rests on, and what would be healthy.
    """

    severity: str
    message: str
    remedy: str
    evidence: dict[str, Any] = field(default_factory=dict)


def name_of(output: OutputStatistics) -> str:
    """The activation's name, as a message says it."""
    if output.activation is None:
        return "linear" if output.known else "unknown"
    return output.activation.name


def described(output: OutputStatistics) -> str:
    """What kind of outputs they are, and what was measured of them."""
    low, high = ends(output.prediction)
    which = "outputs" if name_of(output) == "unknown" else f"{name_of(output)} outputs"
    told = f"the {which} run from {low:.3g} to {high:.3g}"
    if output.prediction.columns != output.units:
        return told  # a row is a single entry
    sums = output.prediction.sums
    return f"{told} and sum to {sums[0]:.3g} to {sums[1]:.3g} a row"


def class_of(loss: Loss) -> str:
    """The loss as a class, in code."""
    return f"keras.losses.{loss.name.title().replace('_', '')}"


def in_code(name: str, loss: Loss) -> str:
    """The argument of `compile` for a loss of another name that takes the same kind of outputs."""
    if not loss.from_logits:
        return f'loss="{name}"'
    return f"{name} as loss={class_of(Loss(name))}(from_logits=True)"


def finite(data: ColumnStatistics) -> bool:
    """Whether there is something in it, all of it finite."""
    numbers = np.concatenate([data.minimum, data.maximum, data.sums])
    return data.columns > 0 and not data.nonfinite and bool(np.isfinite(numbers).all())


def ends(data: ColumnStatistics) -> tuple[float, float]:
    """The smallest and the largest entry."""
    return float(np.min(data.minimum)), float(np.max(data.maximum))


def shape_of(data: ColumnStatistics | None) -> str | None:
    """A shape as Keras prints it."""
    if data is None:
        return None
    return "(batch" + "".join(f", {'None' if n is None else n}" for n in data.shape) + ")"


def sums_are_off(output: OutputStatistics, *, every_rank: bool = False) -> bool:
    """Whether the rows of the prediction do not sum to 1.

    Of an output of higher rank the classes may be another axis, which the loss is told; a sigmoid
    sums to 1 along none. Where columns are not told apart, a row is a single entry.
    """
    prediction = output.prediction
    readable = every_rank or len(prediction.shape) == 1 or name_of(output) == "sigmoid"
    if not readable or prediction.columns != output.units:
        return False
    return any(abs(total - 1) > TOLERANCE for total in prediction.sums)


def label_a_sample(output: OutputStatistics) -> bool:
    """Whether there is one number a sample, or position, where the output has several."""
    target, shape = output.target, output.prediction.shape
    if target is None or (output.units or 0) < 2:
        return False
    if target.shape == ():
        return len(shape) == 1
    return len(target.shape) == len(shape) and target.shape[-1] == 1


def zeros_and_ones(output: OutputStatistics) -> bool:
    """Whether the targets say yes or no of each unit."""
    target = output.target
    if target is None or not finite(target) or target.columns != output.units:
        return False
    low, high = ends(target)
    return target.whole == 1 and low >= 0 and high <= 1


def one_hot(output: OutputStatistics) -> bool:
    """Whether they say yes of one unit a sample."""
    target = output.target
    return target is not None and zeros_and_ones(output) and target.sums == (1.0, 1.0)
