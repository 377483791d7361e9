"""Which variable of a rebuilt model a stored array belongs to, and putting it there."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from kerastricks.addons._loading.names import FUNCTIONAL, public_name
from kerastricks.addons._loading.objects import PREFIX
from kerastricks.addons._loading.tree import Tree

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""Where `.keras` files keep the layers of a model: since Keras 2.13, and before."""


@dataclass
class Old:
    """The variables of a layer in the order of Keras 2, each with its counterpart here.

    Attributes:
        trainable: Its own trainable variables.
        frozen: Its own other ones.
        children: Layers in it, by the attribute, in the order in which they were made.
        layer: The layer itself: `.h5` lists variables by whether it is trainable.
        stored: Names of the children in `.keras` files, where they are not the attributes.
    """

    trainable: list[Any] = field(default_factory=list)
    frozen: list[Any] = field(default_factory=list)
    children: dict[str, "Old"] = field(default_factory=dict)
    layer: Any = None
    stored: dict[str, str] = field(default_factory=dict)

    def flat(self) -> list[Any]:
        """All variables in the order of `.h5` files: what trains first, each once."""
        seen: set[int] = set()
        trained, rest = self._split()
        unique = []
        for variable in trained + rest:
            if id(variable) not in seen:
                seen.add(id(variable))
                unique.append(variable)
        return unique

    def finalize(self) -> None:
        """Tells layers that prepare something from their weights that these have changed."""
        for child in self.children.values():
            child.finalize()
        if hasattr(self.layer, "finalize_state"):
            self.layer.finalize_state()

    def _split(self) -> tuple[list[Any], list[Any]]:
        parts = [child._split() for child in self.children.values()]
        if self.layer.trainable:
            trained = self.trainable + [v for part in parts for v in part[0]]
            return trained, self.frozen + [v for part in parts for v in part[1]]
        return [], self.trainable + self.frozen + [v for part in parts for v in part[0] + part[1]]


def restore(model: keras.Model, entry: dict[str, Any], weights: Tree, h5: bool) -> None:
    """Puts the stored arrays into the variables of the model.

    Args:
        model: A model that was rebuilt.
        entry: What the file says of it.
        weights: What the file holds.
        h5: Whether they lie in the order of `.h5` files.

    Raises:
        ValueError: When a variable has no array, or one of another shape.
    """
    old = described(model, entry)
    pairs = _by_layer(old, weights) if h5 else _by_attribute(old, weights)
    values = {id(variable): value for variable, value in pairs}
    missing = [variable.path for variable in model.weights if id(variable) not in values]
    if missing:
        raise ValueError(f"it has no values for the weights {missing}.")
    for variable in model.weights:
        variable.assign(values[id(variable)])
    old.finalize()


def _by_layer(old: Old, weights: Tree) -> Iterator[tuple[Any, Any]]:
    for name, layer in old.children.items():
        group, variables = weights.tree(name), layer.flat()
        names = group.texts("weight_names")
        if len(names) != len(variables):
            raise ValueError(
                f"its layer {name!r} has {len(names)} arrays where {len(variables)} are due."
            )
        for variable, path in zip(variables, names, strict=True):
            yield variable, group.array(path, tuple(variable.shape))


def _by_attribute(old: Old, weights: Tree) -> Iterator[tuple[Any, Any]]:
    own = old.trainable + old.frozen
    if own:
        arrays = weights.tree("vars")
        if len(list(arrays)) != len(own):
            raise ValueError(f"a layer has {len(list(arrays))} arrays where {len(own)} are due.")
        for place, variable in enumerate(own):
            yield variable, arrays.array(str(place), tuple(variable.shape))
    if old.stored:
        weights = next((weights.tree(name) for name in CONTAINERS if name in weights), weights)
    for name, child in old.children.items():
        stored = old.stored.get(name, name)
        # A layer that is known by two attributes is stored under the first.
        if stored in weights:
            yield from _by_attribute(child, weights.tree(stored))


def described(layer: keras.layers.Layer, entry: dict[str, Any]) -> Old:
    """The variables of a layer that was made from an entry of Keras 2."""
    return KINDS.get(public_name(entry), _layer)(layer, entry)


def _model(model: keras.Model, entry: dict[str, Any]) -> Old:
    children, entries = {}, {}
    for layer in entry["config"]["layers"]:
        # A Sequential does not count the layer that is its input.
        if layer["class_name"] == "InputLayer" and entry["class_name"] == "Sequential":
            continue
        name = layer["config"].get("name", layer.get("name"))
        children[name] = described(model.get_layer(name), layer)
        entries[name] = layer
    return Old(children=children, stored=_counted(entries), layer=model)


def _counted(entries: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The names that layers of a list have in `.keras` files: their classes, counted."""
    stored, counts = {}, Counter[str]()
    for name, entry in entries.items():
        kind = _snake_case(public_name(entry).rpartition(">")[2])
        stored[name] = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
    return stored


def _stacked_cells(layer: keras.layers.Layer, entry: dict[str, Any]) -> Old:
    entries = {str(number): cell for number, cell in enumerate(entry["config"]["cells"])}
    children = {name: described(layer.cells[int(name)], cell) for name, cell in entries.items()}
    cells = Old(children=children, stored=_counted(entries), layer=layer)
    return Old(children={"cells": cells}, layer=layer)


def _layer(layer: keras.layers.Layer, entry: dict[str, Any]) -> Old:
    """A layer whose variables are the same as in Keras 2."""
    config = entry["config"]
    children = {}
    # With the torch backend a layer keeps the layers in it elsewhere.
    inside = dict(layer.named_children()) if hasattr(layer, "named_children") else vars(layer)
    for name, value in inside.items():
        if isinstance(value, keras.layers.Layer):
            inner = config.get(name, config.get("layer"))
            known = isinstance(inner, dict) and "class_name" in inner
            # Without an entry it is a layer that the other makes by itself.
            children[name] = described(value, inner if known else {"class_name": "", "config": {}})
    theirs = {id(v) for child in children.values() for v in child.flat()}
    own = [variable for variable in layer.weights if id(variable) not in theirs]
    trainable = {id(variable) for variable in layer.trainable_weights}
    kept = [v for v in own if not layer.trainable or id(v) in trainable]
    frozen = [v for v in own if layer.trainable and id(v) not in trainable]
    return Old(kept, frozen, children, layer)


def _weight_normalization(layer: keras.layers.Layer, entry: dict[str, Any]) -> Old:
    # There the wrapper held the kernel, and the wrapped layer was left without.
    config = entry["config"]
    inner = described(layer.layer, config["layer"])
    for holder in (inner, *inner.children.values()):
        holder.trainable = [variable for variable in holder.trainable if variable is not layer.v]
        holder.frozen = [variable for variable in holder.frozen if variable is not layer.v]
    children = {"layer": inner}
    if config.get("data_init", True):
        copied = described(layer._naked_clone_layer, config["layer"])
        children["_naked_clone_layer"] = copied
    return Old([layer.g, layer.v], [layer._initialized], children, layer=layer)


def _spectral_normalization(layer: keras.layers.Layer, entry: dict[str, Any]) -> Old:
    # The kernel was the wrapper's too.
    inner = described(layer.layer, entry["config"]["layer"])
    return Old([layer.w], [layer.u], {"layer": inner}, layer=layer)


def _snake_case(name: str) -> str:
    """The name of a class as `.keras` files write it.

    Example:
        >>> _snake_case("BatchNormalization"), _snake_case("Conv2D"), _snake_case("TLU")
        ('batch_normalization', 'conv2d', 'tlu')
    """
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


KINDS: dict[str, Callable[[Any, dict[str, Any]], Old]] = {
    **dict.fromkeys(FUNCTIONAL, _model),
    "Sequential": _model,
    "StackedRNNCells": _stacked_cells,
    PREFIX + "WeightNormalization": _weight_normalization,
    PREFIX + "SpectralNormalization": _spectral_normalization,
}
"""Layers whose variables were others in Keras 2."""
