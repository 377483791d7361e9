"""The architecture: a config of Keras 2 becomes one of Keras 3."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from kerastricks._untrusted import RefusedError
from kerastricks.addons._loading.graph import planned
from kerastricks.addons._loading.names import FUNCTIONAL, is_object, place, public_name
from kerastricks.addons._loading.objects import PREFIX

IDLE: dict[str, tuple[Any, ...] | None] = {
    "adjustment": (None,),
    "dynamic": (False,),
    "fused": None,
    "groups": (1,),
    "implementation": None,
    "input_length": None,
    "key_shape": None,
    "query_shape": None,
    "ragged": (False,),
    "sparse": (False,),
    "time_major": (False,),
    "value_shape": None,
    "virtual_batch_size": (None,),
}
"""Arguments of Keras 2 that a layer of Keras 3 may lack, and the values that changed nothing.

None for those that changed nothing with any value.
"""
GRAPH = "kerastricks.addons>old_functional"
"""The name under which Keras finds `Graph`."""


def translated(entry: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """A model or layer of Keras 2 as Keras 3 describes it; nothing is made yet.

    Args:
        entry: The description: `class_name`, `config`, and in `.keras` files `module` and more.
        known: Objects by registered name.

    Returns:
        A new description, for `keras.saving.deserialize_keras_object`.

    Raises:
        RefusedError: For code, and for classes that are not known.
        ValueError: For what is no description of a model.
    """
    name = public_name(entry)
    module, class_name, registered = place(entry, known)
    config = entry.get("config")
    if not isinstance(config, dict):
        raise ValueError(f"its {name} has no config.")
    if isinstance(config.get("vocabulary"), str):
        raise RefusedError(f"its {name} reads the file {config['vocabulary']!r}.")
    config = {key: _value(value, known, key) for key, value in config.items()}
    if module == "keras":
        config = _model(config, class_name)
        if class_name in FUNCTIONAL:
            module, class_name, registered = None, FUNCTIONAL[0], GRAPH
            config = planned(config)
    elif module == "keras.layers":
        config = _without_idle(config, getattr(keras.layers, class_name))
    config = REPAIRS.get(name, dict)(config)
    new = {"module": module, "class_name": class_name, "config": config}
    new["registered_name"] = registered
    # What a functional model says about its layers beside their configs.
    return new | {key: entry[key] for key in ("name", "inbound_nodes") if key in entry}


def _value(value: Any, known: dict[str, Any], key: str = "") -> Any:
    if is_object(value):
        if value["class_name"] == "function":
            return _function(str(value.get("config")), known)
        if key == "dtype":
            # Keras 2 wrote policies of mixed precision as objects.
            return value["config"]["name"]
        return translated(value, known)
    if isinstance(value, str) and value.startswith(PREFIX):
        return _function(value, known)
    if key.endswith("activation") and value == "hard_sigmoid":
        return _function("kerastricks.addons>hard_sigmoid", known)
    if isinstance(value, dict):
        return {name: _value(entry, known, name) for name, entry in value.items()}
    return [_value(entry, known) for entry in value] if isinstance(value, list) else value


def _function(name: str, known: dict[str, Any]) -> Any:
    plain = name.rpartition(">")[2]
    if name in known:
        entry = {"module": "builtins", "class_name": "function", "config": name}
        return {**entry, "registered_name": "function"}
    if plain != name or not callable(getattr(keras.activations, plain, None)):
        # The same words as for classes.
        place({"class_name": name}, known, ())
    return plain


def _model(config: dict[str, Any], class_name: str) -> dict[str, Any]:
    layers = config.get("layers")
    if not isinstance(layers, list) or not all(map(is_object, layers)):
        raise ValueError(f"its {class_name} is to be described by its layers.")
    if class_name in FUNCTIONAL:
        for layer in layers:
            layer.setdefault("name", layer["config"].get("name"))
    elif layers:
        shape = layers[0]["config"].get("batch_input_shape")
        if shape is not None and layers[0]["class_name"] != "InputLayer":
            first = {"batch_shape": shape, "dtype": layers[0]["config"].get("dtype", "float32")}
            first["name"] = f"{config.get('name', 'sequential')}_input"
            entry = {"module": "keras.layers", "class_name": "InputLayer", "config": first}
            config["layers"] = [{**entry, "registered_name": None}, *layers]
    for layer in config["layers"]:
        layer["config"].pop("batch_input_shape", None)
    return config


def _without_idle(config: dict[str, Any], made: type) -> dict[str, Any]:
    takes = inspect.signature(made).parameters
    return {key: v for key, v in config.items() if key in takes or not _is_idle(key, v)}


def _is_idle(key: str, value: Any) -> bool:
    values = IDLE.get(key, ())
    return values is None or value in values


def _input(config: dict[str, Any]) -> dict[str, Any]:
    config = {key: v for key, v in config.items() if not _is_idle(key, v)}
    if "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")
    return config


def _normalization(config: dict[str, Any]) -> dict[str, Any]:
    axis = config.get("axis")
    return {**config, "axis": axis[0] if isinstance(axis, list) and len(axis) == 1 else axis}


def _separable(config: dict[str, Any]) -> dict[str, Any]:
    # Of the one kernel that its base class has; this one has two, of other names.
    of_base = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
    return {key: value for key, value in config.items() if key not in of_base}


def _instance(config: dict[str, Any]) -> dict[str, Any]:
    # The file has the channels that were counted; they are counted anew.
    return {key: value for key, value in config.items() if key != "groups"}


REPAIRS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "InputLayer": _input,
    "BatchNormalization": _normalization,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "SyncBatchNormalization": _normalization,
    PREFIX + "InstanceNormalization": _instance,
}
"""What else changes in the config of a class, by its public name."""
