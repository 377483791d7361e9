"""Cross entropies that ask a yes or no of each unit."""

from kerastricks.diagnosis.observation import Loss, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.mismatch import (
    TOLERANCE,
    Mismatch,
    ends,
    name_of,
    one_hot,
    zeros_and_ones,
)
from kerastricks.diagnosis.rules._mismatches.probabilities import no_probabilities
from kerastricks.diagnosis.rules._mismatches.shapes import misshapen
from kerastricks.diagnosis.rules.unreachable_targets import RANGES


def binary(output: OutputStatistics, loss: Loss) -> Mismatch | None:
    """Judge an output that a cross entropy of yes and no is computed from."""
    shapes = misshapen(output, loss)
    if shapes is not None:
        return shapes
    softmax, units = name_of(output) == "softmax", output.units
    if softmax and units == 1:
        return None
    if loss.from_logits:
        return None  # see `squashed`
    low, high = ends(output.prediction)
    least, most = RANGES.get(name_of(output), (0, 1))
    if min(low, least) < -TOLERANCE or max(high, most) > 1 + TOLERANCE:
        return no_probabilities(output, loss, "sigmoid")
    of_one = one_hot(output)
    if not softmax or units is None or not (of_one or (units > 2 and zeros_and_ones(output))):
        return None
    two = "Over two classes it is the same number as categorical_crossentropy's, so that nothing "
    return Mismatch(
        "note" if units == 2 else "warning",
        f"{loss.name} asks a yes or no of each of the {units} classes, but softmax chooses one. "
        + (f"{two}is lost." if units == 2 else "It learns, but scores each class on its own."),
        'Use loss="categorical_crossentropy".'
        if of_one
        else 'For several labels a sample, use activation="sigmoid".',
        {"healthy_loss": "categorical_crossentropy"}
        if of_one
        else {"healthy_activation": "sigmoid"},
    )
