"""Which class an old config names, and whether this package may make one of it."""

from typing import Any

import keras

from kerastricks._untrusted import CODE, RefusedError
from kerastricks.addons._fates import look_up
from kerastricks.addons._loading.objects import PREFIX

FUNCTIONAL = ("Functional", "Model")
"""Names of models that are described by layers and who feeds whom."""
PLACES = ("layers", "initializers", "regularizers", "constraints")
OLD_CODE = CODE | {"TFOpLambda", "SlicingOpLambda"}
"""Classes that stand for code, those of Keras 2 among them."""


def is_object(value: Any) -> bool:
    """Whether a value of a config describes an object."""
    return isinstance(value, dict) and isinstance(value.get("class_name"), str)


def public_name(entry: dict[str, Any]) -> str:
    """The name under which an object was saved: "Addons>TLU" for one of TensorFlow Addons.

    Example:
        >>> public_name({"class_name": "TLU", "module": "tensorflow_addons.layers.tlu"})
        'Addons>TLU'
        >>> public_name({"class_name": "Dense", "registered_name": None})
        'Dense'
    """
    registered, name = entry.get("registered_name"), str(entry["class_name"])
    if isinstance(registered, str) and ">" in registered:
        return registered
    if str(entry.get("module")).startswith("tensorflow_addons."):
        return PREFIX + name
    return name.removeprefix("Custom>")


def place(
    entry: dict[str, Any], known: dict[str, Any], places: tuple[str, ...] = PLACES
) -> tuple[str | None, str, str | None]:
    """Where Keras 3 finds the class: module, class name, registered name.

    Args:
        entry: The description of an object.
        known: Objects by registered name: ours, and those that the user gave.
        places: The modules of Keras where such a class may be, in order.

    Raises:
        RefusedError: For code, and for classes that nobody knows.
    """
    name = public_name(entry)
    plain = name.rpartition(">")[2]
    if plain in OLD_CODE:
        raise RefusedError(
            f"it has a {plain}{_called(entry)}, which is code, and code in files is not run. "
            "Build the model anew, with a layer in its place, and load the weights."
        )
    for candidate in (name, plain):
        if candidate in known:
            return None, plain, candidate
    if name == plain and places is PLACES and plain in (*FUNCTIONAL, "Sequential"):
        return "keras", plain, None
    for module in places if name == plain and plain.isalnum() else ():
        if isinstance(getattr(getattr(keras, module), plain, None), type):
            return f"keras.{module}", plain, None
    raise RefusedError(f"it has a {name}{_called(entry)}, which is not known here. {_advice(name)}")


def _called(entry: dict[str, Any]) -> str:
    config = entry.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return f" (named {name!r})" if isinstance(name, str) else ""


def _advice(name: str) -> str:
    if name.startswith(PREFIX):
        for package in ("layers", "optimizers", "losses", "metrics", "rnn", "seq2seq", "text"):
            found = look_up(f"{package}.{name.removeprefix(PREFIX)}")
            if found is not None:
                return f"TensorFlow Addons had it; {found.fate.sentence()}"
    return "Pass its class: custom_objects={'" + name + "': ...}."
