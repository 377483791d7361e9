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
from kerastricks.diagnosis.observation import LayerStatistics, Observation, Vector
from kerastricks.diagnosis.rules._window import Window, layer_at, unbroken_run

UNIT_SHARE = 0.9
"""A unit counts as saturated when it is so on at least this share of the batch."""
LAYER_FRACTION = 0.5
"""A layer is sick when at least this fraction of its units is saturated."""
MEAN_SHARE = 0.75
"""It is also sick when its units are saturated on this share of the samples on average.

Units that jump between both ends reach no `UNIT_SHARE` each. Deep tanh networks on digits that do
not train (kernels of standard deviation 1) show 0.82 and more, those that train 0.67 and less.
"""
CRITICAL_FRACTION = 0.8
MINIMUM_EXAMPLES = 200
"""Examples over which the layer must have been sick without a break."""


def saturated_units(
    window: Window, *, layer_fraction: float = LAYER_FRACTION, mean_share: float = MEAN_SHARE
) -> Iterator[Finding]:
    """Find hidden layers most of whose units have been saturated for hundreds of samples."""
    for layer in window[-1].layers:
        if layer.saturated is None or layer.head:
            continue

        def sick(observation: Observation, path: str = layer.path) -> bool:
            seen = layer_at(observation, path)
            if seen is None or seen.saturated is None:
                return False
            return _fraction(seen.saturated) >= layer_fraction or _mean(seen) >= mean_share

        run = unbroken_run(window, sick)
        examples = layer.examples * len(run)
        if examples < MINIMUM_EXAMPLES:
            continue
        now, onset = _fraction(layer.saturated), run[0].step
        name = layer.activation.name if layer.activation else "bounded"
        yield Finding(
            condition="saturated_units",
            layer=layer.path,
            severity="critical" if now >= CRITICAL_FRACTION else "warning",
            onset=onset,
            message=(
                f"{now:.0%} of the {layer.units} {name} units are saturated on "
                f"{UNIT_SHARE:.0%} of the samples or more, and all of them on {_mean(layer):.0%} "
                f"on average ({examples} examples): there they pass less than a tenth of the "
                "gradient."
            ),
            remedy=_remedy(onset),
            evidence={
                "saturated_units": round(now * layer.units),
                "units": layer.units,
                "fraction": now,
                "mean_saturated_share": _mean(layer),
                "examples": examples,
                "healthy_fraction_below": layer_fraction,
                "healthy_mean_share_below": mean_share,
            },
        )


def _fraction(saturated: Vector) -> float:
    return float(np.mean(saturated >= UNIT_SHARE))


def _mean(layer: LayerStatistics) -> float:
    return 0.0 if layer.saturated is None else float(np.mean(layer.saturated))


def _remedy(onset: int) -> str:
    normalize = "put kt.layers.BatchNormalization() between the kernel and the activation"
    replace = "replace it with kt.layers.LeakyReLU() and kernel_initializer=kt.initializers.He(0.3)"
    first = (
        "scale the inputs to unit variance and start with kt.initializers.Xavier()"
        if onset == 0
        else "lower the learning rate"
    )
    return f"{first}; {normalize}; or {replace}."
