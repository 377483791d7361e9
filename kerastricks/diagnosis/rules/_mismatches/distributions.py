"""Losses of rates and of whole distributions."""

from kerastricks.diagnosis.observation import Loss, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.mismatch import (
    TOLERANCE,
    Mismatch,
    described,
    ends,
    finite,
    name_of,
    sums_are_off,
)
from kerastricks.diagnosis.rules._mismatches.shapes import misshapen


def poisson(output: OutputStatistics, loss: Loss) -> Mismatch | None:
    """Judge an output that is a rate, of which the logarithm is taken."""
    shapes = misshapen(output, loss)
    if shapes is not None:
        return shapes
    low, _ = ends(output.prediction)
    if low >= -TOLERANCE:
        return None
    return Mismatch(
        "critical",
        f"{loss.name} takes the logarithm of the outputs, but they go down to {low:.3g}: the loss "
        "is NaN.",
        'End with activation="softplus" or activation="exponential".',
        {"minimum": low, "healthy_minimum": 0.0, "healthy_activation": "softplus"},
    )


def divergence(output: OutputStatistics, loss: Loss) -> Mismatch | None:
    """Judge an output and targets that are both distributions."""
    shapes = misshapen(output, loss)
    if shapes is not None:
        return shapes
    if name_of(output) == "softmax":
        return None
    low, high = ends(output.prediction)
    if low < -TOLERANCE or high > 1 + TOLERANCE or sums_are_off(output, every_rank=True):
        return Mismatch(
            "critical",
            f"{loss.name} is meant for probabilities that sum to 1, but {described(output)}: it "
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
    if target is None or not finite(target) or target.columns != output.units:
        return None
    # Rows of zeros stand for samples that are left out, so only the largest sum is judged.
    if ends(target)[0] >= -TOLERANCE and abs(target.sums[1] - 1) <= TOLERANCE:
        return None
    return Mismatch(
        "warning",
        f"{loss.name} is meant for targets that are probabilities and sum to 1, but theirs sum to "
        f"{target.sums[0]:.3g} to {target.sums[1]:.3g}.",
        "Divide each row by its sum: y / y.sum(axis=-1, keepdims=True).",
        {"target_row_sums": list(target.sums), "healthy_row_sum": 1.0},
    )
