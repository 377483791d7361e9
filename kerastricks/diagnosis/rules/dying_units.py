"""Rectifier units that no longer fire on any sample and so get no gradient.

A ReLU unit whose input is negative on every sample has zero output and zero gradient: it cannot
come back. Never firing in n samples bounds the firing rate by 1 - 0.05^(1/n), about 3 / n, with
95 % confidence (the rule of three), so that natural sparsity is not taken for death. How such
units arise: Lu, Shin, Su and Karniadakis, "Dying ReLU and Initialization: Theory and Numerical
Examples" (2019).

Behind inputs that vary little beside their mean, such as pooled features, a unit of random weights
is dead from the start as often as it is always on: one of two. So half of a small layer may be
dead without anything being wrong, as in the bottleneck of a gate, and that is a note, unless the
network does not learn. Nor is it more where units die in training and the others have learned: the
layer is narrower than it was meant to be, which one may want to know.
"""

from collections.abc import Iterator
from statistics import median

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import LayerStatistics, Observation, Vector
from kerastricks.diagnosis.rules._learning import constant_cost
from kerastricks.diagnosis.rules._window import Window, layer_at

MINIMUM_SAMPLES = 2000
"""Samples without firing after which a unit counts as dead: firing rate below 0.15 %."""
MINIMUM_EXAMPLES = 200
"""Examples among them: the positions of one feature map are no independent samples."""
TOGETHER = 10
"""Units of a layer that is silent as a whole whose samples count together."""
LAYER_FRACTION = 0.4
"""A layer is sick when at least this fraction of its units is dead."""
CRITICAL_FRACTION = 0.75
CHANCE = 2.33
"""Standard deviations, 99 % of a normal distribution, by which chance may exceed one of two."""
EPOCHS = 5
"""Epochs after which a network should have learned something."""
UNLEARNED = 0.5
"""It has not while its training loss is above this share of the best constant answer's."""
LEARNED = 0.5
"""It has when the loss is below this share of the same; of the first loss where that is unknown."""
RECENT = 8
"""Newest observations whose median is compared: single batches are noisy."""
GRADIENT_SHARE = 0.01
"""A dead unit's gradient, relative to its weights, is below this share of the best kernel's.

Not zero: weight decay in the loss gives every weight a gradient of its own.
"""


def dying_units(window: Window, *, layer_fraction: float = LAYER_FRACTION) -> Iterator[Finding]:
    """Find rectifier layers a large part of whose units never fires any more."""
    for layer in window[-1].layers:
        if layer.active is None or float(np.mean(layer.active == 0)) < layer_fraction:
            continue
        silent, since = _silence(window, layer)
        dead = (silent >= _needed(layer, silent)) & _without_gradient(window[-1], layer)
        count = int(np.sum(dead))
        if count < max(layer_fraction * layer.units, min(2, layer.units)):
            continue
        enough = int(np.ceil(layer_fraction * layer.units))
        onset = int(np.sort(since[dead])[enough - 1])
        examples = int(np.min(silent[dead]))
        rate = 1 - 0.05 ** (1 / examples)
        fraction = count / layer.units
        born_dead = int(np.sum(since[dead] == window[0].step))
        yield Finding(
            condition="dying_units",
            layer=layer.path,
            severity=_severity(window, layer, count, born_dead, enough),
            onset=onset,
            message=(
                f"{count} of {layer.units} rectifier units are silent and get no gradient: they "
                f"fired on none of the last {examples} examples (firing rate below {rate:.2%})."
            ),
            remedy=_remedy(onset),
            evidence={
                "dead_units": count,
                "units": layer.units,
                "fraction": fraction,
                "dead_from_the_start": born_dead,
                "examples": examples,
                "samples": examples * layer.samples // layer.examples,
                "firing_rate_upper_bound_95": rate,
                "healthy_fraction_below": layer_fraction,
            },
        )


def _severity(
    window: Window, layer: LayerStatistics, count: int, born_dead: int, enough: int
) -> str:
    """How grave it is that so many are dead, of which so many were so from the start."""
    by_chance = (layer.units + CHANCE * np.sqrt(layer.units)) / 2
    happens = count < min(by_chance, layer.units) and count - born_dead < enough
    if happens and not _unlearned(window[-1]):
        return "note"
    if count >= CRITICAL_FRACTION * layer.units:
        return "critical"
    return "note" if _has_learned(window) else "warning"


def _unlearned(observation: Observation) -> bool:
    """Whether epochs have passed and the network is hardly better than a constant answer."""
    epochs, constant = observation.epochs, constant_cost(observation)
    return len(epochs) >= EPOCHS and epochs[-1].loss > UNLEARNED * constant


def _has_learned(window: Window) -> bool:
    """Whether the newest losses are far below what a constant answer, or the start, costs."""
    recent = window[-RECENT:]
    references = [constant_cost(each) for each in recent]
    if not np.isfinite(references).all():
        references = [np.nan if window[0].loss is None else window[0].loss] * len(recent)
    losses = [np.nan if each.loss is None else each.loss for each in recent]
    return median(references) > 0 and median(losses) <= LEARNED * median(references)


def _needed(layer: LayerStatistics, silent: NDArray[np.int64]) -> float:
    """Silent examples that it takes to call a unit of this layer dead.

    Where all units are silent, and none can be told to be merely rare, their samples count
    together.
    """
    together = min(layer.units, TOGETHER) if (silent > 0).all() else 1
    return max(MINIMUM_EXAMPLES, MINIMUM_SAMPLES * layer.examples / layer.samples / together)


def _silence(window: Window, layer: LayerStatistics) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Examples since each unit last fired, and the step of the first of them."""
    silent = np.zeros(layer.units, dtype=np.int64)
    since = np.full(layer.units, window[-1].step, dtype=np.int64)
    quiet = np.ones(layer.units, dtype=bool)
    for observation in reversed(window):
        seen = layer_at(observation, layer.path)
        if seen is None or seen.active is None:
            continue
        quiet &= seen.active == 0
        if not quiet.any():
            break
        silent[quiet] += seen.examples
        since[quiet] = observation.step
    return silent, since


def _without_gradient(observation: Observation, layer: LayerStatistics) -> NDArray[np.bool_]:
    """Units whose incoming weights get no gradient; all of them where that cannot be seen."""
    trained = {weight.layer for weight in observation.weights}
    kernel = next(
        (k for k in observation.kernels if k.layer == layer.source and k.unit_gradient is not None),
        None,
    )
    if observation.weights and layer.source and layer.source not in trained:
        return np.zeros(layer.units, dtype=bool)  # frozen: it is not to learn
    if kernel is None or kernel.norm == 0 or len(_units(kernel.unit_gradient)) != layer.units:
        return np.ones(layer.units, dtype=bool)
    best = max(
        (
            k.gradient / k.norm
            for k in observation.kernels
            if k.norm > 0 and np.isfinite(k.gradient)
        ),
        default=0.0,
    )
    relative = _units(kernel.unit_gradient) * np.sqrt(layer.units) / kernel.norm
    return np.asarray(relative <= GRADIENT_SHARE * best)


def _units(vector: Vector | None) -> Vector:
    return np.zeros(0) if vector is None else vector


def _remedy(onset: int) -> str:
    leak = "use kt.layers.LeakyReLU(), which cannot die, with kt.initializers.He(0.3)"
    if onset == 0:
        return f"Start biases at zero and kernels with kt.initializers.He(); or {leak}."
    return f"Lower the learning rate or clip gradients (clipnorm=1.0); {leak}."
