"""What surgery has to know of a model's build: which layers feed what, and how outputs end."""

from collections.abc import Iterator
from typing import Any

import keras

from kerastricks.diagnosis.activations import activation_of
from kerastricks.surgery._layers_of import every_layer, is_graph, parts_of
from kerastricks.surgery._model import layers_within
from kerastricks.surgery._wiring import Wiring

NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
)
_ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
)
_ON_THE_WAY = (
    *NORMALIZATIONS,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
)
"""Layers that may stand between a kernel and its activation, or behind an output's kernel."""
DEEP = 8
"""Hidden kernels from which on a start that keeps the signal's size on average is not enough."""
_COMBINING = (
    keras.layers.Multiply,
    keras.layers.Dot,
    keras.layers.Attention,
    keras.layers.AdditiveAttention,
    keras.layers.Lambda,
)


class Anatomy:
    """The layers of a model, and how they hang together.

    Attributes:
        model: The model.
        layers: Every layer within it, owners before their parts.
        kernels: Those with a kernel of their own that is in training, in the same order.
        heads: The kernels from which an output is reached without passing another, as far as the
            graph is known.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.layers = every_layer(model)
        self._wiring = Wiring(model)
        self._holders: dict[int, keras.Layer] = {}
        for graph in [model, *self.layers]:
            if is_graph(graph):
                self._holders |= {id(part): graph for part in parts_of(graph).values()}
        self._frozen = self._frozen_layers()
        known = [layer for layer in self.layers if has_kernel(layer)]
        self.kernels = [layer for layer in known if id(layer) not in self._frozen]
        self.heads = [layer for layer in known if self._reached(layer)[0]]
        self._by_path: dict[str, keras.Layer] = {}
        for layer in [model, *layers_within(model), *self.layers]:
            self._by_path[str(layer.path or layer.name)] = layer

    @property
    def depth(self) -> int:
        """How many kernels there are before the outputs', all counted, in branches too."""
        return len(self.kernels) - len(self.heads)

    @property
    def deep(self) -> bool:
        """Whether many kernels follow each other, as far as the graph is known."""
        return self.depth >= DEEP

    @property
    def has_shortcuts(self) -> bool:
        """Whether signals pass some kernels by: such a network acts like a shallower one."""
        joining = (keras.layers.Add, keras.layers.Average, keras.layers.Concatenate)
        return any(isinstance(layer, joining) for layer in self.layers)

    def knows(self, path: str) -> bool:
        """Whether a finding may be about such a place in this model."""
        weights = {variable.path for variable in self.model.variables}
        return path in self._by_path or path in weights or path == "output"

    def layer(self, path: str | None) -> keras.Layer | None:
        """The layer of a path, or the one that it is part of (a cell's `RNN`)."""
        ours = {id(layer) for layer in self.layers}
        while path:
            found = self._by_path.get(path)
            if found is not None and id(found) in ours:
                return found
            path = path.rpartition("/")[0]
        return None

    def can_insert_at(self, layer: keras.Layer) -> bool:
        """Whether layers can be put before and behind a layer: its place is known."""
        placed = id(layer) in self._wiring.feeds or id(layer) in self._wiring.followers
        return placed and id(layer) not in self._wiring.owners

    def activation_layer(self, kernel: keras.Layer) -> keras.Layer | None:
        """The layer whose activation follows a kernel: itself, or one behind it."""
        if activation_of(kernel) is not None or isinstance(kernel, keras.layers.RNN):
            return kernel
        for layer in self._behind(kernel):
            if isinstance(layer, _ACTIVATIONS):
                return layer
            if not isinstance(layer, _ON_THE_WAY):
                break
        return None

    def normalization_behind(self, kernel: keras.Layer) -> keras.Layer | None:
        """The layer that normalizes what a kernel puts out, before any other kernel."""
        for layer in self._behind(kernel):
            if isinstance(layer, NORMALIZATIONS):
                return layer
            if not isinstance(layer, (*_ON_THE_WAY, *_ACTIVATIONS)):
                break
        return None

    def is_frozen(self, layer: keras.Layer | None) -> bool:
        """Whether a layer is kept from training, or is the activation of one that is."""
        return layer is not None and id(layer) in self._frozen

    def ends_the_model(self, layer: keras.Layer) -> bool:
        """Whether an output, or what may be one, is reached from a layer without a kernel."""
        if self._reached(layer)[0]:
            return True
        ours = _holds_a_kernel(layer) and self._owned_by_the_model(layer)
        return ours and self._may_be_last(layer)

    def combines(self, layer: keras.Layer) -> bool:
        """Whether what comes of a layer without another kernel is, or may be, multiplied."""
        return self._reached(layer)[1] or self._may_be_last(layer)

    def order_known(self, layer: keras.Layer) -> bool:
        """Whether the layers that follow on a layer are known."""
        return id(self._outermost(layer)) not in self._wiring.owners

    def is_only_an_output(self, layer: keras.Layer) -> bool:
        """Whether what a layer puts out is an output of the model, and nothing else uses it."""
        while self._wiring.followers.get(id(layer)) == [None]:
            graph = self._holders[id(layer)]
            if not any(layer is last for last in self._last(graph)):
                return False
            if graph is self.model:
                return True
            layer = graph
        return False

    def is_added(self, layer: keras.Layer) -> bool:
        """Whether what a layer puts out is added to something, as at the end of a residual block.

        An operation that is no layer may add, too.
        """
        followers = self._wiring.followers.get(id(layer), [])
        return any(f is None or isinstance(f, keras.layers.Add) for f in followers)

    def called_on_several(self, layer: keras.Layer) -> bool:
        """Whether a layer is called on more than one tensor at once."""
        return any(len(givers) > 1 for givers in self._wiring.feeds.get(id(layer), []))

    def ending(self, output: keras.Layer) -> list[keras.Layer]:
        """The layers with which an output ends, from its kernel on; empty without a kernel."""
        chain = [self._opened(output)]
        while not has_kernel(chain[0]):
            calls = self._wiring.feeds.get(id(chain[0]), [])
            known = isinstance(chain[0], (*_ON_THE_WAY, *_ACTIVATIONS, keras.layers.Rescaling))
            if not known or len(calls) != 1 or len(calls[0]) != 1 or calls[0][0] is None:
                return []
            chain.insert(0, self._opened(calls[0][0]))
        return chain

    def unused(self, name: str) -> str:
        """The name, with underscores behind it while a layer has it."""
        names = {layer.name for layer in self.layers}
        while name in names:
            name += "_"
        return name

    def _frozen_layers(self) -> set[int]:
        """The `id` of each layer that is not trained, for itself or as part of another."""
        frozen: set[int] = set()
        for owner in [self.model, *self.layers]:
            if not owner.trainable or id(owner) in frozen:
                frozen |= {id(part) for part in [owner, *every_layer(owner)]}
        for layer in self.layers:
            if id(layer) in frozen and has_kernel(layer):
                behind = self.activation_layer(layer)
                frozen |= set() if behind is None else {id(behind)}
        return frozen

    def _reached(self, layer: keras.Layer) -> tuple[bool, bool]:
        """Whether an output, and a product, is reached from a layer without passing a kernel."""
        output = product = False
        seen: set[int] = set()
        heap = [self._outermost(layer)]
        while heap:
            each = heap.pop()
            if id(each) in seen:
                continue
            seen.add(id(each))
            followers = list(self._wiring.followers.get(id(each), []))
            holder = self._holders.get(id(each))
            if holder is not None and any(each is last for last in self._last(holder)):
                followers.remove(None)
                output |= holder is self.model
                heap += [] if holder is self.model else [holder]
            for follower in followers:
                if follower is None:
                    # An operation that is no layer: it may multiply, and may be the end.
                    product = True
                    output |= holder is not None and self._ends_in_an_operation(holder)
                elif is_graph(follower) and any(map(has_kernel, every_layer(follower))):
                    heap += self._first(follower)
                elif not _holds_a_kernel(follower):
                    product |= isinstance(follower, _COMBINING) or not _is_known(follower)
                    heap.append(follower)
        return output, product

    def _first(self, model: keras.Layer) -> list[keras.Layer]:
        """The layers that a nested model's inputs run into, nested ones opened."""
        found: list[keras.Layer] = []
        for part in parts_of(model).values():
            if any(None in givers for givers in self._wiring.feeds.get(id(part), [])):
                if is_graph(part):
                    found += self._first(part)
                elif not _holds_a_kernel(part):
                    found.append(part)
        return found

    def _ends_in_an_operation(self, model: Any) -> bool:
        if isinstance(model, keras.Sequential):
            return False
        return not set(model.output_names) <= {part.name for part in parts_of(model).values()}

    def _outermost(self, layer: keras.Layer) -> keras.Layer:
        """The wrapper around a layer, which puts out what that does; any other layer itself."""
        owners = self._wiring.owners.get(id(layer), [])
        while len(owners) == 1 and isinstance(owners[0], keras.layers.Wrapper):
            layer = owners[0]
            owners = self._wiring.owners.get(id(layer), [])
        return layer

    def _may_be_last(self, layer: keras.Layer) -> bool:
        """Whether a layer comes last in somebody's own layer or model, as far as can be told.

        The order in which layers were made is that of their weights; one without any may be called
        anywhere.
        """
        outer = self._outermost(layer)
        owners = self._wiring.owners.get(id(outer), [])
        if not _holds_a_kernel(outer):
            return bool(owners)
        for owner in owners:
            order = {id(weight): place for place, weight in enumerate(owner.weights)}
            parts = [part for part in parts_of(owner).values() if _holds_a_kernel(part)]
            last = max(parts, key=lambda part: order.get(id(part.weights[0]), -1))
            if last is outer:
                return True
        return False

    def _owned_by_the_model(self, layer: keras.Layer) -> bool:
        owners = self._wiring.owners.get(id(self._outermost(layer)), [])
        return any(owner is self.model for owner in owners)

    def _opened(self, layer: keras.Layer) -> keras.Layer:
        """The layer that puts out a nested model's or wrapper's output; any other layer itself."""
        while last := self._last(layer):
            layer = last[0]
        wraps = isinstance(layer, keras.layers.TimeDistributed)
        return self._opened(layer.layer) if wraps else layer

    def _behind(self, layer: keras.Layer) -> Iterator[keras.Layer]:
        """The layers behind one, as long as there is a single one."""
        while True:
            followers = self._wiring.followers.get(id(layer), [])
            if len(followers) != 1 or followers[0] is None:
                return
            layer = followers[0]
            yield layer

    def _last(self, model: Any) -> list[keras.Layer]:
        """The layers that put out a model's outputs."""
        if not is_graph(model):
            return []
        if isinstance(model, keras.Sequential):
            return list(parts_of(model).values())[-1:]
        return [layer for layer in parts_of(model).values() if layer.name in model.output_names]


def has_kernel(layer: keras.Layer) -> bool:
    """Whether a layer multiplies its inputs by a kernel that it owns."""
    if isinstance(layer, keras.layers.Wrapper) or is_graph(layer):
        return False
    return any(str(weight.name).endswith("kernel") for weight in layer.weights)


def _holds_a_kernel(layer: keras.Layer) -> bool:
    """Whether a layer, or one that it consists of, multiplies its inputs by a kernel."""
    return any(str(weight.name).endswith("kernel") for weight in layer.weights)


def _is_known(layer: keras.Layer) -> bool:
    """Whether it is known, and not somebody's own code, what a layer does with its inputs."""
    return type(layer).__module__.split(".")[0] in ("keras", "kerastricks") or is_graph(layer)


def has_settable_activation(layer: Any) -> bool:
    """Whether the config of a layer names the activation with which it ends."""
    if isinstance(layer, keras.layers.RNN) or not hasattr(layer, "activation"):
        return False
    return "activation" in layer.get_config()


def is_activation(layer: keras.Layer) -> bool:
    """Whether a layer does nothing but apply an activation."""
    return isinstance(layer, _ACTIVATIONS)


def name_of_activation(layer: keras.Layer | None) -> str:
    """The activation with which a layer ends, `"linear"` without one."""
    known = None if layer is None else activation_of(layer)
    if isinstance(layer, keras.layers.RNN):
        return "tanh"
    return "linear" if known is None else known.name
