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
_COMBINING = (keras.layers.Multiply, keras.layers.Dot)


class Anatomy:
    """The layers of a model, and how they hang together.

    Attributes:
        model: The model.
        layers: Every layer within it, owners before their parts.
        kernels: Those with a kernel of their own that is in training, in the same order.
        heads: The kernels that feed the model's outputs, as far as the graph is known.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.layers = every_layer(model)
        self._wiring = Wiring(model)
        self.kernels = [layer for layer in self.layers if has_kernel(layer) and layer.trainable]
        self.heads = [kernel for last in self._last(model) for kernel in self.ending(last)[:1]]
        self._by_path: dict[str, keras.Layer] = {}
        for layer in [model, *layers_within(model), *self.layers]:
            self._by_path[str(layer.path or layer.name)] = layer

    @property
    def deep(self) -> bool:
        """Whether many kernels follow each other, as far as the graph is known."""
        return len(self.kernels) - len(self.heads) >= DEEP

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

    def combines(self, layer: keras.Layer) -> bool:
        """Whether a layer's output is, or may be, multiplied with that of another layer."""
        followers = self._wiring.followers.get(id(layer), [None])
        return any(each is None or isinstance(each, _COMBINING) for each in followers)

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

    def _opened(self, layer: keras.Layer) -> keras.Layer:
        """The layer that puts out a nested model's output; any other layer itself."""
        while last := self._last(layer):
            layer = last[0]
        return layer

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


def is_activation(layer: keras.Layer) -> bool:
    """Whether a layer does nothing but apply an activation."""
    return isinstance(layer, _ACTIVATIONS)


def name_of_activation(layer: keras.Layer | None) -> str:
    """The activation with which a layer ends, `"linear"` without one."""
    known = None if layer is None else activation_of(layer)
    if isinstance(layer, keras.layers.RNN):
        return "tanh"
    return "linear" if known is None else known.name
