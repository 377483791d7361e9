"""A new object from the config of an old one, whether its class is registered or not."""

import types
import warnings
from typing import Any

import keras

from kerastricks.surgery._layers_of import attributes_of


def copy_from_config(original: Any, into: Any = None, **changes: Any) -> Any:
    """Returns an object made from the config of another one, without its state.

    Keras reads configs back by names, which only registered objects have. Here the objects
    themselves are at hand: what `original` holds in its attributes need not be registered.

    Args:
        original: A layer, an operation in a functional model, or an optimizer.
        into: The new object's class. Defaults to that of `original`.
        **changes: Entries of the config to change.

    Raises:
        ValueError: If the config is not enough to make the object.
    """
    into = into or type(original)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras' that a file with a lambda cannot be loaded
            config = original.get_config() | changes
        custom_objects: dict[str, Any] = {into.__name__: into}
        for name, value in attributes_of(original).items():
            if hasattr(value, "get_config"):
                custom_objects[type(value).__name__] = type(value)
            # Configs name a function, or hold its bytes, which Keras refuses to read back.
            elif isinstance(value, types.FunctionType) and name in config and name not in changes:
                key = f"{original.name} {name}"
                custom_objects[key] = value
                config[name] = _serialized("function", key, key)
        return keras.saving.deserialize_keras_object(
            _serialized(into.__name__, config, into.__name__), custom_objects
        )
    except Exception as error:
        raise ValueError(
            f"'{original.name}' of class {type(original).__name__} cannot be copied from its "
            "config. Give the class a `get_config` that returns all arguments of its `__init__`, "
            "and decorate custom parts of it with "
            f"`@keras.saving.register_keras_serializable()`. {type(error).__name__}: {error}"
        ) from error


def _serialized(class_name: str, config: Any, registered_name: str) -> dict[str, Any]:
    return {
        "class_name": class_name,
        "config": config,
        "module": "builtins",
        "registered_name": registered_name,
    }
