"""A compiled function for a model, kept from one call to the next, while it is right."""

import weakref
from numbers import Number
from typing import Any

from kerastricks.surgery._layers_of import attributes_of
from kerastricks.surgery._model import Forward, layers_within

# The values know their models by weak references only, so that none is kept alive.
_KEPT: weakref.WeakKeyDictionary[Any, tuple[Any, Forward]] = weakref.WeakKeyDictionary()


def taken(model: Any, settings: Any) -> Forward | None:
    """Returns the function that was put down for a model, if it would be the same now.

    Weights may have changed: compiled functions read them anew. What goes into a compiled function
    once and for all must be as it was: the layers within the model and, in their attributes,
    numbers, strings and functions. Arrays in attributes are not looked at.

    The function is gone from here until it is put down again, so that one which fails half-way is
    not met again.

    Args:
        model: The model that the function runs.
        settings: What else is compiled into the function.
    """
    key, function = _KEPT.pop(model, (None, None))
    return function if key == _key(model, settings) else None


def put_down(model: Any, settings: Any, function: Forward) -> None:
    """Keeps a function that has run, for as long as the model lives."""
    _KEPT[model] = (_key(model, settings), function)


def _key(model: Any, settings: Any) -> Any:
    return settings, [_frozen(layer) for layer in (model, *layers_within(model))]


def _frozen(layer: Any) -> Any:
    attributes = {name: _constant(value) for name, value in attributes_of(layer).items()}
    return weakref.ref(layer), layer.dtype_policy.name, attributes


def _constant(value: Any) -> Any:
    if isinstance(value, (Number, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [item for item in value if isinstance(item, (Number, str))]
    # Layers among them are compared by identity, as all that is callable.
    return weakref.ref(value) if callable(value) and _has_weak_references(value) else None


def _has_weak_references(value: Any) -> bool:
    return bool(getattr(type(value), "__weakrefoffset__", 0))
