"""Outputs that are taken for probabilities and are none."""

from kerastricks.diagnosis.observation import Loss, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.mismatch import Mismatch, class_of, described, ends


def no_probabilities(output: OutputStatistics, loss: Loss, wanted: str) -> Mismatch:
    """Outputs that a cross entropy clips, as they leave 0 to 1."""
    low, high = ends(output.prediction)
    return Mismatch(
        "critical",
        f"{loss.name} takes the outputs for probabilities, but {described(output)}: what is "
        "clipped to 0 or 1 gets no gradient.",
        f'End with activation="{wanted}"; or with no activation and '
        f"loss={class_of(loss)}(from_logits=True).",
        {"range": [low, high], "healthy_range": [0.0, 1.0], "healthy_activation": wanted},
    )
