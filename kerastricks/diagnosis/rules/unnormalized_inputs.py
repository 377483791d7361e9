"""Inputs far from zero mean and unit variance, as the first kernel gets them.

Initial weights assume inputs whose mean square is about 1 (He, Zhang, Ren and Sun, "Delving Deep
into Rectifiers" (2015), section 2.2), and the curvature of the loss along a first-layer weight goes
with the mean square of its input, so that large, uneven or off-center columns make a valley that
no single learning rate suits (LeCun, Bottou, Orr and Müller, "Efficient BackProp" (1998), sections
4.3 and 5.1). The first observation is judged: data do not change, and a model that is resumed may
be given others than it was trained on.

A layer that normalizes behind the kernel undoes size and mean, but not the unevenness of columns.
A kernel that is not trained is left alone: it belongs to a model with scales of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kerastricks.diagnosis.finding import SEVERITIES, Finding
from kerastricks.diagnosis.observation import ColumnStatistics, InputStatistics, Observation
from kerastricks.diagnosis.rules._columns import MINIMUM_SAMPLES, finite_columns, unevenness
from kerastricks.diagnosis.rules._window import Window

LARGE = 10.0
"""Alarm when the root mean square of the entries is above this.

The first layer's output is then ten times what its initial weights are made for, and its curvature
a hundred times. Pixels in 0..16 (7.7) and flowers in centimetres (4.0) train well.
"""
CRITICAL_SIZE = 100.0
SMALL = 0.02
"""Alarm when it is below this, with no entry above `SMALL_ENTRY`."""
SMALL_ENTRY = 0.1
"""Largest entry of dense data of size `SMALL`: five deviations.

Rows with few entries other than zero, such as one-hot vectors and bags of words, have a small root
mean square as well, but entries of order 1.
"""
UNEVEN = 100.0
"""Alarm when the widest column's deviation is this many times half the range of narrow ones."""
CRITICAL_UNEVEN = 1e4
OFF_CENTER = 10.0
"""A note when most varying columns have a mean of this many deviations."""
FAR_OFF_CENTER = 100.0
"""A warning from here: the part that tells samples apart is a hundredth of the entry."""
AWAY = 7.0
"""A warning when the columns' means are this many times their deviations, root mean squares.

What random weights make of such inputs lies, over the samples, around a point as far from zero, in
its deviations, as a normal number times 7: two deviations reach the kink of only 22 % of rectifier
units, and the others are linear, or dead. Digits as pixels show 1.5, irises in centimetres 3.6.
"""
BRIGHT = 127.0
"""Whole numbers of 0..255 that exceed this are taken for pixels."""


@dataclass(frozen=True, slots=True)
class _Fault:
    severity: str
    what: str


def unnormalized_inputs(window: Window) -> Iterator[Finding]:
    """Judge what the first kernels multiply, on the first observation."""
    if len(window) > 1:
        return
    for inputs in window[0].inputs:
        if not _trained(window[0], inputs.path):
            continue
        faults = list(_faults(inputs))
        if not faults:
            continue
        yield Finding(
            condition="unnormalized_inputs",
            layer=inputs.path,
            severity=max((fault.severity for fault in faults), key=SEVERITIES.index),
            onset=window[0].step,
            message=(
                "The inputs that it multiplies are not normalized: "
                f"{'; '.join(fault.what for fault in faults)} ({inputs.data.samples} samples)."
            ),
            remedy=_remedy(inputs, alone=len(window[0].inputs) == 1),
            evidence=_evidence(inputs),
        )


def _trained(observation: Observation, path: str) -> bool:
    """Whether the layer, or a layer within it, has a weight in training, as far as that is seen."""
    owners = {weight.layer for weight in observation.weights}
    return not owners or any(f"{owner}/".startswith(f"{path}/") for owner in owners)


def _faults(inputs: InputStatistics) -> Iterator[_Fault]:
    columns = finite_columns(inputs.data)
    varying = columns.varying
    size = columns.overall_size
    if inputs.normalization is None:
        if size > LARGE:
            severity = "critical" if size > CRITICAL_SIZE else "warning"
            yield _Fault(severity, f"their root mean square is {size:.3g} (it should be near 1)")
        elif size < SMALL and columns.largest < SMALL_ENTRY and varying.any():
            what = f"their root mean square is only {size:.2g} (it should be near 1)"
            yield _Fault("warning", what)
    uneven = unevenness(inputs.data)
    if uneven is not None and uneven.ratio > UNEVEN:
        critical = uneven.ratio > CRITICAL_UNEVEN and inputs.normalization is None
        yield _Fault(
            "critical" if critical else "warning",
            f"column {uneven.column} has a deviation of {uneven.deviation:.3g}, while others stay "
            f"within {uneven.narrow:.2g} of their middle",
        )
    enough = inputs.data.samples >= MINIMUM_SAMPLES
    if inputs.normalization is None and enough and varying.any():
        # Products, not quotients: a deviation can round to zero in a column that varies.
        mean, deviation = np.abs(columns.mean[varying]), columns.deviation[varying]
        if np.mean(mean > OFF_CENTER * deviation) > 0.5:
            far = np.mean(mean > FAR_OFF_CENTER * deviation) > 0.5
            yield _Fault(
                "warning" if far else "note",
                f"the mean of most columns is more than {FAR_OFF_CENTER if far else OFF_CENTER:.0f}"
                " times their deviation",
            )
        middle, spread = (float(np.sqrt(np.mean(np.square(each)))) for each in (mean, deviation))
        if middle > AWAY * spread:
            what = f"they vary by {spread:.2g} around {middle:.3g} (it should be around 0)"
            yield _Fault("warning", what)


def _evidence(inputs: InputStatistics) -> dict[str, object]:
    columns, uneven = finite_columns(inputs.data), unevenness(inputs.data)
    worst = np.argsort(-columns.size)[:5]
    return {
        "pixels": _pixels(inputs.data),
        "size": columns.overall_size,
        "healthy_size": [SMALL, LARGE],
        "largest_columns": columns.index[worst].tolist(),
        "mean_of_largest_columns": columns.mean[worst].tolist(),
        "deviation_of_largest_columns": columns.deviation[worst].tolist(),
        "ratio_of_columns": None if uneven is None else uneven.ratio,
        "healthy_ratio_of_columns_below": UNEVEN,
        "columns": inputs.data.columns,
        "samples": inputs.data.samples,
        "normalization": inputs.normalization,
    }


def _pixels(data: ColumnStatistics) -> bool:
    """Whether the entries are whole numbers of 0..255, in columns of one scale."""
    columns = finite_columns(data)
    within = float(np.min(columns.minimum)) >= 0 and BRIGHT < float(np.max(columns.maximum)) <= 255
    uneven = unevenness(data)
    return data.whole > 0.999 and within and (uneven is None or uneven.ratio <= UNEVEN)


def _remedy(inputs: InputStatistics, *, alone: bool) -> str:
    where = "first in the model" if alone else f"in front of {inputs.path}"
    if _pixels(inputs.data):
        return f"Put keras.layers.Rescaling(1 / 255) {where}, or divide that input by 255."
    return (
        f"Put normalize = keras.layers.Normalization() {where}, after normalize.adapt("
        f"{'x_train' if alone else 'its inputs'}): each column then has mean 0 and variance 1."
    )
