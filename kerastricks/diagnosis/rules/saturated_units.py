"""Units of a bounded activation that sit where its slope is almost zero.

A sigmoid or tanh unit whose output stays near an end of its range passes less than a tenth of the
gradient that it could. The share of saturated units per layer is the alarm of Glorot and Bengio,
"Understanding the difficulty of training deep feedforward neural networks" (2010), section 3; the
pair of thresholds per unit and per layer follows TheDeepChecker (Ben Braiek and Khomh, 2022).
The output layer is left out: a classifier that is sure of its answers is saturated there.
"""

from collections.abc import Iterator

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.rules._window import Window, layer_at, unbroken_run

UNIT_SHARE = 0.9
"""A unit counts as saturated when it is so on at least this share of the batch."""
LAYER_FRACTION = 0.5
"""A layer is sick when at least this fraction of its units is saturated."""
CRITICAL_FRACTION = 0.8
MINIMUM_SAMPLES = 200
"""Samples over which the layer must have been sick without a break."""


def saturated_units(window: Window, *, layer_fraction: float = LAYER_FRACTION) -> Iterator[Finding]:
    """Find hidden layers most of whose units have been saturated for hundreds of samples."""
    for layer in window[-1].layers:
        if layer.saturated is None or layer.head:
            continue

        def fraction(observation: Observation, path: str = layer.path) -> float:
            seen = layer_at(observation, path)
            if seen is None or seen.saturated is None:
                return 0.0
            return float(np.mean(seen.saturated >= UNIT_SHARE))

        run = unbroken_run(window, lambda observation: fraction(observation) >= layer_fraction)
        samples = layer.samples * len(run)
        if samples < MINIMUM_SAMPLES:
            continue
        now, onset = fraction(window[-1]), run[0].step
        name = layer.activation.name if layer.activation else "bounded"
        yield Finding(
            condition="saturated_units",
            layer=layer.path,
            severity="critical" if now >= CRITICAL_FRACTION else "warning",
            onset=onset,
            message=(
                f"{now:.0%} of the {layer.units} {name} units are saturated: on "
                f"{UNIT_SHARE:.0%} of {samples} samples or more they pass less than a tenth of "
                "the gradient."
            ),
            remedy=_remedy(onset),
            evidence={
                "saturated_units": round(now * layer.units),
                "units": layer.units,
                "fraction": now,
                "mean_saturated_share": float(np.mean(layer.saturated)),
                "samples": samples,
                "healthy_fraction_below": layer_fraction,
            },
        )


def _remedy(onset: int) -> str:
    normalize = "put kt.layers.BatchNormalization() between the kernel and the activation"
    replace = "replace it with kt.layers.LeakyReLU() and kernel_initializer=kt.initializers.He(0.3)"
    first = (
        "scale the inputs to unit variance and start with kt.initializers.Xavier()"
        if onset == 0
        else "lower the learning rate"
    )
    return f"{first}; {normalize}; or {replace}."
