"""Outputs that are the same for every sample.

Softmax divides by the sum over its units, so that over a single unit it gives 1 whatever the
model computes; that holds at once. Any other output is measured: it is constant when no column
varies by more than float32 rounding, while the targets do vary. That is how a model ends whose
hidden units have died or saturated: the bias alone is left to learn. From which layer on nothing
varies with the sample is told, too: it may be a normalization over one number, which leaves zero.

A model whose last kernel starts at zero, a usual choice, gives constant outputs too, until the
learning rate's warm-up lets that kernel grow: what was constant from the start must stay so for
longer, with a kernel that has stopped growing.
"""

from collections.abc import Iterator

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import LayerStatistics, Observation, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.endings import one_unit_ending
from kerastricks.diagnosis.rules._window import LOOK_BACK, Window, unbroken_run

MINIMUM_LOOKS = 3
"""Observations with varying targets, over which the output must have been constant throughout."""
FROM_START_LOOKS = 8
"""The same for an output that has been constant since the first observation."""
MINIMUM_SAMPLES = 64
"""Samples a column that these observations must have together."""
MINIMUM_EACH = 8
"""Samples an observation must have: fewer may be equal by chance, and one always is."""
ROUNDING = 100 * 2.0**-23
"""Deviation, relative to the output's root mean square, that float32 rounding explains.

A sum of n products is off by about sqrt(n) epsilons; n is ten thousand for a wide layer.
"""
NEGLIGIBLE = 1e-4
"""And its variance must be at most this share of its target's.

Targets such as years or time stamps vary by less than rounding themselves, beside their mean.
"""
GROWTH = 1.1
"""A kernel grows when its norm gained this factor in the second half of the observations."""


def constant_output(window: Window) -> Iterator[Finding]:
    """Find outputs that give the same answer to every sample."""
    for output in window[-1].outputs:
        if _softmax_over_one(output):
            yield _certain(window, output)
        else:
            yield from _measured(window, output)


def _softmax_over_one(output: OutputStatistics) -> bool:
    if output.activation is None or output.activation.name not in ("softmax", "sparsemax"):
        return False
    # A softmax over another axis than the last varies.
    prediction = output.prediction
    return output.units == 1 and bool(np.all(prediction.minimum == prediction.maximum))


def _certain(window: Window, output: OutputStatistics) -> Finding:
    return Finding(
        condition="constant_output",
        layer=output.path,
        severity="critical",
        onset=window[0].step,
        message=(
            "Softmax over a single unit gives 1 for every sample "
            f"({output.prediction.samples} of {output.prediction.samples} seen): it divides the "
            "unit by itself, and no gradient passes."
        ),
        remedy=(
            'For two classes, use keras.layers.Dense(1, activation="sigmoid") with loss='
            '"binary_crossentropy"; for more, one unit a class: keras.layers.Dense(classes, '
            'activation="softmax").'
        ),
        evidence={
            "loss": None if output.loss is None else output.loss.name,
            "units": 1,
            "healthy_units_from": 2,
            **one_unit_ending(output),
            "minimum": float(np.min(output.prediction.minimum)),
            "maximum": float(np.max(output.prediction.maximum)),
            "samples": output.prediction.samples,
        },
    )


def _measured(window: Window, output: OutputStatistics) -> Iterator[Finding]:
    def constant(observation: Observation) -> bool:
        seen = _output_at(observation, output.path)
        return seen is not None and _constant(seen)

    run = unbroken_run(window, constant)
    looks = [seen for o in run if (seen := _output_at(o, output.path)) and _asked(seen)]
    samples = sum(seen.prediction.samples for seen in looks)
    if len(looks) < MINIMUM_LOOKS or samples < MINIMUM_SAMPLES:
        return
    always = len(run) == min(len(window), LOOK_BACK)
    if always and (len(looks) < FROM_START_LOOKS or _growing(run, output.path)):
        return
    deviation = float(np.sqrt(np.max(output.prediction.variance)))
    first = _first_constant(run, output.path)
    cut = "" if first == output.path else f" Nothing varies from {first} on."
    yield Finding(
        condition="constant_output",
        layer=output.path,
        severity="critical",
        onset=run[0].step,
        message=(
            f"Every sample gets the same answer: the outputs deviate by {deviation:.1e} at most, "
            f"at a size of {output.prediction.size:.2g}, while the targets vary ({samples} "
            f"samples).{cut}"
        ),
        remedy=(
            "Look for what cuts the inputs off there: dead or saturated units, zero weights, a "
            "normalization over one number. Lower the learning rate, and use "
            "kt.layers.LeakyReLU() with kernel_initializer=kt.initializers.He(0.3)."
        ),
        evidence={
            "constant_from": first,
            "deviation": deviation,
            "size": output.prediction.size,
            "healthy_deviation_above": ROUNDING * output.prediction.size,
            "observations": len(run),
            "samples": samples,
        },
    )


def _first_constant(run: list[Observation], path: str) -> str:
    """The layer from which on nothing varied, back from the output, throughout the newest looks."""
    constant = [
        {layer.path for layer in observation.layers if _is_constant(layer)}
        for observation in run[-MINIMUM_LOOKS:]
    ]
    order = [layer.path for layer in run[-1].layers]
    first = path
    for before in reversed(order[: order.index(path)] if path in order else []):
        if not all(before in paths for paths in constant):
            break
        first = before
    return first


def _is_constant(layer: LayerStatistics) -> bool:
    size = np.sqrt(np.mean(layer.variance + np.square(layer.mean)))
    return bool(np.sqrt(np.max(layer.variance)) <= ROUNDING * size)


def _output_at(observation: Observation, path: str) -> OutputStatistics | None:
    return next((output for output in observation.outputs if output.path == path), None)


def _constant(output: OutputStatistics) -> bool:
    """Whether all samples got one answer; whether they should have is another question."""
    prediction, target = output.prediction, output.target
    if prediction.samples < MINIMUM_EACH or target is None or prediction.nonfinite:
        return False
    variance = prediction.variance
    if not len(variance) or not np.all(np.isfinite(variance)):
        return False
    if not np.all(np.sqrt(variance) <= ROUNDING * prediction.size):
        return False
    if target.columns != prediction.columns:
        return True
    finite = np.isfinite(target.variance) & (target.maximum > target.minimum)
    return bool(np.all(variance[finite] <= NEGLIGIBLE * target.variance[finite]))


def _asked(output: OutputStatistics) -> bool:
    """Whether the batch wants different answers of different samples."""
    target = output.target
    return target is not None and bool(np.any(target.maximum > target.minimum))


def _growing(run: list[Observation], path: str) -> bool:
    """Whether the last kernel before the output is on its way from zero."""

    def norm(observation: Observation) -> float:
        kernels = observation.kernels
        own = [kernel.norm for kernel in kernels if kernel.layer == path]
        return own[-1] if own else kernels[-1].norm if kernels else 0.0

    return norm(run[-1]) > GROWTH * norm(run[len(run) // 2])
