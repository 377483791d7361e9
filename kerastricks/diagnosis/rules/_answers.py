"""How the answers that a model starts with compare with what it is asked."""

import math
from dataclasses import dataclass

from kerastricks.diagnosis.observation import Observation, OutputStatistics
from kerastricks.diagnosis.rules._learning import constant_cost

LOSS = 5.0
"""A first loss is absurd when it is this many times what a constant answer costs.

Random logits of size 10, where a sound start gives about 1, cost 5.9 times as much for two classes,
6.7 for ten and 4.8 for a thousand: the mean of ln(1 + exp z), or of ln(sum of exp z), over ln C.
"""
PREDICTIONS = 10.0
"""Predictions of numbers are absurd when they are this many times the targets."""
MINIMUM_SAMPLES = 8
"""Fewer say little about a size."""
_CROSS_ENTROPIES = (
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
)


@dataclass(frozen=True)
class Absurd:
    """What is absurd about a model's answers.

    Attributes:
        what: Half a sentence with the numbers.
        evidence: The numbers.
    """

    what: str
    evidence: dict[str, float]


def absurd_answers(observation: Observation) -> Absurd | None:
    """Tell what is wrong with the size of a model's answers; None where nothing is.

    Of classes only the loss can tell, since what a softmax puts out is between 0 and 1.
    """
    outputs = observation.outputs
    if outputs and all(each.loss and each.loss.name in _CROSS_ENTROPIES for each in outputs):
        loss, cost = observation.loss, constant_cost(observation)
        if loss is None or not LOSS * cost <= loss < math.inf:
            return None
        return Absurd(
            f"the first loss is {loss:.3g}, where a constant answer costs {cost:.3g}",
            {
                "first_loss": loss,
                "loss_of_a_constant_answer": cost,
                "healthy_loss_below": LOSS * cost,
            },
        )
    return next((each for output in outputs if (each := _beyond_the_targets(output))), None)


def _beyond_the_targets(output: OutputStatistics) -> Absurd | None:
    target = output.target
    if target is None or target.samples < MINIMUM_SAMPLES:
        return None
    size, wanted = output.prediction.size, target.size
    if not (wanted > 0 and PREDICTIONS * wanted <= size < math.inf):
        return None
    return Absurd(
        f"the predictions have a size of {size:.3g}, the targets of {wanted:.3g}",
        {
            "prediction_size": size,
            "target_size": wanted,
            "healthy_prediction_size_below": PREDICTIONS * wanted,
        },
    )
