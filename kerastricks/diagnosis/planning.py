"""What can be observed of a model, found out before its first step.

The forward pass runs once on shapes alone, with a tape that tries every statistic: what cannot
leave the place where it is computed (the body of a loop, say) fails here and is left alone in
training.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerastricks.diagnosis import private, steps
from kerastricks.diagnosis.losses import losses_of
from kerastricks.diagnosis.plan import Plan, path_of
from kerastricks.diagnosis.rehearsal import Rehearsal, on_shapes
from kerastricks.diagnosis.structure import linear_kernels
from kerastricks.diagnosis.taps import Taps

# Their inner layers run in a loop that no tensor may leave.
_OPAQUE = (keras.layers.RNN, keras.layers.Wrapper)


def plan_of(model: Any, x: Any, y: Any) -> Plan:
    """What can be observed of a model on a batch, while it is in no `fit`."""
    inputs, targets = keras.tree.map_structure(steps.symbolic, (x, y))
    taps = Taps(lambda place, reason: None)  # what the tape cannot take is in the plan
    return rehearse(model, taps, inputs, targets, lambda x: model(x, training=True))


def rehearse(
    model: Any, taps: Taps, inputs: Any, targets: Any, forward_pass: Callable[[Any], Any]
) -> Plan:
    """Run the forward pass on shapes alone, building the model where it is not built yet.

    Args:
        model: A Keras model.
        taps: Used on the model's layers for the time of the pass; those there already stay.
        inputs: What the model is called on, as `keras.KerasTensor`.
        targets: What its losses are given, as `keras.KerasTensor`.
        forward_pass: Gives the model's outputs for inputs.

    Returns:
        The plan, with path and reason of what cannot be observed.

    Raises:
        Exception: Whatever the forward pass raises.
    """
    unobserved: dict[str, str] = {}
    fails = unobserved.setdefault
    unbuilt = not all(layer.built for layer in private.with_all_within(model, fails))
    if unbuilt and keras.backend.backend() != "jax":
        # Layers that a model creates while it is built are not there to be tapped before. On
        # JAX `fit` has built what can be built, and then the variables hold no values.
        on_shapes(model, inputs)
    leaves = list(dict.fromkeys(_leaves(model, unobserved)))
    gates = [layer for layer in leaves if private.is_gate(layer, fails)]
    rehearsal = Rehearsal(unobserved, gates)

    names = getattr(model, "output_names", None) or ()
    entered: list[Any] = []
    before = taps.count

    def forward(x: Any) -> None:
        rehearsal.start()
        entered.clear()
        with taps.heard_by(rehearsal):
            outputs = forward_pass(x)
        given = steps.in_order(targets, outputs, names)
        rehearsal.finish([x, entered], outputs, given, losses_of(model, outputs))

    for layer in leaves:
        taps.tap_layer(layer)
    _tap_entry(model, taps, entered, fails)
    try:
        on_shapes(forward, inputs)
    finally:
        taps.remove(before)
    linear = linear_kernels(model)
    return rehearsal.plan(leaves, model.trainable_variables, linear, tuple(names))


def _tap_entry(model: Any, taps: Taps, entered: list[Any], fails: private.Fails) -> None:
    """Collect the inputs as a functional model passes them on: converted, perhaps copied."""
    entry = private.entry_of(model, fails)
    if entry is None:
        return
    standardize = getattr(*entry)

    def tapped(inputs: Any) -> Any:
        standardized = standardize(inputs)
        entered.append(standardized)
        return standardized

    taps.put(*entry, tapped)


def _leaves(layer: Any, unobserved: dict[str, str]) -> Iterator[Any]:
    """The layers at which a model's data is looked at, containers opened."""
    fails = unobserved.setdefault
    for child in private.layers_within(layer, fails):
        if private.is_recomputed(child, fails):
            unobserved[path_of(child)] = "is recomputed in the backward pass"
        elif isinstance(child, _OPAQUE):
            kind = type(child).__name__
            unobserved[f"{path_of(child)}/*"] = f"runs inside {kind}, whose output alone is seen"
            yield child
        elif not isinstance(child, keras.layers.InputLayer):
            inner = [x for x in _leaves(child, unobserved) if x is not _activation_layer(child)]
            yield from inner
            if not inner or private.has_own_variables(child, fails):
                yield child


def _activation_layer(layer: Any) -> Any:
    """The layer given as another's `activation`: its output is that layer's own."""
    return getattr(layer, "activation", None)
