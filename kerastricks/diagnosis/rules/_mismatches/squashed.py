"""Numbers that are squashed on their way to a softmax or sigmoid, and so cannot say much.

A softmax over n numbers between a and b gives no probability above 1 / (1 + (n - 1) exp(a - b)),
however well the network learns: after another softmax, 0.23 of ten classes. A sigmoid of numbers
from 0 on gives none below 0.5. Rectified ones leave the classes whose units are silent without a
gradient. Networks learn under such a ceiling, but their probabilities mean nothing, and the loss
stays above a floor. Where feature maps are averaged between the rectifier and the softmax, as in
Iandola et al., "SqueezeNet" (2016), hardly any class is silent: that is left alone.
"""

import math
from dataclasses import dataclass

from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.observation import LayerStatistics, Loss, Observation, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.endings import BINARY, CATEGORICAL
from kerastricks.diagnosis.rules._mismatches.mismatch import Mismatch, class_of, name_of
from kerastricks.diagnosis.rules._window import layer_at
from kerastricks.diagnosis.rules.unreachable_targets import RANGES

_SQUASHES = {**dict.fromkeys(CATEGORICAL, "softmax"), **dict.fromkeys(BINARY, "sigmoid")}
"""What a cross entropy of logits squashes them with."""
_KEPT_BY_KERAS = ("softmax", "sigmoid")
"""On TensorFlow Keras keeps what went into these beside what came out, for the loss to go back to.

On JAX and torch it does not, nor on TensorFlow once an output was cast or reshaped.
"""


@dataclass(frozen=True, slots=True)
class _Limit:
    severity: str
    what: str
    smallest_loss: float


def squashed(observation: Observation, output: OutputStatistics) -> Mismatch | None:
    """Judge what goes into the softmax or sigmoid of a cross entropy, or of the output itself."""
    loss, name = output.loss, name_of(output)
    if loss is None or loss.name not in _SQUASHES or (name == "softmax" and output.units == 1):
        return None
    if loss.from_logits:
        return _squashed_logits(observation, output, loss)
    return _squashed_before(observation, output) if name in _KEPT_BY_KERAS else None


def _squashed_logits(
    observation: Observation, output: OutputStatistics, loss: Loss
) -> Mismatch | None:
    """A loss that is told to expect logits, and is given what has been squashed."""
    if output.activation is None:
        return None
    own = layer_at(observation, output.path)
    if output.activation.rectifier and (own is None or own.activation is None):
        return None  # the rectifier lies further back, perhaps before a pooling
    name = output.activation.name
    limit = _limit(output.activation, output.units, _SQUASHES[loss.name])
    if limit is None:
        return None
    if name in _KEPT_BY_KERAS:
        return Mismatch(
            "warning",
            f"{loss.name} with from_logits=True squashes outputs that have been through {name} "
            f"already: on JAX and torch the loss cannot fall below {limit.smallest_loss:.2g}; on "
            "TensorFlow Keras goes back to the logits where it can.",
            f"Use loss={class_of(loss)}(from_logits=False), or take the {name} off the last layer.",
            {"smallest_loss": limit.smallest_loss, "healthy_from_logits": False},
        )
    return Mismatch(
        limit.severity,
        f"{loss.name} with from_logits=True takes the outputs for logits, but they come out of "
        f"{name}: {limit.what}.",
        "End with no activation: logits are numbers of both signs.",
        {"smallest_loss": limit.smallest_loss, "healthy_activation": "linear"},
    )


def _squashed_before(observation: Observation, output: OutputStatistics) -> Mismatch | None:
    """A softmax or sigmoid at the end of what an activation has squashed already."""
    inner, name = _inner(observation, output), name_of(output)
    if inner is None or inner.activation is None:
        return None
    limit = _limit(inner.activation, output.units, name)
    if limit is None:
        return None
    first = inner.activation.name
    return Mismatch(
        limit.severity,
        f"Its {name} gets what has been through the {first} of {inner.path}: {limit.what}.",
        f"Take the {first} off: activation=None in {inner.path}.",
        {
            "squashed_by": inner.path,
            "smallest_loss": limit.smallest_loss,
            "healthy_activation": name,
        },
    )


def _inner(observation: Observation, output: OutputStatistics) -> LayerStatistics | None:
    """The nearest layer between the output's kernel and its activation that has one too."""
    own = layer_at(observation, output.path)
    if own is None or own.source in (None, own.path):
        return None
    outputs = {each.path for each in observation.outputs}
    between = []
    for layer in observation.layers:
        if layer is own:
            break
        # Another output of the same kernel does not lie between the two.
        beside = layer.path in outputs and layer.path != own.source
        if layer.head and layer.source == own.source and layer.activation and not beside:
            between.append(layer)
    # Fewer samples behind than before: pooled in between.
    return between[-1] if between and between[-1].samples == own.samples else None


def _limit(squasher: Activation, units: int | None, by: str) -> _Limit | None:
    """What is out of reach behind an activation; None where nothing is."""
    low, high = RANGES.get(squasher.name, (-math.inf, math.inf))
    if squasher.rectifier:
        low = 0.0
    if by == "softmax":
        if units == 1:
            return None
        if squasher.rectifier:
            what = (
                "classes whose units are silent get no gradient, and none becomes less likely "
                "than they are"
            )
            return _Limit("warning", what, 0.0)
        if not (math.isfinite(low) and math.isfinite(high)):
            return None
        floor = math.log1p(((units or 2) - 1) * math.exp(low - high))
        what = f"no probability exceeds {math.exp(-floor):.2g}, and the loss cannot fall below "
        return _Limit("warning", f"{what}{floor:.2g}", floor)
    # Of targets that are all yes or all no, whichever is easier.
    floor = min(math.log1p(math.exp(-high)), math.log1p(math.exp(low)))
    if low >= 0:
        return _Limit("critical", "no probability falls below 0.5: it never says no", floor)
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    ceiling = 1 / (1 + math.exp(-high))
    return _Limit("warning", f"no probability exceeds {ceiling:.2g}", floor)
