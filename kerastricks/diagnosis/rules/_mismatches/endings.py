"""Which activation and loss an output should end with, as evidence names them."""

from typing import Any

from kerastricks.diagnosis.observation import ColumnStatistics, Loss, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.mismatch import ends, finite, name_of

CATEGORICAL = (
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "categorical_focal_crossentropy",
)
BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
REGRESSION = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
_CHOICES = (*CATEGORICAL, *BINARY, "poisson", "kl_divergence")
"""Losses that whole labels are given to as classes, not as numbers."""


def ending(output: OutputStatistics, loss: Loss, wanted: str) -> dict[str, Any]:
    """The activation that goes with a cross entropy, which may take logits where it gets some."""
    logits = loss.from_logits and name_of(output) not in ("softmax", "sigmoid")
    return {"healthy_activation": "linear" if logits else wanted, "healthy_from_logits": logits}


def classes_or_number(output: OutputStatistics, target: ColumnStatistics) -> dict[str, Any]:
    """What an output of several units is for, given whole targets of one number a sample."""
    low, high = ends(target)
    if low < 0 or not (name_of(output) == "softmax" or high < (output.units or 0)):
        return {"healthy_units": 1, "healthy_activation": "linear"}
    return {
        "healthy_loss": "sparse_categorical_crossentropy",
        "healthy_activation": "softmax",
        "healthy_from_logits": False,
        "healthy_units": max(output.units or 0, int(high) + 1),
    }


def one_hot_ending(target: ColumnStatistics) -> dict[str, Any]:
    """What goes with one-hot labels; nothing where the targets are none."""
    if not finite(target) or target.whole < 1 or target.sums != (1.0, 1.0):
        return {}
    return {
        "healthy_loss": "categorical_crossentropy",
        "healthy_activation": "softmax",
        "healthy_from_logits": False,
    }


def one_unit_ending(output: OutputStatistics) -> dict[str, Any]:
    """What a single unit, from which a loss or a softmax wants a choice, should be instead."""
    target, name = output.target, output.loss.name if output.loss else ""
    if target is None or not finite(target) or target.columns != 1:
        return {}
    low, high = ends(target)
    if target.whole == 1 and low >= 0 and (high > 1 or name == "sparse_categorical_crossentropy"):
        if name not in _CHOICES:
            return {"healthy_activation": "linear"}
        return {
            "healthy_loss": "sparse_categorical_crossentropy",
            "healthy_activation": "softmax",
            "healthy_from_logits": False,
            "healthy_units": max(2, int(high) + 1),
        }
    if low >= 0 and high <= 1:
        keeps = name == "binary_crossentropy" or name in REGRESSION
        return {
            "healthy_loss": name if keeps else "binary_crossentropy",
            "healthy_activation": "sigmoid",
            "healthy_from_logits": False,
        }
    return {"healthy_activation": "linear"} if name in REGRESSION else {}
