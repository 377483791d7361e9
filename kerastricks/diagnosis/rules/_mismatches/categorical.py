"""Cross entropies that choose one of several classes."""

from kerastricks.diagnosis.observation import Loss, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.endings import ending, one_unit_ending
from kerastricks.diagnosis.rules._mismatches.mismatch import (
    TOLERANCE,
    Mismatch,
    described,
    ends,
    in_code,
    label_a_sample,
    name_of,
    shape_of,
    sums_are_off,
)
from kerastricks.diagnosis.rules._mismatches.probabilities import no_probabilities
from kerastricks.diagnosis.rules._mismatches.shapes import misshapen


def categorical(output: OutputStatistics, loss: Loss) -> Mismatch | None:
    """Judge an output that a cross entropy over classes is computed from."""
    softmax, units = name_of(output) == "softmax", output.units
    if units == 1:
        shapes = misshapen(output, loss)
        return shapes or (None if softmax else _one_class(output, loss))
    if not loss.name.startswith("sparse") and label_a_sample(output):
        return Mismatch(
            "critical",
            f"The targets have one number a sample, but {loss.name} wants {units} columns, one "
            "a class, as the output has.",
            f"Use {in_code('sparse_categorical_crossentropy', loss)}, or "
            f"keras.utils.to_categorical(y, {units}).",
            {
                "target_shape": shape_of(output.target),
                "output_shape": shape_of(output.prediction),
                "healthy_target_columns": units,
                "healthy_loss": "sparse_categorical_crossentropy",
                **ending(output, loss, "softmax"),
            },
        )
    shapes = misshapen(output, loss)
    if shapes is not None:
        return shapes
    if loss.from_logits:
        return None  # see `squashed`
    low, high = ends(output.prediction)
    rectifier = output.activation is not None and output.activation.rectifier
    if softmax or not (low < -TOLERANCE or high > 1 + TOLERANCE or sums_are_off(output)):
        return None
    if low < -TOLERANCE or rectifier:
        return no_probabilities(output, loss, "softmax")
    several = '; if several classes may be true at once, use loss="binary_crossentropy"'
    return Mismatch(
        "warning",
        f"{loss.name} is meant for probabilities that sum to 1, but {described(output)}: it "
        "trains, but the predictions are no probabilities of one class among several.",
        f'End with activation="softmax"{several if name_of(output) == "sigmoid" else ""}.',
        {
            "row_sums": list(output.prediction.sums),
            "healthy_row_sum": 1.0,
            "healthy_activation": "softmax",
        },
    )


def _one_class(output: OutputStatistics, loss: Loss) -> Mismatch:
    return Mismatch(
        "critical",
        f"{loss.name} over a single unit is a choice among one class: its loss is the same "
        "whatever the model computes.",
        'For two classes, use keras.layers.Dense(1, activation="sigmoid") with '
        'loss="binary_crossentropy"; for more, one unit a class: keras.layers.Dense(classes, '
        'activation="softmax").',
        {"healthy_units_from": 2, **one_unit_ending(output)},
    )
