import numpy as np
import pytest

from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.observation import ColumnStatistics, Loss, OutputStatistics
from kerastricks.diagnosis.rules.loss_mismatch import loss_mismatch


def columns_of(data, path="output", **changes):
    data = np.asarray(data)
    with np.errstate(invalid="ignore"):
        rows = data.reshape(-1, data.shape[-1] if data.ndim > 1 else 1).astype(float)
        values = {
            "path": path,
            "dtype": "float32",
            "shape": data.shape[1:],
            "samples": len(rows),
            "mean": rows.mean(axis=0),
            "variance": rows.var(axis=0),
            "minimum": rows.min(axis=0),
            "maximum": rows.max(axis=0),
            "whole": float(np.mean(rows == np.round(rows))),
            "sums": (float(rows.sum(axis=1).min()), float(rows.sum(axis=1).max())),
            "nonfinite": int(np.sum(~np.isfinite(rows))),
        }
    return ColumnStatistics(**{**values, **changes})


def output_of(
    prediction,
    target=None,
    loss=None,
    activation=None,
    from_logits=False,
    ignore_class=None,
    **changes,
):
    values = {
        "path": "output",
        "activation": None if activation is None else Activation(activation),
        "known": True,
        "prediction": columns_of(prediction),
        "target": None if target is None else columns_of(target),
        "loss": None if loss is None else Loss(loss, from_logits, ignore_class),
    }
    return OutputStatistics(**{**values, **changes})


@pytest.fixture
def columns():
    """Reduces data to `ColumnStatistics`."""
    return columns_of


@pytest.fixture
def output():
    """Makes an `OutputStatistics` of predictions, targets, and names of loss and activation."""
    return output_of


@pytest.fixture
def mismatch(make):
    """The one mismatch that is found on an output, or None."""

    def mismatch(*arguments, steps=1, change=lambda made: made, **named):
        made = change(output_of(*arguments, **named))
        findings = list(loss_mismatch(make.window(steps, start=7, outputs=(made,))))
        assert len(findings) <= 1
        return findings[0] if findings else None

    return mismatch
