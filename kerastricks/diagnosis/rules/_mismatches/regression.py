"""Regression losses, which subtract whatever shapes broadcast."""

from kerastricks.diagnosis.observation import Loss, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.endings import classes_or_number, one_hot_ending
from kerastricks.diagnosis.rules._mismatches.mismatch import (
    Mismatch,
    label_a_sample,
    name_of,
    one_hot,
    shape_of,
)
from kerastricks.diagnosis.rules._mismatches.shapes import FLATTEN, misshapen


def regression(output: OutputStatistics, loss: Loss) -> Mismatch | None:
    """Judge an output from which targets are subtracted."""
    target, units = output.target, output.units
    if target is None or units is None:
        return None
    shapes = f"targets of shape {shape_of(target)} and outputs of {shape_of(output.prediction)}"
    evidence = {
        "target_shape": shape_of(target),
        "output_shape": shape_of(output.prediction),
        "healthy_target_shape": shape_of(output.prediction),
    }
    rank = len(output.prediction.shape)
    if not target.shape and rank > 1 and target.samples > 1:
        return Mismatch(
            "critical",
            f"{loss.name} subtracts {shapes}: it compares each prediction with the targets of "
            "all samples in the batch.",
            FLATTEN,
            evidence,
        )
    if units > 1 and label_a_sample(output) and target.whole == 1:
        return Mismatch(
            "critical",
            f"{loss.name} subtracts {shapes}: each of the {units} units is to become the label "
            "itself.",
            'For class labels, use activation="softmax" with '
            'loss="sparse_categorical_crossentropy"; for a number, keras.layers.Dense(1).',
            {**evidence, **classes_or_number(output, target)},
        )
    wanted = target.shape
    if len(wanted) == rank + 1 and wanted[-1] == 1:
        wanted = wanted[:-1]  # Keras squeezes it
    if units == 1 and len(wanted) == rank and rank and (wanted[-1] or 0) > 1:
        return Mismatch(
            "critical",
            f"{loss.name} subtracts {shapes}: the one output is compared with {wanted[-1]} "
            "targets at once, and learns their mean at best.",
            'For one-hot labels, use keras.layers.Dense(classes, activation="softmax") with '
            f'loss="categorical_crossentropy"; else keras.layers.Dense({wanted[-1]}).',
            {**evidence, "healthy_units": wanted[-1], **one_hot_ending(target)},
        )
    unlike = misshapen(output, loss)
    if unlike is not None:
        return unlike
    if name_of(output) == "softmax" and one_hot(output):
        return Mismatch(
            "note",
            f"{loss.name} on the softmax of {units} classes learns slowly: where the answer is "
            "surely wrong its gradient is almost zero.",
            'Use loss="categorical_crossentropy".',
            {"healthy_loss": "categorical_crossentropy"},
        )
    return None
