"""The one file of this room that touches Keras' private attributes; it does without missing ones.

A later Keras may rename what is not part of its public interface. Then the training goes on, the
doctor sees less, and its report says what it does not see.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras

CHECKED = ("3.10", "3.15")
"""The oldest and the newest Keras on which all of them were found."""

Fails = Callable[[str, str], Any]
"""Called with what cannot be seen, and the reason."""

_RESHAPES = ("Reshape", "ExpandDims", "Permute")


def _lacks(fails: Fails, place: str, name: str) -> None:
    oldest, newest = CHECKED
    reason = f"Keras {keras.__version__} has no `{name}`, which Keras {oldest} to {newest} have"
    fails(place, reason)


def layers_within(layer: Any, fails: Fails) -> list[Any]:
    """The layers that a layer holds itself; those of a model alone where Keras does not tell."""
    try:
        return list(layer._flatten_layers(include_self=False, recursive=False))
    except (AttributeError, TypeError):
        _lacks(fails, "layers within a layer that is no model", "_flatten_layers")
        return list(getattr(layer, "layers", ()))


def with_all_within(layer: Any, fails: Fails) -> Iterator[Any]:
    """A layer, those that it holds, those that these hold, and so on, each once."""
    waiting, known = [layer], {id(layer)}
    while waiting:
        each = waiting.pop()
        yield each
        for child in layers_within(each, fails):
            if id(child) not in known:
                known.add(id(child))
                waiting.append(child)


def has_own_variables(layer: Any, fails: Fails) -> bool:
    """True when a layer has weights beside those of the layers within it."""
    try:
        return bool(layer._trainable_variables or layer._non_trainable_variables)
    except AttributeError as error:
        place = "a layer whose weights are also those of a layer within it"
        _lacks(fails, place, str(error.name))
        theirs = {id(w) for child in layers_within(layer, fails) for w in child.weights}
        return any(id(weight) not in theirs for weight in layer.weights)


def is_recomputed(layer: Any, fails: Fails) -> bool:
    """True for a layer whose forward pass is run again in the backward pass."""
    try:
        return layer._remat_mode is not None
    except AttributeError:
        _lacks(fails, "which layers are recomputed in the backward pass", "_remat_mode")
        return False


def is_gate(operation: Any, fails: Fails, depth: int = 3) -> bool:
    """True when an output is multiplied with another, perhaps after a change of shape."""
    try:
        behind = [(node.operation, node.input_tensors) for node in operation._outbound_nodes]
    except AttributeError:
        place = "which layers are gates: a healthy one may be called saturated"
        _lacks(fails, place, "_outbound_nodes")
        return False
    for other, inputs in behind:
        kind = type(other).__name__
        products = kind == "Multiply" and len(inputs) > 1
        if products or (kind in _RESHAPES and depth > 0 and is_gate(other, fails, depth - 1)):
            return True
    return False


def entry_of(model: Any, fails: Fails) -> tuple[Any, str] | None:
    """The method by which a functional model converts, and perhaps copies, its inputs.

    Returns:
        Its owner and name; None for a model that has none.
    """
    place = "inputs that a model converts before its first layer gets them"
    graph = model
    if isinstance(model, keras.Sequential):
        if not hasattr(model, "_functional"):
            _lacks(fails, place, "_functional")
            return None
        graph = model._functional
    if hasattr(graph, "_standardize_inputs"):
        return graph, "_standardize_inputs"
    if hasattr(graph, "operations"):
        _lacks(fails, place, "_standardize_inputs")
    return None


def updated_by(optimizer: Any, fails: Fails) -> list[Any] | None:
    """The variables that an optimizer updates when it is not given any; None if not known."""
    try:
        return list(optimizer._trainable_variables)
    except AttributeError:
        place = "what `optimizer.apply` updates when it is given gradients alone"
        _lacks(fails, place, "_trainable_variables")
        return None


def add_metric(model: Any, metric: Any, fails: Fails) -> bool:
    """Have a model's step write a metric's variables; False where that cannot be done."""
    try:
        model._metrics.append(metric)
    except AttributeError:
        _lacks(fails, "the numbers of a step", "_metrics")
        return False
    return True


def remove_metric(model: Any, metric: Any) -> None:
    """Take a metric away, if it was added."""
    metrics = getattr(model, "_metrics", [])
    if metric in metrics:
        metrics.remove(metric)


def has_schedule(optimizer: Any, fails: Fails) -> bool:
    """True when a schedule makes the learning rate, or may make it."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return False
    try:
        rate = optimizer._learning_rate
    except AttributeError:
        _lacks(fails, "the learning rate that a run starts with", "_learning_rate")
        return True
    return isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
