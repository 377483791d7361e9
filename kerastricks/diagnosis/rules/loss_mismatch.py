"""Loss, output activation and labels that do not fit each other.

A cross entropy wants probabilities, or logits and to be told so; a regression loss subtracts
whatever shapes broadcast. What an output is, is measured: a layer may end with a softmax that its
`activation` does not tell. Which mismatch stops training and which only hinders it was tried with
Keras 3.15 on its three backends; Keras' cross entropies divide a row by its sum and clip it, which
is why sigmoid outputs train under them and negative ones do not.

Labels beyond what the output can give are `unreachable_targets`, also under `from_logits=True`;
softmax over one unit is `constant_output`. A loss that Keras does not have is not judged.

Where an output and a loss that go together follow from what is seen, the evidence names them, as
`healthy_loss`, `healthy_from_logits`, `healthy_activation` and `healthy_units`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import ColumnStatistics, Loss, OutputStatistics
from kerastricks.diagnosis.rules._window import Window

TOLERANCE = 0.01
"""How far outside 0 to 1 a probability may be, and how far from 1 their sum.

bfloat16 rounds a number by up to 0.4 %.
"""


@dataclass(frozen=True, slots=True)
class _Mismatch:
    severity: str
    message: str
    remedy: str
    evidence: dict[str, Any] = field(default_factory=dict)


def loss_mismatch(window: Window) -> Iterator[Finding]:
    """Find outputs whose loss is made for another activation, or for other labels."""
    for output in window[-1].outputs:
        judge = None if output.loss is None else _JUDGES.get(output.loss.name)
        if output.loss is None or judge is None or not _finite(output.prediction):
            continue
        mismatch = judge(output, output.loss)
        if mismatch is None:
            continue
        yield Finding(
            condition="loss_mismatch",
            layer=output.path,
            severity=mismatch.severity,
            onset=window[0].step,  # a run does not change what it was compiled with
            message=mismatch.message,
            remedy=mismatch.remedy,
            evidence={
                "loss": output.loss.name,
                "from_logits": output.loss.from_logits,
                "activation": _name(output),
                "units": output.units,
                "samples": output.prediction.samples,
                **mismatch.evidence,
            },
        )


def _categorical(output: OutputStatistics, loss: Loss) -> _Mismatch | None:
    softmax, units = _name(output) == "softmax", output.units
    if units == 1:
        return None if softmax else _one_class(output, loss)
    if not loss.name.startswith("sparse") and _label_a_sample(output):
        return _Mismatch(
            "critical",
            f"The targets have one number a sample, but {loss.name} wants {units} columns, one "
            "a class, as the output has.",
            'Use loss="sparse_categorical_crossentropy", or keras.utils.to_categorical(y, '
            f"{units}).",
            {
                "target_shape": _shape(output.target),
                "healthy_target_columns": units,
                "healthy_loss": "sparse_categorical_crossentropy",
                **_ending(output, loss, "softmax"),
            },
        )
    if loss.from_logits:
        return _squashed_twice(output, loss, math.log1p(((units or 2) - 1) / math.e))
    low, high = _ends(output.prediction)
    rectifier = output.activation is not None and output.activation.rectifier
    if softmax or not (low < -TOLERANCE or high > 1 + TOLERANCE or _sums_are_off(output)):
        return None
    if low < -TOLERANCE or rectifier:
        return _no_probabilities(output, loss, "softmax")
    several = '; if several classes may be true at once, use loss="binary_crossentropy"'
    return _Mismatch(
        "warning",
        f"{loss.name} is meant for probabilities that sum to 1, but {_described(output)}: it "
        "trains, but the predictions are no probabilities of one class among several.",
        f'End with activation="softmax"{several if _name(output) == "sigmoid" else ""}.',
        {
            "row_sums": list(output.prediction.sums),
            "healthy_row_sum": 1.0,
            "healthy_activation": "softmax",
        },
    )


def _binary(output: OutputStatistics, loss: Loss) -> _Mismatch | None:
    softmax, units = _name(output) == "softmax", output.units
    if softmax and units == 1:
        return None
    if loss.from_logits:
        return _squashed_twice(output, loss, math.log1p(1 / math.e))
    low, high = _ends(output.prediction)
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        return _no_probabilities(output, loss, "sigmoid")
    one_hot = _one_hot(output)
    if not softmax or units is None or not (one_hot or (units > 2 and _zeros_and_ones(output))):
        return None
    two = "Over two classes it is the same number as categorical_crossentropy's, so that nothing "
    return _Mismatch(
        "note" if units == 2 else "warning",
        f"{loss.name} asks a yes or no of each of the {units} classes, but softmax chooses one. "
        + (f"{two}is lost." if units == 2 else "It learns, but scores each class on its own."),
        'Use loss="categorical_crossentropy".'
        if one_hot
        else 'For several labels a sample, use activation="sigmoid".',
        {"healthy_loss": "categorical_crossentropy"}
        if one_hot
        else {"healthy_activation": "sigmoid"},
    )


def _regression(output: OutputStatistics, loss: Loss) -> _Mismatch | None:
    target, units = output.target, output.units
    if target is None or units is None:
        return None
    shapes = f"targets of shape {_shape(target)} and outputs of {_shape(output.prediction)}"
    evidence = {
        "target_shape": _shape(target),
        "output_shape": _shape(output.prediction),
        "healthy_target_shape": _shape(output.prediction),
    }
    rank = len(output.prediction.shape)
    if not target.shape and rank > 1 and target.samples > 1:
        return _Mismatch(
            "critical",
            f"{loss.name} subtracts {shapes}: it compares each prediction with the targets of "
            "all samples in the batch.",
            "Put keras.layers.Flatten() or keras.layers.GlobalAveragePooling1D() before the last "
            "layer; in a recurrent network, set return_sequences=False.",
            evidence,
        )
    if units > 1 and _label_a_sample(output) and target.whole == 1:
        return _Mismatch(
            "critical",
            f"{loss.name} subtracts {shapes}: each of the {units} units is to become the label "
            "itself.",
            'For class labels, use activation="softmax" with '
            'loss="sparse_categorical_crossentropy"; for a number, keras.layers.Dense(1).',
            {**evidence, **_classes_or_number(output, target)},
        )
    wanted = target.shape
    if len(wanted) == rank + 1 and wanted[-1] == 1:
        wanted = wanted[:-1]  # Keras squeezes it
    if units == 1 and len(wanted) == rank and rank and (wanted[-1] or 0) > 1:
        return _Mismatch(
            "critical",
            f"{loss.name} subtracts {shapes}: the one output is compared with {wanted[-1]} "
            "targets at once, and learns their mean at best.",
            'For one-hot labels, use keras.layers.Dense(classes, activation="softmax") with '
            f'loss="categorical_crossentropy"; else keras.layers.Dense({wanted[-1]}).',
            {**evidence, "healthy_units": wanted[-1], **_one_hot_ending(target)},
        )
    if _name(output) == "softmax" and _one_hot(output):
        return _Mismatch(
            "note",
            f"{loss.name} on the softmax of {units} classes learns slowly: where the answer is "
            "surely wrong its gradient is almost zero.",
            'Use loss="categorical_crossentropy".',
            {"healthy_loss": "categorical_crossentropy"},
        )
    return None


def _poisson(output: OutputStatistics, loss: Loss) -> _Mismatch | None:
    low, _ = _ends(output.prediction)
    if low >= -TOLERANCE:
        return None
    return _Mismatch(
        "critical",
        f"{loss.name} takes the logarithm of the outputs, but they go down to {low:.3g}: the loss "
        "is NaN.",
        'End with activation="softplus" or activation="exponential".',
        {"minimum": low, "healthy_minimum": 0.0, "healthy_activation": "softplus"},
    )


def _divergence(output: OutputStatistics, loss: Loss) -> _Mismatch | None:
    if _name(output) == "softmax":
        return None
    low, high = _ends(output.prediction)
    if low < -TOLERANCE or high > 1 + TOLERANCE or _sums_are_off(output, every_rank=True):
        return _Mismatch(
            "critical",
            f"{loss.name} is meant for probabilities that sum to 1, but {_described(output)}: it "
            "is lowest where all outputs are 1, whatever the inputs.",
            'End with activation="softmax".',
            {
                "range": [low, high],
                "row_sums": list(output.prediction.sums),
                "healthy_row_sum": 1.0,
                "healthy_activation": "softmax",
            },
        )
    target = output.target
    if target is None or not _finite(target) or target.columns != output.units:
        return None
    # Rows of zeros stand for samples that are left out, so only the largest sum is judged.
    if _ends(target)[0] >= -TOLERANCE and abs(target.sums[1] - 1) <= TOLERANCE:
        return None
    return _Mismatch(
        "warning",
        f"{loss.name} is meant for targets that are probabilities and sum to 1, but theirs sum to "
        f"{target.sums[0]:.3g} to {target.sums[1]:.3g}.",
        "Divide each row by its sum: y / y.sum(axis=-1, keepdims=True).",
        {"target_row_sums": list(target.sums), "healthy_row_sum": 1.0},
    )


_Judge = Callable[[OutputStatistics, Loss], _Mismatch | None]
_JUDGES: dict[str, _Judge] = {
    "categorical_crossentropy": _categorical,
    "sparse_categorical_crossentropy": _categorical,
    "categorical_focal_crossentropy": _categorical,
    "binary_crossentropy": _binary,
    "binary_focal_crossentropy": _binary,
    "mean_squared_error": _regression,
    "mean_absolute_error": _regression,
    "huber": _regression,
    "log_cosh": _regression,
    "poisson": _poisson,
    "kl_divergence": _divergence,
}


def _one_class(output: OutputStatistics, loss: Loss) -> _Mismatch:
    return _Mismatch(
        "critical",
        f"{loss.name} over a single unit is a choice among one class: its loss is the same "
        "whatever the model computes.",
        'For two classes, use keras.layers.Dense(1, activation="sigmoid") with '
        'loss="binary_crossentropy"; for more, one unit a class: keras.layers.Dense(classes, '
        'activation="softmax").',
        {"healthy_units_from": 2, **one_unit_ending(output)},
    )


def _no_probabilities(output: OutputStatistics, loss: Loss, wanted: str) -> _Mismatch:
    low, high = _ends(output.prediction)
    return _Mismatch(
        "critical",
        f"{loss.name} takes the outputs for probabilities, but {_described(output)}: what is "
        "clipped to 0 or 1 gets no gradient.",
        f'End with activation="{wanted}"; or with no activation and '
        f"loss={_class(loss)}(from_logits=True).",
        {"range": [low, high], "healthy_range": [0.0, 1.0], "healthy_activation": wanted},
    )


def _squashed_twice(output: OutputStatistics, loss: Loss, floor: float) -> _Mismatch | None:
    """A loss that is told to expect logits and is given probabilities.

    On TensorFlow Keras keeps the logits of its own softmax and sigmoid beside their outputs, and
    the loss goes back to them; on JAX and torch, and on TensorFlow once an output was cast or
    reshaped, it does not.
    """
    name = _name(output)
    if name not in ("softmax", "sigmoid"):
        return None
    return _Mismatch(
        "warning",
        f"{loss.name} with from_logits=True squashes outputs that have been through {name} "
        f"already: on JAX and torch the loss cannot fall below {floor:.2g}; on TensorFlow Keras "
        "goes back to the logits where it can.",
        f"Use loss={_class(loss)}(from_logits=False), or take the {name} off the last layer.",
        {"smallest_loss": floor, "healthy_from_logits": False},
    )


def _ending(output: OutputStatistics, loss: Loss, wanted: str) -> dict[str, Any]:
    """The activation that goes with a cross entropy, which may take logits where it gets some."""
    logits = loss.from_logits and _name(output) not in ("softmax", "sigmoid")
    return {"healthy_activation": "linear" if logits else wanted, "healthy_from_logits": logits}


def _classes_or_number(output: OutputStatistics, target: ColumnStatistics) -> dict[str, Any]:
    """What an output of several units is for, given whole targets of one number a sample."""
    low, high = _ends(target)
    if low < 0 or not (_name(output) == "softmax" or high < (output.units or 0)):
        return {"healthy_units": 1, "healthy_activation": "linear"}
    return {
        "healthy_loss": "sparse_categorical_crossentropy",
        "healthy_activation": "softmax",
        "healthy_from_logits": False,
        "healthy_units": max(output.units or 0, int(high) + 1),
    }


def _one_hot_ending(target: ColumnStatistics) -> dict[str, Any]:
    if not _finite(target) or target.whole < 1 or target.sums != (1.0, 1.0):
        return {}
    return {
        "healthy_loss": "categorical_crossentropy",
        "healthy_activation": "softmax",
        "healthy_from_logits": False,
    }


def one_unit_ending(output: OutputStatistics) -> dict[str, Any]:
    """What a single unit, from which a loss or a softmax wants a choice, should be instead."""
    target, name = output.target, output.loss.name if output.loss else ""
    if target is None or not _finite(target) or target.columns != 1:
        return {}
    low, high = _ends(target)
    if target.whole == 1 and low >= 0 and (high > 1 or name == "sparse_categorical_crossentropy"):
        if name not in _JUDGES or _JUDGES[name] is _regression:
            return {"healthy_activation": "linear"}
        return {
            "healthy_loss": "sparse_categorical_crossentropy",
            "healthy_activation": "softmax",
            "healthy_from_logits": False,
            "healthy_units": max(2, int(high) + 1),
        }
    if low >= 0 and high <= 1:
        keeps = name == "binary_crossentropy" or _JUDGES.get(name) is _regression
        return {
            "healthy_loss": name if keeps else "binary_crossentropy",
            "healthy_activation": "sigmoid",
            "healthy_from_logits": False,
        }
    return {"healthy_activation": "linear"} if _JUDGES.get(name) is _regression else {}


def _name(output: OutputStatistics) -> str:
    if output.activation is None:
        return "linear" if output.known else "unknown"
    return output.activation.name


def _described(output: OutputStatistics) -> str:
    low, high = _ends(output.prediction)
    which = "outputs" if _name(output) == "unknown" else f"{_name(output)} outputs"
    told = f"the {which} run from {low:.3g} to {high:.3g}"
    if output.prediction.columns != output.units:
        return told  # a row is a single entry
    sums = output.prediction.sums
    return f"{told} and sum to {sums[0]:.3g} to {sums[1]:.3g} a row"


def _class(loss: Loss) -> str:
    return f"keras.losses.{loss.name.title().replace('_', '')}"


def _finite(data: ColumnStatistics) -> bool:
    ends = np.concatenate([data.minimum, data.maximum, data.sums])
    return data.columns > 0 and not data.nonfinite and bool(np.isfinite(ends).all())


def _ends(data: ColumnStatistics) -> tuple[float, float]:
    return float(np.min(data.minimum)), float(np.max(data.maximum))


def _shape(data: ColumnStatistics | None) -> str | None:
    if data is None:
        return None
    return "(batch" + "".join(f", {'None' if n is None else n}" for n in data.shape) + ")"


def _sums_are_off(output: OutputStatistics, *, every_rank: bool = False) -> bool:
    """Whether the rows of the prediction do not sum to 1.

    Of an output of higher rank the classes may be another axis, which the loss is told; a sigmoid
    sums to 1 along none. Where columns are not told apart, a row is a single entry.
    """
    prediction = output.prediction
    readable = every_rank or len(prediction.shape) == 1 or _name(output) == "sigmoid"
    if not readable or prediction.columns != output.units:
        return False
    return any(abs(total - 1) > TOLERANCE for total in prediction.sums)


def _label_a_sample(output: OutputStatistics) -> bool:
    """Whether there is one number a sample, or position, where the output has several."""
    target, shape = output.target, output.prediction.shape
    if target is None or (output.units or 0) < 2:
        return False
    return target.shape == () or (len(target.shape) == len(shape) and target.shape[-1] == 1)


def _zeros_and_ones(output: OutputStatistics) -> bool:
    target = output.target
    if target is None or not _finite(target) or target.columns != output.units:
        return False
    low, high = _ends(target)
    return target.whole == 1 and low >= 0 and high <= 1


def _one_hot(output: OutputStatistics) -> bool:
    target = output.target
    return target is not None and _zeros_and_ones(output) and target.sums == (1.0, 1.0)
