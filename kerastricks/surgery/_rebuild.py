"""A model made anew with some layers exchanged: the copy on which surgery works."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from kerastricks.surgery._carry import assign, carry, described, own_weights
from kerastricks.surgery._compile_changes import CompileChanges
from kerastricks.surgery._compile_state import compile_like
from kerastricks.surgery._copy import copy_from_config
from kerastricks.surgery._layers_of import (
    every_layer,
    holders_of,
    is_graph,
    layers_in,
    parts_of,
    told,
)

Replacements = Mapping[int, keras.Layer | None]
"""From the `id` of a layer to the layer that takes its place; None removes it."""
Inserted = Mapping[int, Sequence[keras.Layer]]
"""From the `id` of a layer to new layers, in the order in which they run."""


@dataclass(frozen=True)
class Additions:
    """What a new model has beyond exchanged layers.

    Attributes:
        before: Layers to run on what a layer of a Sequential or Functional model is called on.
        after: Layers to run on what it puts out.
        fresh: Whether a layer's weights are those that its initializers draw.
        compile_changes: What is compiled in another way; None to take over the optimizer's memory.
    """

    before: Inserted = field(default_factory=dict)
    after: Inserted = field(default_factory=dict)
    fresh: Callable[[keras.Layer], bool] = lambda layer: False
    compile_changes: CompileChanges | None = None


def rebuild(
    model: keras.Model,
    replacements: Replacements,
    inherit: bool,
    additions: Additions | None = None,
) -> keras.Model:
    """Returns a new model with some layers exchanged and everything else as in `model`.

    Only reads `model`. Copies weights, `trainable` flags, types and the compile state.

    Args:
        model: The model.
        replacements: The new layers. A layer that comes built keeps its weights.
        inherit: Whether a new layer takes over the weights of the old one where their names and
            shapes are equal.
        additions: What else is different; by default nothing.

    Returns:
        A model of the same class.

    Raises:
        ValueError: If the model cannot be copied, or the new layers do not fit into it.
    """
    additions = additions or Additions()
    surgeon = _Surgeon(replacements, inherit, additions)
    new_model = surgeon.copy(model)
    if model.built and not is_graph(model):
        _build_like(new_model, model)
    same = surgeon.carry_state()
    compile_like(new_model, model, same, additions.compile_changes)
    return new_model


class _Surgeon:
    """Copies layers, each once, so that what was shared stays shared."""

    def __init__(self, replacements: Replacements, inherit: bool, additions: Additions) -> None:
        self.replacements = replacements
        self.inherit = inherit
        self.additions = additions
        self.ready = {id(new) for new in replacements.values() if new is not None and new.built}
        self.copies: dict[int, keras.Layer] = {}
        self.exchanged: set[int] = set()  # the layers that took the place of others
        self.pairs: list[tuple[keras.Layer, keras.Layer]] = []  # parts before their owners

    def copy(self, layer: Any) -> Any:
        """Returns the copy or the replacement of a layer (or of an operation in a graph)."""
        if id(layer) not in self.copies:
            self.copies[id(layer)] = self._made(layer)
            if isinstance(layer, keras.Layer):
                self.pairs.append((layer, self.copies[id(layer)]))
        return self.copies[id(layer)]

    def _made(self, layer: Any) -> Any:
        if id(layer) in self.replacements:
            new_layer = self.replacements[id(layer)]
            if new_layer is None:
                new_layer = keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy)
            self.exchanged.add(id(new_layer))
            return new_layer
        if isinstance(layer, keras.Sequential):
            return self._sequential(layer)
        if isinstance(layer, keras.Function):
            return self._functional(layer)
        return self._with_copied_parts(layer)

    def _removes(self, layer: Any) -> bool:
        return self.replacements.get(id(layer), layer) is None

    def _before(self, layer: Any) -> Sequence[keras.Layer]:
        return self.additions.before.get(id(layer), ())

    def _after(self, layer: Any) -> Sequence[keras.Layer]:
        return self.additions.after.get(id(layer), ())

    def _in_place_of(self, layer: Any) -> Sequence[keras.Layer]:
        itself = () if self._removes(layer) else (self.copy(layer),)
        return *self._before(layer), *itself, *self._after(layer)

    # --- The three kinds of models ---------------------------------------------------------------

    def _sequential(self, model: keras.Sequential) -> keras.Sequential:
        _check_constructor(model, keras.Sequential, "keras.Sequential(model.layers)")
        layers = [each for layer in model.layers for each in self._in_place_of(layer)]
        layers = layers or [self.copy(model.layers[-1])]
        if model.built:
            given = model.inputs[0]
            layers.insert(
                0, keras.Input(batch_shape=given.shape, dtype=given.dtype, name=given.name)
            )
        try:
            return type(model)(layers, name=model.name)
        except Exception as error:
            raise ValueError(
                f"The layers of model '{model.name}' do not fit together any more: {error} "
                "Check the shapes that the replacements return. The model is left as it was."
            ) from error

    def _functional(self, model: keras.Model) -> keras.Model:
        # A second model over the same layers: `clone_model` would compile its clone by way of a
        # config, which refuses losses that are not registered.
        plain = keras.Model(model.input, model.output, name=model.name)
        _check_constructor(model, type(plain), "keras.Model(model.inputs, model.outputs)")
        inputs = {
            id(layer.output): type(layer).from_config(layer.get_config()).output
            for layer in model.layers
            if isinstance(layer, keras.layers.InputLayer)
        }
        removed = {
            id(self.copy(layer))
            for layer in model.layers
            # What the model returns is named after the layer: there an Identity stays.
            if self._removes(layer) and layer.name not in model.output_names
        }
        for layer in model.layers:
            # What the model returns, its losses and metrics go by the names of these layers.
            if layer.name in model.output_names:
                if self._after(layer):
                    self._after(layer)[-1].name = layer.name
                    self.copy(layer).name = _unused(f"{layer.name}_inner", model)
                elif id(layer) in self.replacements:
                    self.copy(layer).name = layer.name
        originals: dict[int, Any] = {}

        def copied(operation: Any) -> Any:
            copy = self.copy(operation)
            originals[id(copy)] = operation
            return copy

        def run(layer: Any, *args: Any, **kwargs: Any) -> Any:
            original = originals[id(layer)]
            if self._before(original):
                first, *rest = args
                for each in self._before(original):
                    first = each(first)
                args = (first, *rest)
            outputs = call(layer, *args, **kwargs)
            for each in self._after(original):
                outputs = each(outputs)
            return outputs

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if id(layer) not in removed:
                if id(layer) in self.exchanged:
                    kwargs = _accepted(layer, kwargs)
                return _called(layer, *args, **kwargs)
            if not args or not isinstance(args[0], keras.KerasTensor):
                raise ValueError(
                    f"Layer '{layer.name}' cannot be removed: only a layer that is called on a "
                    "single tensor can. Replace it by a layer that takes the same inputs."
                )
            return args[0]

        clone = keras.models.clone_model(
            plain,
            input_tensors=keras.tree.map_structure(lambda tensor: inputs[id(tensor)], model.input),
            clone_function=copied,
            call_function=run,
        )
        if type(model) is type(plain):
            return clone
        return type(model)(clone.input, clone.output, name=model.name)

    def _with_copied_parts(self, layer: Any) -> Any:
        """Copies a layer from its config, then gives it copies of the layers it consists of."""
        copy = copy_from_config(layer)
        copy.name = layer.name  # an `__init__` without `name` leaves it out of the config
        if not isinstance(layer, keras.Layer):
            return copy
        own_parts = parts_of(copy)
        swaps = {}
        for path, part in parts_of(layer).items():
            if path in own_parts:
                swaps[id(own_parts[path])] = self.copy(part)
            elif touched := [p for p in (part, *every_layer(part)) if id(p) in self.replacements]:
                raise ValueError(
                    f"{told(touched)} cannot be exchanged: '{layer.name}' "
                    f"({type(layer).__name__}) creates it outside `__init__`, so a copy does not "
                    "have it yet. Create it in `__init__`, or exchange it there yourself."
                )
        if swaps:
            _swap(copy, swaps, list(own_parts.values()))
        return copy

    # --- State -----------------------------------------------------------------------------------

    def carry_state(self) -> dict[int, Any]:
        """Gives the copies the state of their originals.

        Returns:
            From the `id` of each variable that holds what one of the model held, to that one.
        """
        same: dict[int, Any] = {}
        pairs = self._all_pairs()
        self._check_shared_weights([old for old, _ in pairs])
        for old, new in reversed(self.pairs):  # setting a flag sets it in all parts too
            if old.trainable != new.trainable and (
                id(old) not in self.replacements or not old.trainable
            ):
                new.trainable = old.trainable
        for old, new in pairs:
            if self.additions.fresh(old):
                continue
            if id(old) not in self.replacements:
                same |= carry(old, new)
            elif self.inherit and id(new) not in self.ready and described(old) == described(new):
                same |= assign(old.weights, new.weights)
        return same

    def _all_pairs(self) -> list[tuple[keras.Layer, keras.Layer]]:
        """Returns the pairs, with those layers that only came to be when their owner was built."""
        pairs = list(self.pairs)
        for old, new in pairs:  # grows while it is read
            if id(old) in self.replacements or is_graph(old):
                continue
            new_parts = parts_of(new)
            for path, part in parts_of(old).items():
                if id(part) not in self.copies and path in new_parts:
                    self.copies[id(part)] = new_parts[path]
                    pairs.append((part, new_parts[path]))
        return pairs

    def _check_shared_weights(self, layers: list[keras.Layer]) -> None:
        """Refuses to tear apart what shares weights by a way that `parts_of` does not see."""
        owners: dict[int, keras.Layer] = {}
        for layer in layers:
            for weight in own_weights(layer):
                owner = owners.setdefault(id(weight), layer)
                if owner is layer or {id(owner), id(layer)} <= self.replacements.keys():
                    continue
                raise ValueError(
                    f"{told([owner, layer])} share the weight '{weight.path}', as through a part "
                    "that both hold (the cell of an `RNN`), and in the new model they would not. "
                    "Give each its own, or replace both. The model is left as it was."
                )


def _unused(name: str, model: keras.Model) -> str:
    """The name, with underscores behind it while the model has a layer of that name."""
    names = {layer.name for layer in model.layers}
    while name in names:
        name += "_"
    return name


def _check_constructor(model: keras.Model, base: Any, plain: str) -> None:
    if type(model).__init__ is not base.__init__:
        raise ValueError(
            f"Model '{model.name}' cannot be rebuilt: its class {type(model).__name__} lays its "
            "layers out in its own `__init__`, which would lay out the old ones again. Operate on "
            f"`{plain}`, which has the same layers and weights, or change the class."
        )


def _accepted(layer: keras.Layer, arguments: dict[str, Any]) -> dict[str, Any]:
    """Drops arguments of `call` that the layer lacks: Keras notes `mask` with every call."""
    parameters = inspect.signature(layer.call).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return arguments
    return {name: value for name, value in arguments.items() if name in parameters}


def _called(layer: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return layer(*args, **kwargs)
    except Exception as error:
        shapes = [tuple(x.shape) for x in keras.tree.flatten(args) if hasattr(x, "shape")]
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) does not accept inputs of shape "
            f"{shapes}, which it gets in the new model: {error} Check the shapes that the "
            "replacements before it return. The model is left as it was."
        ) from error


def _swap(owner: keras.Layer, swaps: Mapping[int, keras.Layer], old: list[keras.Layer]) -> None:
    """Exchanges layers in the attributes of an owner that is not built yet."""

    def swapped(value: Any) -> Any:
        if isinstance(value, list | tuple):
            items = [swapped(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, dict):
            return {key: swapped(item) for key, item in value.items()}
        return swaps.get(id(value), value)

    holders = holders_of(owner)
    # Keras forgets a layer when a list it tracks is cleared, but not when an attribute is set.
    owner.layers_to_forget = [layer for layer in old if id(layer) in swaps]
    owner.layers_to_forget.clear()
    del owner.layers_to_forget
    for name, value in holders.items():
        if any(id(layer) in swaps for _, layer in layers_in(value)):
            setattr(owner, name, swapped(value))


def _build_like(new_model: keras.Model, model: keras.Model) -> None:
    """Builds a subclassed model by calling it on inputs of the shapes that built the old one."""
    config = model.get_build_config()
    try:
        if "input_shape" in config:
            new_model(_symbolic(config["input_shape"]))
        else:
            shapes = config["shapes_dict"]
            new_model(**{k.removesuffix("_shape"): _symbolic(s) for k, s in shapes.items()})
    except Exception as error:
        raise ValueError(
            f"The new model of class {type(model).__name__} could not be built by calling it on "
            f"inputs of the shapes {config}: {error} Check the shapes that the replacements "
            "return. The model is left as it was."
        ) from error


def _symbolic(shape: Any) -> Any:
    return keras.tree.map_shape_structure(lambda sizes: keras.Input(batch_shape=sizes), shape)
