"""Targets that the output cannot give: outside its activation's range, or no class of its own.

Each activation has a range, which no training leaves: a sigmoid gives no -1, and no 7. What a loss
with `from_logits=True` squashes itself counts as squashed. Losses that do not compare prediction
and target entry by entry are left out: hinge losses, that take 0 for -1, the cosine, and losses
that Keras does not have.

A sparse loss takes the targets as numbers of classes, 0 to units - 1, and its `ignore_class`. As a
string or a function it has none, and then every label has to be a class: what one outside does
depends on the backend: an error, or a sample whose loss is zero.

Where an output and a loss for these targets follow from what is seen, the evidence names them, as
`healthy_loss`, `healthy_from_logits`, `healthy_activation` and `healthy_units`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import (
    ColumnStatistics,
    Loss,
    Observation,
    OutputStatistics,
)
from kerastricks.diagnosis.rules._columns import finite_columns
from kerastricks.diagnosis.rules._window import Window

_ONE_OF_SEVERAL = (
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "kl_divergence",
)
_PROBABILITIES = (*_ONE_OF_SEVERAL, "binary_crossentropy", "binary_focal_crossentropy")
LOSSES = (
    *_PROBABILITIES,
    "dice",
    "tversky",
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "poisson",
)
"""Losses whose targets are what each entry of the prediction should be."""
SPARSE_LOSSES = ("sparse_categorical_crossentropy",)
REGRESSION_LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
"""Losses that take any targets from a linear output."""
_REGRESSION = {
    "healthy_loss": "mean_squared_error",
    "healthy_activation": "linear",
    "healthy_from_logits": False,
}
COUNTING = 1e-4
"""Share of fractional targets that the rounding of float32 counts may explain."""
_SELU_FLOOR = -1.0507009873554805 * 1.6732632423543772
RANGES: dict[str, tuple[float, float]] = {
    "sigmoid": (0, 1),
    "hard_sigmoid": (0, 1),
    "sparse_sigmoid": (0, 1),
    "softmax": (0, 1),
    "sparsemax": (0, 1),
    "tanh": (-1, 1),
    "hard_tanh": (-1, 1),
    "softsign": (-1, 1),
    "soft_sign": (-1, 1),
    "relu": (0, math.inf),
    "relu6": (0, 6),
    "softplus": (0, math.inf),
    "squareplus": (0, math.inf),
    "sparse_plus": (0, math.inf),
    "exponential": (0, math.inf),
    "elu": (-1, math.inf),
    "celu": (-1, math.inf),
    "selu": (_SELU_FLOOR, math.inf),
    "gelu": (-0.1700407505712541, math.inf),
    "silu": (-0.2784645427610738, math.inf),
    "hard_silu": (-0.375, math.inf),
    "mish": (-0.3088434130172504, math.inf),
}
"""The ends of each activation's range, asymptotes included.

Gelu, silu and mish have a minimum, where the slope is zero: at -0.75, -1.28 and -1.19. That of
gelu is the one of its approximation by tanh, 7e-5 below the exact one, as the name is the same.
For selu the product of its two constants: Klambauer, Unterthiner, Mayr and Hochreiter,
"Self-Normalizing Neural Networks" (2017), equation 2.
"""
ROUNDING = 1e-6
"""Overshoot beyond the range, relative to its ends: eight times the float32 epsilon."""
SLIGHT = 0.05
"""An overshoot up to this share of the range's width, or of the targets' own, is a note.

Resampled images and data scaled by the ends of another part of the data overshoot by a little.
"""
SUM_TOLERANCE = 0.01
"""A row's sum may be off 1 by this much: bfloat16 rounds by up to 0.4 %."""
_SEVERAL_LABELS = {
    "healthy_loss": "binary_crossentropy",
    "healthy_activation": "sigmoid",
    "healthy_from_logits": False,
}


@dataclass(frozen=True, slots=True)
class _Misfit:
    severity: str
    message: str
    remedy: str
    evidence: dict[str, Any]


def unreachable_targets(window: Window) -> Iterator[Finding]:
    """Find outputs whose targets of the newest batch are out of their reach."""
    for output in window[-1].outputs:
        misfit = _misfit(output)
        if misfit is None:
            continue
        yield Finding(
            condition="unreachable_targets",
            layer=output.path,
            severity=misfit.severity,
            onset=next(o.step for o in window if _holds(o, output.path)),
            message=misfit.message,
            remedy=misfit.remedy,
            evidence=misfit.evidence,
        )


def _holds(observation: Observation, path: str) -> bool:
    return any(each.path == path and _misfit(each) is not None for each in observation.outputs)


def _misfit(output: OutputStatistics) -> _Misfit | None:
    target = output.target
    if target is None or output.loss is None or not len(finite_columns(target).index):
        return None
    if output.loss.name in SPARSE_LOSSES:
        return _no_class(target, output.units, output.loss)
    squashed = _squashed(output, output.loss)
    if output.loss.name not in LOSSES or squashed not in RANGES:
        return None
    beyond = _out_of_range(target, squashed, output.loss)
    if beyond is None and squashed in ("softmax", "sparsemax"):
        return _no_distribution(output, target, squashed)
    return beyond


def _no_class(target: ColumnStatistics, units: int | None, loss: Loss) -> _Misfit | None:
    """Labels of a sparse loss that name no unit of the output."""
    low, high = _ends(target)
    evidence = {
        "loss": loss.name,
        "from_logits": loss.from_logits,
        "minimum": low,
        "maximum": high,
        "units": units,
        "healthy_range": [0, None if units is None else units - 1],
        "ignore_class": loss.ignore_class,
        "samples": target.samples,
    }
    if 1 - target.whole > COUNTING and not target.nonfinite:
        return _Misfit(
            "critical",
            f"{1 - target.whole:.2%} of the targets are no whole numbers, but {loss.name} takes "
            "them as numbers of classes.",
            "Give whole class numbers; or, for a regression, use keras.layers.Dense(1) with "
            'loss="mean_squared_error".',
            {**evidence, **_REGRESSION, "healthy_units": 1},
        )
    columns = finite_columns(target)
    ends = np.concatenate([columns.minimum, columns.maximum])
    if loss.ignore_class is not None:
        ends = ends[ends != loss.ignore_class]
    outside = ends[(ends < 0) | (ends >= (math.inf if units is None else units))]
    if not len(outside):
        return None
    aside = "" if loss.ignore_class is None else f" ({loss.ignore_class} is ignored)"
    classes = (
        "classes are counted from 0"
        if units is None
        else f"the output has {units} units, for the classes 0 to {units - 1}"
    )
    return _Misfit(
        "critical",
        f"The labels run from {low:.6g} to {high:.6g}{aside}, but {classes}.",
        _within_classes(set(outside.tolist()), units, loss),
        evidence if min(outside) < 0 else {**evidence, "healthy_units": int(max(outside)) + 1},
    )


def _within_classes(outside: set[float], units: int | None, loss: Loss) -> str:
    """How to make classes of all labels, given the ends that are none."""
    if loss.ignore_class is not None:
        return (
            f"Count the classes from 0, {loss.ignore_class} aside, and give the output a unit for "
            f"each: keras.layers.Dense(int(y[y != {loss.ignore_class}].max()) + 1)."
        )
    counted = (
        "Count classes from 0, y = y - y.min(), and give the output a unit for each: "
        "keras.layers.Dense(int(y.max()) + 1)"
    )
    # One unit short is a matter of counting; one label elsewhere may be a mark.
    if len(outside) > 1 or units in outside:
        return f"{counted}."
    (label,) = map(int, outside)
    return (
        f"{counted}; if {label} marks what is to be left out, use "
        f"keras.losses.SparseCategoricalCrossentropy(ignore_class={label}{_logits(loss)})."
    )


def _out_of_range(target: ColumnStatistics, squashed: str, loss: Loss) -> _Misfit | None:
    """Targets outside the range of the output's activation."""
    low, high = RANGES[squashed]
    smallest, largest = _ends(target)
    overshoot = max(low - smallest, largest - high)
    ends = [abs(end) for end in (low, high) if math.isfinite(end)]
    if overshoot <= ROUNDING * max(1.0, *ends):
        return None
    width = high - low if math.isfinite(high - low) else largest - smallest
    columns = finite_columns(target)
    outside = (columns.minimum < low - ROUNDING) | (columns.maximum > high + ROUNDING)
    return _Misfit(
        "note" if overshoot <= SLIGHT * width else "critical",
        f"The targets run from {smallest:.4g} to {largest:.4g}, but {squashed} gives values from "
        f"{low:.4g} to {high:.4g} only.",
        _within_range(target, (low, high), loss),
        {
            "loss": loss.name,
            "from_logits": loss.from_logits,
            "activation": squashed,
            **_reaching(target, loss),
            "minimum": smallest,
            "maximum": largest,
            "healthy_range": [low, high],
            "columns_outside": columns.index[outside][:5].tolist(),
            "count_of_columns_outside": int(outside.sum()),
            "columns": target.columns,
            "samples": target.samples,
        },
    )


def _no_distribution(
    output: OutputStatistics, target: ColumnStatistics, squashed: str
) -> _Misfit | None:
    """Rows of targets for a softmax that do not add up to 1."""
    if target.columns != output.units or not all(map(math.isfinite, target.sums)):
        return None  # more columns than are told apart: their rows are single entries
    if output.activation is not None and not all(map(_near_one, output.prediction.sums)):
        return None  # a softmax over another axis
    smallest, largest = target.sums
    # Rows of zeros stand for samples that are left out.
    if all(total == 0 or _near_one(total) for total in target.sums):
        return None
    return _Misfit(
        "critical",
        f"The targets of a sample add up to {smallest:.4g} to {largest:.4g}, but the outputs of "
        f"{squashed} always add up to 1.",
        'For several labels a sample, use activation="sigmoid" with loss="binary_crossentropy"; '
        "for shares, divide each row by its sum.",
        {
            **(_SEVERAL_LABELS if target.whole == 1 else {}),
            "smallest_sum": smallest,
            "largest_sum": largest,
            "healthy_sum": 1,
            "columns": target.columns,
            "samples": target.samples,
        },
    )


def _squashed(output: OutputStatistics, loss: Loss) -> str | None:
    """Name of the nonlinearity that the predictions have passed when the loss compares them."""
    if loss.from_logits and loss.name in _PROBABILITIES:
        return "softmax" if loss.name in _ONE_OF_SEVERAL else "sigmoid"
    return output.activation.name if output.activation is not None else None


def _within_range(target: ColumnStatistics, ends: tuple[float, float], loss: Loss) -> str:
    smallest, largest = _ends(target)
    if ends == (0, 1) and target.whole == 1:
        if (smallest, largest) == (-1, 1):
            return "Give the labels as 0 and 1: (y + 1) / 2."
        if (smallest, largest) == (0, 255):
            return "Scale the targets: y / 255."
        if smallest >= 0 and loss.name in _PROBABILITIES:
            return (
                'For class numbers, use keras.layers.Dense(int(y.max()) + 1, activation="softmax") '
                'with loss="sparse_categorical_crossentropy".'
            )
    if loss.name in _PROBABILITIES:
        return (
            "Scale the targets into 0 to 1, (y - y.min()) / (y.max() - y.min()); for a "
            'regression, use a linear output with loss="mean_squared_error".'
        )
    return (
        "Leave the output linear, activation=None, and standardize the targets: "
        "(y - y_train.mean(axis=0)) / y_train.std(axis=0)."
    )


def _reaching(target: ColumnStatistics, loss: Loss) -> dict[str, Any]:
    """An output that reaches the targets as they are; nothing where they have to change."""
    smallest, largest = _ends(target)
    if loss.name in REGRESSION_LOSSES:
        return {"healthy_activation": "linear"}
    if loss.name not in _PROBABILITIES:
        return {}
    if target.whole < 1:
        return _REGRESSION
    if smallest < 0 or target.columns > 1:
        return {}
    return {
        "healthy_loss": "sparse_categorical_crossentropy",
        "healthy_activation": "softmax",
        "healthy_from_logits": False,
        "healthy_units": int(largest) + 1,
    }


def _logits(loss: Loss) -> str:
    return ", from_logits=True" if loss.from_logits else ""


def _ends(target: ColumnStatistics) -> tuple[float, float]:
    columns = finite_columns(target)
    return float(np.min(columns.minimum)), float(np.max(columns.maximum))


def _near_one(total: float) -> bool:
    return abs(total - 1) <= SUM_TOLERANCE
