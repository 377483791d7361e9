"""Other layers in the place of those a model was built with."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from kerastricks.surgery._copy import copy_as
from kerastricks.surgery._layers_of import every_layer, told
from kerastricks.surgery._model import checked_model
from kerastricks.surgery._rebuild import rebuild

Rule = type[keras.Layer] | str | Callable[[keras.Layer], bool]
Factory = type[keras.Layer] | Callable[[keras.Layer], keras.Layer | None]


def replace_layers(model: keras.Model, rules: Mapping[Rule, Factory]) -> keras.Model:
    """Returns a new model in which other layers stand in the place of those that match.

    Use it to try a trick on a model that somebody else built: another activation, dropout or
    normalization in every place, without retyping the model. Do not use it to insert layers where
    there are none (replace a layer by a `keras.Sequential` of a copy of it,
    `type(old).from_config(old.get_config())`, and more: it takes over the weights), nor where you
    own the code that builds the model and can change it there.

    Each rule says which layers, and what takes their place:

        rules = {which: replacement}

        which         a layer class     layers of exactly this class, not of its subclasses
                      a string          layers of this name
                      a predicate       layers for which `which(layer)` is true
        replacement   a layer class     made from the old layer's config, if that loses nothing
                      a function        `replacement(layer)` returns the new layer, it and its
                                        parts not yet used anywhere, or None to remove the old one

    The first rule that matches a layer decides. Classes match exactly since the layers here
    subclass those of Keras: `{keras.layers.BatchNormalization: kt.layers.BatchNormalization}`
    finds nothing more to do in its own result, and the rule the other way round takes it back.
    For subclasses, write `lambda layer: isinstance(layer, keras.layers.BatchNormalization)`.

    An activation that is an argument of a layer is replaced with the layer:

        def leaky(layer):
            return keras.layers.Dense.from_config(
                {**layer.get_config(), "activation": "leaky_relu"})

        replace_layers(model, {keras.layers.Dense: leaky})

    What the new model keeps:

    - All other layers are copied with their weights, names, types and `trainable` flags. Layers
      and models that are used more than once are replaced once and stay shared. Layers within
      nested models, within wrappers such as `keras.layers.TimeDistributed`, and within layers and
      models that you wrote, are found, too; not so the parts of Keras' other layers and of ours,
      such as the cell of an `RNN`.
    - A new layer takes over the weights of the old one if all their names and shapes are equal,
      unless it comes built, and is frozen if the old one was. It takes over the old one's name
      where a Functional model names an output after it.
    - The new model is compiled as the old one: optimizer (with its step count, and its memory of
      each weight that was taken over), loss, metrics (at their start) and options.

    `model` and its layers are only read. Subclassed models are copied by `get_config` and
    `from_config`, and their attributes exchanged: a `.keras` file of the result loads only the old
    layers' class, so save its weights instead. A class that lays out a functional or sequential
    model in its own `__init__` cannot be rebuilt.

    Args:
        model: A Sequential, Functional or subclassed model.
        rules: A dictionary, not empty, read in its order.

    Returns:
        A new model of the same class and name.

    Raises:
        TypeError: If `model` is no model, a rule is none of the above, or a replacement returns
            something else than a layer.
        ValueError: If a rule matches no layer, a class has no place for an argument of the old
            layer, a replacement returns a layer that is in use or holds one, the new layers do
            not fit into the model, a layer cannot be copied, layers share weights by a way that
            a copy cannot keep, or the metrics are functions that are not registered with Keras.

    Example:
    >>> import keras, kerastricks as kt
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="hidden"),
    ...                           keras.layers.ReLU(name="relu"), keras.layers.Dense(2)])
    >>> from kerastricks import surgery
    >>> leaky = surgery.replace_layers(
    ...     model, {keras.layers.ReLU: lambda old: kt.layers.LeakyReLU(0.1, name=old.name)})
    >>> leaky.get_layer("relu").negative_slope
    0.1
    >>> bool((leaky.get_weights()[0] == model.get_weights()[0]).all())
    True

    Reference:
        Chollet et al. (2015), Keras, https://keras.io, `keras.models.clone_model`, whose
        `clone_function` this extends to weights, shared layers, subclasses and the compile state.
    """
    layers = every_layer(checked_model(model))
    replacements: dict[int, keras.Layer | None] = {}
    in_use = _held(model)
    for layer, factory in _chosen(_checked_rules(rules), layers):
        new_layer = _made(factory, layer)
        replacements[id(layer)] = new_layer
        if new_layer is None:
            continue
        if shared := _held(new_layer).keys() & in_use.keys():
            raise ValueError(
                f"The replacement for '{layer.name}' must be a new layer, with parts and weights "
                f"of its own. Received: {told([new_layer])}, of which is in use already: "
                f"{', '.join(sorted({in_use[key] for key in shared}))}. Make a copy on each call, "
                "for example with `type(layer).from_config(layer.get_config())`."
            )
        in_use |= _held(new_layer)
    return rebuild(model, replacements, inherit=True)


def _held(layer: keras.Layer) -> dict[int, str]:
    """Returns a layer, all within it and its variables: from their `id` to their name."""
    held = {id(variable): variable.path for variable in layer.variables}
    return held | {id(part): told([part]) for part in [layer, *every_layer(layer)]}


def _checked_rules(rules: object) -> Mapping[Rule, Factory]:
    if not isinstance(rules, Mapping) or not rules:
        raise TypeError(
            "Argument `rules` must be a dictionary with at least one rule, such as "
            "{keras.layers.ReLU: lambda layer: keras.layers.LeakyReLU(0.1)}. "
            f"Received: rules={rules!r}."
        )
    for which, replacement in rules.items():
        if not (isinstance(which, str) or callable(which)):
            raise TypeError(
                "A rule must be a layer class, a layer's name or a predicate on layers. "
                f"Received: {which!r} (of type {type(which).__name__})."
            )
        is_layer_class = isinstance(replacement, type) and issubclass(replacement, keras.Layer)
        is_function = callable(replacement) and not isinstance(replacement, keras.Layer | type)
        if not (is_layer_class or is_function):
            raise TypeError(
                "A replacement must be a layer class or a function from the old layer to the new "
                "one: a layer itself could only stand in one place. Received: "
                f"{replacement!r}. Write `lambda layer: ...`."
            )
    return rules


def _chosen(
    rules: Mapping[Rule, Factory], layers: list[keras.Layer]
) -> list[tuple[keras.Layer, Factory]]:
    first: dict[int, tuple[keras.Layer, Factory]] = {}
    for which, factory in rules.items():
        matching = [layer for layer in layers if _matches(which, layer)]
        if not matching:
            raise ValueError(
                f"The rule {_told_rule(which)} matches no layer. The model has: {told(layers)}. "
                "A class matches exactly, not its subclasses; a name matches the whole name."
            )
        for layer in matching:
            first.setdefault(id(layer), (layer, factory))
    within_replaced = {id(part) for layer, _ in first.values() for part in every_layer(layer)}
    return [(layer, f) for layer, f in first.values() if id(layer) not in within_replaced]


def _matches(which: Rule, layer: keras.Layer) -> bool:
    if isinstance(which, str):
        return bool(layer.name == which)
    if isinstance(which, type):
        return type(layer) is which
    return bool(which(layer))


def _told_rule(which: Any) -> str:
    return repr(which) if isinstance(which, str) else getattr(which, "__name__", repr(which))


def _made(factory: Factory, layer: keras.Layer) -> keras.Layer | None:
    new_layer = copy_as(layer, factory) if isinstance(factory, type) else factory(layer)
    if new_layer is not None and not isinstance(new_layer, keras.Layer):
        raise TypeError(
            f"The replacement for '{layer.name}' must be a layer, or None to remove it. "
            f"Received: {new_layer!r} (of type {type(new_layer).__name__})."
        )
    return new_layer
