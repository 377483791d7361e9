"""NaN or infinity, named where it first arose.

The data come first, then the forward pass in the order in which the layers run, then the loss, then
the gradients from the output back; the first place is the one reported. NaN in the data that the
model or the loss leaves out is no fault.
"""

from collections.abc import Iterator

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.rules._window import Window

INPUTS, TARGETS = "the inputs", "the targets"
"""Places whose values no training has made: they are the cause of whatever follows."""


def non_finite(window: Window) -> Iterator[Finding]:
    """Find the first place with NaN or infinity when it first appears."""
    last = window[-1]
    found = _first_place(last)
    if found is None or (len(window) > 1 and _first_place(window[-2]) is not None):
        return  # where it stands later is not where it began
    place, layer, count, remedy = found
    before = window[-2].step if len(window) > 1 else None
    values = "1 NaN or infinite value" if count == 1 else f"{count} NaN or infinite values"
    clean = "" if before is None else f"; they arose after step {before}, when all was finite"
    yield Finding(
        condition="non_finite",
        layer=layer,
        severity="critical",
        onset=last.step,
        message=f"{values} in {place} at step {last.step}{clean}.",
        remedy=remedy,
        evidence={
            "count": count,
            "place": place,
            "last_finite_step": before,
            "loss": str(last.loss),
            "healthy_count": 0,
        },
    )


def is_in_data(finding: Finding) -> bool:
    """True for NaN or infinity that the model was given."""
    given = finding.evidence.get("place") in (INPUTS, TARGETS)
    return finding.condition == "non_finite" and given


def _first_place(observation: Observation) -> tuple[str, str | None, int, str] | None:
    smaller = (
        "Lower the learning rate, clip gradients (clipnorm=1.0), and look for a division or a "
        "logarithm that can reach zero."
    )
    # What bounds its output, such as tanh, lets infinity through to the gradient alone.
    weights = () if observation.loss_scaled else observation.weights
    spread = observation.loss is None or not np.isfinite(observation.loss)
    spread = spread or any(layer.nonfinite for layer in observation.layers)
    spread = spread or any(weight.nonfinite for weight in weights)
    if observation.input_nonfinite and spread:  # a model may replace what is missing
        remedy = "Remove or replace them in the data: x = np.nan_to_num(x, posinf=0.0, neginf=0.0)."
        return INPUTS, None, observation.input_nonfinite, remedy
    for output in observation.outputs:
        if spread and output.target is not None and output.target.nonfinite:
            remedy = "Leave out examples without a target: keep = np.isfinite(y); x[keep], y[keep]."
            return TARGETS, output.path, output.target.nonfinite, remedy
    broken = {w.layer: w for w in observation.weights if w.nonfinite and not np.isfinite(w.norm)}
    for layer in observation.layers:
        if layer.nonfinite:
            if layer.path in broken:
                remedy = f"Look for NaN in the data first. {smaller}"
                return f"the weights of {layer.path}", layer.path, layer.nonfinite, remedy
            return f"the output of {layer.path}", layer.path, layer.nonfinite, smaller
    if observation.loss is not None and not np.isfinite(observation.loss):
        remedy = "Check the labels, and give the loss logits (from_logits=True) if it has a log."
        return "the loss", None, 1, remedy
    for weight in reversed(weights):
        if weight.nonfinite:
            return f"the gradient of {weight.path}", weight.layer, weight.nonfinite, smaller
    return None
