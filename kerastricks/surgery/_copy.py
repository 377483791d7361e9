"""A new object from the config of an old one, whether its class is registered or not."""

import inspect
import types
import warnings
from collections.abc import Collection
from typing import Any

import keras

from kerastricks.surgery._layers_of import attributes_of


def copy_from_config(original: Any, **changes: Any) -> Any:
    """Returns an object made from the config of another one, without its state.

    Args:
        original: A layer, an operation in a functional model, or an optimizer.
        **changes: Entries of the config to change.

    Raises:
        ValueError: If the config is not enough to make the object.
    """
    try:
        config = _config(type(original), original)
        return _made_from(config | changes, type(original), original, changed=changes)
    except Exception as error:
        raise ValueError(
            f"'{original.name}' of class {type(original).__name__} cannot be copied from its "
            "config. Give the class a `get_config` that returns all arguments of its `__init__`, "
            "and decorate custom parts of it with "
            f"`@keras.saving.register_keras_serializable()`. {type(error).__name__}: {error}"
        ) from error


def copy_as(layer: Any, into: type[keras.Layer]) -> Any:
    """Returns a layer of another class, made from the config of a layer, if that loses nothing.

    A class from which that of `layer` inherits gets the config that it sees in `layer` itself: to
    `keras.layers.BatchNormalization` our `alpha` is a momentum.

    Raises:
        ValueError: If the class has no place for something in the config.
    """
    config = _config(type(layer), layer)
    lost: dict[str, Any] = {}
    reason = ""
    try:
        if isinstance(layer, into):
            seen = _config(into, layer)
            # Nothing is lost if the way back leads to the same config.
            back = _config(type(layer), _made_from(seen, type(layer), layer))
            lost = {name: value for name, value in config.items() if back.get(name) != value}
            config = seen
        if not lost:
            return _made_from(config, into, layer)
    except Exception as error:
        lost = {name: config[name] for name in config.keys() - _arguments(into)}
        reason = f" {type(error).__name__}: {error}"
    nothing_for = ", ".join(f"{name}={value!r}" for name, value in sorted(lost.items()))
    raise ValueError(
        f"'{layer.name}' of class {_told_class(type(layer))} cannot be made into "
        f"{_told_class(into)} from its config"
        + (f", which the new class has no place for: {nothing_for}." if lost else ".")
        + " In the place of the class, write a function that returns the new layer: "
        f"`lambda old: {into.__name__}(..., name=old.name)`.{reason}"
    )


def _config(seen_as: Any, original: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' that a file with a lambda cannot be loaded
        config: dict[str, Any] = seen_as.get_config(original)
    return config


def _made_from(
    config: dict[str, Any], into: Any, original: Any, changed: Collection[str] = ()
) -> Any:
    """Returns an object of class `into` made from a config of `original`.

    Keras reads configs back by names, which only registered objects have. Here the objects
    themselves are at hand: what `original` holds in its attributes need not be registered, but for
    the entries that were changed.
    """
    config = dict(config)
    custom_objects: dict[str, Any] = {into.__name__: into}
    for name, value in attributes_of(original).items():
        if hasattr(value, "get_config"):
            custom_objects[type(value).__name__] = type(value)
        # Configs name a function, or hold its bytes, which Keras refuses to read back.
        elif isinstance(value, types.FunctionType) and name in config and name not in changed:
            key = f"{original.name} {name}"
            custom_objects[key] = value
            config[name] = _serialized("function", key, key)
    return keras.saving.deserialize_keras_object(
        _serialized(into.__name__, config, into.__name__), custom_objects
    )


def _serialized(class_name: str, config: Any, registered_name: str) -> dict[str, Any]:
    return {
        "class_name": class_name,
        "config": config,
        "module": "builtins",
        "registered_name": registered_name,
    }


def _arguments(layer_class: Any) -> set[str]:
    """Names the arguments of a class, with those that its `**kwargs` hand on to its bases."""
    names: set[str] = set()
    for base in layer_class.__mro__:
        parameters = inspect.signature(base.__init__).parameters
        names |= parameters.keys()
        kinds = [parameter.kind for parameter in parameters.values()]
        if base is keras.Layer or inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return names


def _told_class(layer_class: type) -> str:
    return f"{layer_class.__module__}.{layer_class.__qualname__}"
