"""Leaky rectifiers in the place of activations that block the gradient."""

from collections.abc import Iterator
from typing import Any

import keras

from kerastricks.diagnosis.activations import Activation, activation_of
from kerastricks.diagnosis.finding import Finding
from kerastricks.surgery._anatomy import (
    has_kernel,
    has_settable_activation,
    is_activation,
    name_of_activation,
)
from kerastricks.surgery._edits import Edits
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, told, treated
from kerastricks.surgery._remedies.initializers import badly_started
from kerastricks.theory.correlation import tailored_slope

_ONE_SIDED = ("sigmoid", "hard_sigmoid", "softmax")
"""Bounded activations that lose the signal with depth from any start."""
ETA = 0.2
"""Two orthogonal inputs of a deep network come out of its layers with this correlation.

The paper's 0.9 is for wide networks and long trainings. 20 layers of 6 units learned digits in 12
epochs of Adam to 0.33 from that, to 0.76 from 0.5 and to 0.83 from 0.2 (means of two seeds).
"""
_STEEPEST = 1.0
"""Slope of a leaky rectifier above which it is the negative side that grows with depth."""


def leaky_units(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Give the sick layers, and those with the same activation, leaky rectifiers.

    What blocks one layer's gradient blocks that of its like. Left alone are outputs, gates, and the
    insides of recurrent layers.
    """
    named = [_activation_at(case, layer) for layer in case.owners(findings)]
    yield from _leaky(case, findings, [layer for layer in named if layer is not None])


def leaky_network(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Give leaky rectifiers to all layers that can block the gradient."""
    known = [(layer, activation_of(layer)) for layer in case.anatomy.layers]
    named = [layer for layer, a in known if a is not None and (a.rectifier or _is_bounded(a))]
    found = {id(_activation_at(case, layer)) for layer in case.owners(findings)}
    kept = [each for each in named if id(each) in found or _is_known_to_be_no_gate(case, each)]
    yield from _leaky(case, findings, kept)
    ours = {id(layer) for layer in kept}
    left = [
        layer
        for layer in named
        if id(layer) not in ours
        and not _has_to_stay(case, layer)
        and not case.anatomy.order_known(layer)
    ]
    if left:
        yield Treatment(
            findings[0].condition,
            findings[0].layer,
            f"In {told(left)} the activation may be a gate's: the model is no graph that tells. "
            'Where it is none, use activation="leaky_relu" too.',
        )


def _leaky(case: Case, findings: list[Finding], named: list[Any]) -> Iterator[Treatment]:
    anatomy = case.anatomy
    named = [layer for layer in named if not _has_to_stay(case, layer)]
    names = {name_of_activation(layer) for layer in named} - {"linear", "leaky_relu"}
    ours = {id(layer) for layer in named}
    layers = [
        layer
        for layer in anatomy.layers
        if name_of_activation(layer) in names
        and _is_changeable(layer)
        and not _has_to_stay(case, layer)
        and (id(layer) in ours or _is_known_to_be_no_gate(case, layer))
    ]
    if layers:
        yield _exchanged(case, findings, layers, " and ".join(sorted(names)))


def tame_activations(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Give leaky rectifiers to the layers whose activation outgrows its input, and so explodes."""
    named = [
        (layer, name)
        for layer in case.anatomy.layers
        if (name := _outgrowing(layer)) is not None
        and _is_changeable(layer)
        and not _has_to_stay(case, layer)
    ]
    if named:
        old = " and ".join(sorted({name for _, name in named}))
        yield _exchanged(case, findings, [layer for layer, _ in named], old)


def _exchanged(case: Case, findings: list[Finding], layers: list[Any], old: str) -> Treatment:
    anatomy, ours = case.anatomy, {id(layer) for layer in layers}
    kernels = {
        id(activation): kernel
        for kernel in anatomy.kernels
        if (activation := anatomy.activation_layer(kernel)) is not None and id(activation) in ours
    }
    new: dict[int, str | float] = dict.fromkeys(ours, "leaky_relu")
    if anatomy.deep and not anatomy.has_shortcuts:
        slope = round(tailored_slope(anatomy.depth, ETA), 2)
        for layer in layers:
            kernel = kernels.get(id(layer))
            bare = kernel is None or anatomy.normalization_behind(kernel) is None
            if bare and (is_activation(layer) or anatomy.can_insert_at(layer)):
                new[id(layer)] = slope
    edits = Edits(activations=new, starts=frozenset(id(kernel) for kernel in kernels.values()))
    names = {each if isinstance(each, str) else f"LeakyReLU({each})" for each in new.values()}
    told_as = " or ".join(sorted(names))
    remedy = f"{told_as}, and weights to suit it, in the place of {old} in {told(layers)}"
    return treated(findings, remedy, edits)


def leaky_where_the_start_is_sound(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """The same, unless the start is to blame: tanh from Xavier's weights trains.

    A sigmoid, whose outputs are all positive, is exchanged in any case; and all of a deep network.
    """
    if case.anatomy.deep:
        yield from leaky_network(case, findings)
        return
    layers = [_activation_at(case, layer) for layer in case.owners(findings)]
    one_sided = any(name_of_activation(layer) in _ONE_SIDED for layer in layers)
    if one_sided or not badly_started(case):
        yield from leaky_units(case, findings)


def rectified_layers(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Put a rectifier behind each hidden layer of a linear model."""
    for finding in findings:
        paths = finding.evidence.get("linear_hidden_layers", [])
        found = [layer for path in paths if (layer := case.anatomy.layer(path)) is not None]
        layers = [layer for layer in found if not case.anatomy.is_frozen(layer)]
        inside = {id(layer) for layer in layers if _is_changeable(layer)}
        after: dict[int, Any] = {}
        for layer in layers:
            behind = case.anatomy.normalization_behind(layer)
            place = layer if behind is None else behind
            if case.anatomy.can_insert_at(place) and (behind or id(layer) not in inside):
                inside.discard(id(layer))
                after[id(place)] = (_rectifier(case, layer),)
        if not inside and not after:
            yield omitted(finding, "No layer in it can be exchanged.")
            continue
        edits = Edits(
            activations=dict.fromkeys(inside, "relu"), starts=frozenset(inside), after=after
        )
        yield treated(findings, f"relu in {told(layers)}", edits)


def _rectifier(case: Case, layer: keras.Layer) -> Any:
    name = case.anatomy.unused(f"{layer.name}_activation")
    return lambda: keras.layers.Activation("relu", name=name, dtype=layer.dtype_policy)


def _activation_at(case: Case, layer: keras.Layer) -> keras.Layer | None:
    """The layer with the activation that a finding is about, which may name the kernel."""
    return layer if is_activation(layer) else case.anatomy.activation_layer(layer)


def _is_changeable(layer: Any) -> bool:
    return is_activation(layer) or (has_settable_activation(layer) and has_kernel(layer))


def _outgrowing(layer: Any) -> str | None:
    """What to call an activation whose size exceeds that of large inputs; None for others."""
    if name_of_activation(layer) == "exponential":
        return "exponential"
    slope = getattr(layer, "negative_slope", None)
    if is_activation(layer) and slope is not None and float(slope) > _STEEPEST:
        return f"a slope of {float(slope):g}"
    return None


def _is_bounded(activation: Activation) -> bool:
    return activation.bounded or activation.name == "softmax"


def _has_to_stay(case: Case, layer: Any) -> bool:
    """Whether an activation is that of an output, of a gate, or of a layer not in training."""
    anatomy, activation = case.anatomy, activation_of(layer)
    if activation is None or anatomy.is_frozen(layer) or anatomy.ends_the_model(layer):
        return True
    return _is_bounded(activation) and anatomy.combines(layer)


def _is_known_to_be_no_gate(case: Case, layer: Any) -> bool:
    return case.anatomy.order_known(layer) and not case.anatomy.combines(layer)
