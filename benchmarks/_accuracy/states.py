"""The states that faults are meant to bring about, as questions to what was measured.

Every question gets what was measured of a run and of its healthy twin: the same data, split,
architecture and seed without the fault. The limits were written down before the first run, but for
`SHIFT` and the second half of `SATURATED`, whose reasons were found in the choosing half.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from _accuracy.measures import Measured

HARM = 0.05
"""Loss of accuracy or of R^2, against the twin, that counts."""
LOST = 20.0
"""Factor by which the inputs' variation shrinks or grows on its way through the hidden layers."""
MOST = 0.5
"""Share of a layer's units, or of its entries, that makes a state of the layer."""
STILL = 0.02
"""A kernel that moved less than this share of its size has not been trained."""
SIZES = (0.1, 10.0)
"""Root mean square of inputs that passes for normalized."""
OFFSET = 5.0
"""Mean over deviation of a column that is not centered."""
UNEVEN = 30.0
"""Deviation of the widest column over that of the median one."""
DEVIATIONS = (0.05, 20.0)
"""Deviation of targets that passes for normalized."""
CONSTANT = 1e-3
"""Variation of predictions, relative to their size, that is none."""
SHIFT = 2.0
"""Variance in training over variance in inference that is a shift.

Averages over batches are off by a factor of 1.25 in healthy networks, and networks with dropout
that are below 1.6 here gain at most two points of accuracy from averages taken without dropout.
"""
AFFINE = 0.02
"""Bend, relative to the outputs' spread, up to which a network is linear."""
GAP = 0.1
"""Relative distance of the loss from that of the predictions it is computed from."""
RISE = 1.25
"""Smoothed validation loss at the end over its least value that is overfitting."""


@dataclass(frozen=True)
class State:
    """A question with an answer.

    Attributes:
        text: What is true of the run, as the page says it.
        holds: Tells whether it is, given what was measured of the run and of its twin.
    """

    text: str
    holds: Callable[[Measured, Measured], bool]

    def __or__(self, other: "State") -> "State":
        """Either of two."""
        return State(
            f"{self.text}, or {other.text}",
            lambda run, twin: self.holds(run, twin) or other.holds(run, twin),
        )

    def __and__(self, other: "State") -> "State":
        """Both."""
        return State(
            f"{self.text}, and {other.text}",
            lambda run, twin: self.holds(run, twin) and other.holds(run, twin),
        )


def _outside(value: float, ends: tuple[float, float]) -> bool:
    return not ends[0] <= value <= ends[1]


HARMED = State(
    "the validation metric is more than 5 points (0.05 of R²) below the twin's",
    lambda run, twin: run["metric"] < twin["metric"] - HARM,
)
NON_FINITE = State(
    "a loss or a weight is NaN or infinite",
    lambda run, twin: not (run["finite"] and run["losses_finite"]),
)
EQUAL_UNITS = State(
    "half of the units of a hidden layer or more have the weights of their neighbor at the end",
    lambda run, twin: run["equal_units"] >= MOST,
)
SIGNAL_LOST = State(
    "before training, the inputs' variation shrinks or grows twentyfold on its way",
    lambda run, twin: _outside(run["signal_at_start"], (1 / LOST, LOST)),
)
SATURATED = State(
    "half of the outputs of a hidden layer or more lie in the outer 5 % of the range before "
    "training, or do so after it and the validation metric is more than 5 points below the twin's",
    # Units of a network that has learned its classes are saturated, too, and rightly.
    lambda run, twin: (
        run["saturated_at_start"] >= MOST or (run["saturated"] >= MOST and HARMED.holds(run, twin))
    ),
)
DEAD = State(
    "half of the units of a hidden layer or more are 0 on the whole training set",
    lambda run, twin: max(run["dead_at_start"], run["dead"]) >= MOST,
)
STARVED = State(
    "the first kernel moved by less than 2 % of its size",
    lambda run, twin: run["first_moved"] < STILL,
)
INPUTS_OFF = State(
    "inputs of a size outside 0.1 to 10, means beyond 5 deviations, or a column 30 times as wide "
    "as the median one",
    lambda run, twin: (
        _outside(run["input_size"], SIZES)
        or run["input_offset"] > OFFSET
        or run["input_unevenness"] > UNEVEN
    ),
)
TARGETS_OFF = State(
    "targets of a deviation outside 0.05 to 20, or a mean beyond 5 deviations",
    lambda run, twin: (
        _outside(run["target_deviation"], DEVIATIONS) or run["target_offset"] > OFFSET
    ),
)
OUT_OF_REACH = State(
    "targets that the output cannot produce",
    lambda run, twin: run["targets_outside"] > 0,
)
CONSTANT_OUTPUT = State(
    "the predictions vary by less than 0.1 % of their size",
    lambda run, twin: run["constancy"] < CONSTANT,
)
NO_PROBABILITIES = State(
    "a cross-entropy of probabilities gets predictions outside 0 to 1",
    lambda run, twin: run.get("no_probabilities", 0.0) > 0,
)
OTHER_LOSS = State(
    "the loss differs by more than 10 % from that of the probabilities that the model predicts",
    lambda run, twin: run.get("loss_gap", 0.0) > GAP,
)
NEVER_SURE = State(
    "no probability ever exceeds what softmax makes of another softmax's output",
    # Of outputs between 0 and 1, the most uneven are one 1 and zeros.
    lambda run, twin: run["certainty"] <= math.e / (math.e + run["units"] - 1) + CONSTANT,
)
LINEAR = State(
    "the hidden layers compute an affine function, up to 2 % of its spread",
    lambda run, twin: run["nonlinearity"] < AFFINE,
)
STALE = State(
    "exact statistics raise the training metric by more than 5 points",
    lambda run, twin: run.get("staleness", 0.0) > HARM,
)
SHIFTED = State(
    "what a batch normalization gets has twice the variance in training that it has in use",
    lambda run, twin: run.get("dropout_shift", 1.0) > SHIFT,
)
OVERFITTED = State(
    "the validation loss at the end is 1.25 times its least value",
    lambda run, twin: run["validation_rise"] > RISE,
)
