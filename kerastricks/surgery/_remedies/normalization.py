"""Normalization: put in where leaky rectifiers are none, mended where it lets nothing through."""

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.surgery._anatomy import (
    NORMALIZATIONS,
    has_settable_activation,
    name_of_activation,
)
from kerastricks.surgery._edits import Edits
from kerastricks.surgery._initializers import LARGE_BIAS, drawn
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, removed, told, treated

_KEEP_THE_SIGNAL = ("linear", "softmax", "relu", "leaky_relu", "sigmoid", "tanh")
"""Activations that need none: rectifiers from orthogonal weights, and what they replace."""
LARGEST_EPSILON = 0.1
"""More than this is no guard against a division by zero: a tenth of a variance of 1."""
USUAL_EPSILON = 1e-3
LEAST_SCALE = 0.1
"""Scales that start below this on average shut off what is behind them.

Zero is usual at the end of a residual block (Goyal et al., 2017): there a path leads around it.
"""


def normalized_layers(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Normalize what each hidden kernel of a deep network puts out, for GELU and its like."""
    anatomy = case.anatomy
    heads = {id(head) for head in anatomy.heads}
    hidden = [
        kernel
        for kernel in anatomy.kernels
        if id(kernel) not in heads
        and not isinstance(kernel, keras.layers.RNN)
        and name_of_activation(anatomy.activation_layer(kernel)) not in _KEEP_THE_SIGNAL
    ]
    bare = [kernel for kernel in hidden if anatomy.normalization_behind(kernel) is None]
    if not anatomy.deep or not bare:
        return
    placed = [
        kernel
        for kernel in bare
        if anatomy.can_insert_at(kernel)
        and (anatomy.activation_layer(kernel) is not kernel or has_settable_activation(kernel))
    ]
    if not placed:
        yield omitted(findings[0], "Only the code of this model can put layers in.")
        return
    yield treated(
        findings,
        f"BatchNormalization between kernel and activation in {told(placed)}",
        Edits(normalized=frozenset(map(id, placed))),
    )


def mended_normalizations(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Let each normalization put out numbers of mean 0 and deviation 1, which vary, at the start.

    One over a single number puts out its offset, whatever it gets, and is taken out.
    """
    anatomy, edits = case.anatomy, Edits()
    layers_of: dict[str, list[keras.Layer]] = {}
    known = [layer for layer in anatomy.layers if isinstance(layer, NORMALIZATIONS)]
    for layer in [layer for layer in known if not anatomy.is_frozen(layer)]:
        if _erases(layer):
            if not anatomy.can_insert_at(layer):
                yield omitted(findings[0], f"{layer.name} normalizes each number by itself.")
                continue
            edits |= Edits(exchanged={id(layer): removed})
            layers_of.setdefault("no normalization of each number by itself", []).append(layer)
        elif changes := _mended(layer, added=anatomy.is_added(layer)):
            edits |= Edits(configs={id(layer): changes}, starts=frozenset([id(layer)]))
            told_as = ", ".join(f"{name}={value!r}" for name, value in changes.items())
            layers_of.setdefault(told_as, []).append(layer)
    if layers_of:
        parts = [f"{change} in {told(layers)}" for change, layers in layers_of.items()]
        yield treated(findings, "; ".join(parts), edits)


def _erases(layer: Any) -> bool:
    """Whether a layer normalization is one over an axis of length 1."""
    weights = [getattr(layer, name, None) for name in ("gamma", "beta")]
    shapes = [weight.shape for weight in weights if weight is not None]
    over_features = isinstance(layer, keras.layers.LayerNormalization)
    return over_features and any(math.prod(shape) == 1 for shape in shapes)


def _mended(layer: Any, *, added: bool) -> dict[str, Any]:
    """Entries of the config of a normalization that have to change."""
    changes: dict[str, Any] = {}
    if layer.epsilon > LARGEST_EPSILON:
        changes["epsilon"] = USUAL_EPSILON
    scale, offset = drawn(layer, "gamma"), drawn(layer, "beta")
    if scale is not None and np.abs(scale).mean() < LEAST_SCALE and not added:
        changes["gamma_initializer"] = "ones"
    if offset is not None and np.abs(offset).mean() > LARGE_BIAS:
        changes["beta_initializer"] = "zeros"
    return changes
