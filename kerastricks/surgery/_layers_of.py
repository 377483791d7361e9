"""Which layers a layer consists of, by public means."""

from collections.abc import Iterator
from typing import Any

import keras

Path = tuple[Any, ...]
"""Where a layer sits in its owner: an attribute, and the keys within that attribute's value."""


def is_graph(layer: keras.Layer) -> bool:
    """Whether Keras knows in which order the layers of `layer` are called."""
    return isinstance(layer, keras.Sequential | keras.Function)


def parts_of(layer: keras.Layer) -> dict[Path, keras.Layer]:
    """Returns the layers that `layer` is made of, one level deep.

    Those of a Sequential or Functional model are its `layers`. Those of a layer or model that
    somebody wrote are found in its attributes, also in lists, tuples and dictionaries. Keras'
    wrappers (`TimeDistributed`) have the layer they wrap. What else Keras' own layers (an `RNN` of
    its cell) and ours consist of is their own business: there are no parts.
    """
    if is_graph(layer):
        return {
            (part.name,): part
            for part in layer.layers
            if not isinstance(part, keras.layers.InputLayer)
        }
    if type(layer).__module__.split(".")[0] in ("keras", "kerastricks"):
        return {("layer",): layer.layer} if isinstance(layer, keras.layers.Wrapper) else {}
    return {
        (name, *keys): part
        for name, value in holders_of(layer).items()
        for keys, part in layers_in(value)
    }


def attributes_of(layer: Any) -> dict[str, Any]:
    """Returns what was assigned to the attributes of a layer, in that order where it is known."""
    # The torch backend keeps layers apart from the other attributes, where only `dir` sees them.
    names = dict.fromkeys([*vars(layer), *dir(layer)])
    return {name: getattr(layer, name) for name in names if not hasattr(type(layer), name)}


def holders_of(layer: keras.Layer) -> dict[str, Any]:
    """Returns those attributes of a layer that may hold layers.

    Keras wraps the lists and dictionaries that users assign. Plain ones are the bookkeeping of
    Keras and of the backend, where the same layers stand a second time.
    """
    return {
        name: value
        for name, value in attributes_of(layer).items()
        if isinstance(value, keras.Layer | list | tuple | dict) and type(value) not in (list, dict)
    }


def layers_in(value: Any) -> Iterator[tuple[Path, keras.Layer]]:
    """Yields the layers in an attribute's value, each with the keys that lead to it."""
    if isinstance(value, keras.Layer):
        yield (), value
    elif isinstance(value, list | tuple | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            for keys, part in layers_in(item):
                yield (key, *keys), part


def every_layer(model: keras.Layer) -> list[keras.Layer]:
    """Returns each layer within `model` once, owners before their parts."""
    found: dict[int, keras.Layer] = {}

    def visit(layer: keras.Layer) -> None:
        for part in parts_of(layer).values():
            if id(part) not in found:
                found[id(part)] = part
                visit(part)

    visit(model)
    return list(found.values())


def told(layers: list[keras.Layer]) -> str:
    """Names layers in a message."""
    return ", ".join(f"'{layer.name}' ({type(layer).__name__})" for layer in layers)
