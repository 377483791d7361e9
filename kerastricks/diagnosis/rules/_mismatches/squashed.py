"""Numbers that are squashed on their way to a softmax or sigmoid, and so cannot say much.

A softmax over n numbers between a and b gives no probability above 1 / (1 + (n - 1) exp(a - b)),
however well the network learns: after another softmax, 0.23 of ten classes. A sigmoid of numbers
from 0 on gives none below 0.5. Rectified ones leave the classes whose units are silent without a
gradient. Networks learn under such a ceiling, but their probabilities mean nothing, and the loss
stays above a floor. Where feature maps are averaged between the rectifier and the softmax, as in
Iandola et al., "SqueezeNet" (2016), hardly any class is silent: that is left alone.

Logits that are capped softly, 15 tanh(z / 15), have no such ceiling, and a layer that scales them
is not seen. So what is squashed twice must show it: its answers are such as the squashed numbers
give as they are, and no probability is beyond what they allow.
"""

import math
from dataclasses import dataclass

import numpy as np

from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.observation import LayerStatistics, Loss, Observation, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.endings import BINARY, CATEGORICAL
from kerastricks.diagnosis.rules._mismatches.mismatch import (
    TOLERANCE,
    Mismatch,
    class_of,
    ends,
    name_of,
)
from kerastricks.diagnosis.rules._window import layer_at
from kerastricks.diagnosis.rules.unreachable_targets import RANGES

_SQUASHES = {**dict.fromkeys(CATEGORICAL, "softmax"), **dict.fromkeys(BINARY, "sigmoid")}
"""What a cross entropy of logits squashes them with."""
_KEPT_BY_KERAS = ("softmax", "sigmoid")
"""On TensorFlow Keras keeps what went into these beside what came out, for the loss to go back to.

On JAX and torch it does not, nor on TensorFlow once an output was cast or reshaped.
"""
UNCHANGED = 0.6
"""Log odds of the answers, their means and deviations, may be off by this share of their size.

Random units squashed twice are off by 0 to 0.6, as what they have in common drops out of a softmax;
by 0.7 and more where all is doubled on the way, 2 and more where it grows fivefold. A factor below
one only raises the floor of the loss.
"""
TOLD = 1e-4
"""Log odds smaller than this, as of a head that starts at zero, tell nothing yet."""


@dataclass(frozen=True, slots=True)
class _Limit:
    severity: str
    what: str
    smallest_loss: float
    probabilities: tuple[float, float] = (0.0, 1.0)


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
    if limit is None or not _shown(observation, output, inner, limit):
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


def _shown(
    observation: Observation, output: OutputStatistics, inner: LayerStatistics, limit: _Limit
) -> bool:
    """Whether the answers are such as come of the squashed numbers, with nothing in between."""
    least, most = limit.probabilities
    low, high = ends(output.prediction)
    if low < least * (1 - TOLERANCE) or high > most * (1 + TOLERANCE):
        return False
    own = layer_at(observation, output.path)
    if (least, most) == (0.0, 1.0):
        return True
    return own is not None and _unchanged(inner, own, name_of(output))


def _unchanged(inner: LayerStatistics, own: LayerStatistics, by: str) -> bool:
    """Whether one layer's answers are those of what the other puts out, as far as units tell."""
    if inner.units != own.units:
        return False
    mean, deviation = own.mean, np.sqrt(own.variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        if by == "softmax":
            # The mean of exp z is that of a normal distribution: exp(mean + variance / 2).
            centers = inner.mean + inner.variance / 2, np.log(mean)
            wanted, told = (each - np.mean(each) for each in centers)
            # Of independent units a softmax takes the part off that they have in common.
            spread = np.sqrt(inner.variance * (1 - 1 / inner.units))
            wanted, told = np.r_[wanted, spread], np.r_[told, deviation / mean]
        else:
            wanted = np.r_[inner.mean, np.sqrt(inner.variance)]
            told = np.r_[np.log(mean / (1 - mean)), deviation / (mean * (1 - mean))]
        size, off = (math.sqrt(np.mean(np.square(v))) for v in (wanted, told - wanted))
    return size >= TOLD and off <= UNCHANGED * size


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
        least = 1 / (1 + ((units or 2) - 1) * math.exp(high - low))
        what = f"no probability exceeds {math.exp(-floor):.2g}, and the loss cannot fall below "
        return _Limit("warning", f"{what}{floor:.2g}", floor, (least, math.exp(-floor)))
    # Of targets that are all yes or all no, whichever is easier.
    floor = min(math.log1p(math.exp(-high)), math.log1p(math.exp(low)))
    least, most = (1 / (1 + math.exp(-end)) for end in (max(low, -100.0), high))
    if low >= 0:
        what = "no probability falls below 0.5: it never says no"
        return _Limit("critical", what, floor, (least, most))
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return _Limit("warning", f"no probability exceeds {most:.2g}", floor, (least, most))
