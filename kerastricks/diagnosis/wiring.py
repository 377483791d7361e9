"""Who feeds whom: the layers of a forward pass by the tensors that they took in and put out."""

from collections.abc import Iterator
from typing import Any

import keras

from kerastricks.diagnosis.activations import activation_of
from kerastricks.diagnosis.plan import channel_axis, has_kernel
from kerastricks.diagnosis.statistics import Tensor
from kerastricks.layers.monte_carlo_dropout import MonteCarloDropout

_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
)
_DROPOUTS = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
# What comes out of these lies in the range of what goes in.
_WITHIN_RANGE = (
    *_DROPOUTS,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
)


class Wiring:
    """The layers of one forward pass in the order of their first calls.

    It holds the tensors that passed through them, so it must be let go with the pass.
    """

    def __init__(self) -> None:
        self.order: list[Any] = []
        self.outputs: dict[int, Tensor] = {}
        self.inputs: dict[int, Tensor] = {}
        self.axes: dict[int, int] = {}
        self._made_by: dict[int, Any] = {}
        self._taken_by: dict[int, Any] = {}

    def add(self, layer: Any, inputs: Tensor, outputs: Tensor) -> None:
        """Append a layer that was called for the first time."""
        self.order.append(layer)
        self.inputs[id(layer)] = inputs
        self.outputs[id(layer)] = outputs
        self._made_by.setdefault(id(outputs), layer)
        self._taken_by.setdefault(id(inputs), layer)
        self.axes[id(layer)] = self._channel_axis(layer)

    def before(self, layer: Any) -> Any:
        """The layer whose output another took in; None when it is not known."""
        return self._made_by.get(id(self.inputs[id(layer)]))

    def behind(self, layer: Any) -> Any:
        """The first layer that took in another's output; None without one."""
        return self._taken_by.get(id(self.outputs[id(layer)]))

    def back(self, layer: Any) -> Iterator[Any]:
        """The layer and those before it, as far as they are known."""
        seen: set[int] = set()
        while layer is not None and id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            layer = self.before(layer)

    def chain(self, layer: Any) -> list[Any]:
        """The layer and those before it, back to the nearest one with a kernel."""
        chain = []
        for each in self.back(layer):
            chain.append(each)
            if has_kernel(each):
                break
        return chain

    def source(self, layer: Any) -> Any:
        """The layer with the kernel that feeds another, or itself; None when it is not known."""
        last = self.chain(layer)[-1]
        return last if has_kernel(last) else None

    def last(self, outputs: list[Tensor]) -> list[Any]:
        """The layers that put out the model's outputs; None for an output that is no layer's."""
        made_by = {id(self.outputs[id(layer)]): layer for layer in self.order}
        return [made_by.get(id(output)) for output in outputs]

    def first_kernels(self, inputs: list[Tensor]) -> list[Any]:
        """The layers whose kernels multiply the model's inputs, scaled or not.

        The first of all, and those that lead back to an input. Tables of embeddings multiply
        nothing and are left out.
        """
        given = {id(tensor) for tensor in inputs}
        kernels = [layer for layer in self.order if has_kernel(layer)]
        first = []
        for layer in kernels:
            *between, start = list(self.back(layer))
            leads = id(self.inputs[id(start)]) in given
            if not leads and layer is not kernels[0]:
                continue
            if any(has_kernel(each) for each in [*between[1:], start] if each is not layer):
                continue
            if not isinstance(layer, keras.layers.Embedding):
                first.append(layer)
        return first

    def normalization_behind(self, layer: Any) -> Any:
        """The layer that normalizes another's output right away; None without one."""
        behind = self.behind(layer)
        linear = activation_of(layer) is None
        return behind if linear and isinstance(behind, _NORMALIZATIONS) else None

    def batch_normalizations(self) -> list[Any]:
        """The batch normalizations."""
        return [x for x in self.order if isinstance(x, keras.layers.BatchNormalization)]

    def dropouts(self) -> Iterator[tuple[Any, Any, list[Any]]]:
        """Dropouts in front of a batch normalization with at most one kernel between.

        Yields:
            The dropout, the batch normalization, the layers with kernels between them.
        """
        for normalization in self.batch_normalizations():
            between: list[Any] = []
            for layer in list(self.back(normalization))[1:]:
                if isinstance(layer, MonteCarloDropout):
                    break  # which drops at inference as well
                if isinstance(layer, _DROPOUTS) and 0 < layer.rate < 1:
                    yield layer, normalization, between
                    break
                if isinstance(layer, _NORMALIZATIONS):
                    break
                if has_kernel(layer):
                    between.append(layer)
                if len(between) > 1:
                    break

    def ending(self, layer: Any) -> tuple[Any, bool]:
        """The activation with which an output ends.

        Returns:
            The activation, None for a linear output; and whether it is known.
        """
        for each in self.back(layer):
            activation = activation_of(each)
            if activation is not None:
                return activation, True
            if has_kernel(each):
                return None, type(each).__module__.startswith(("keras.", "kerastricks."))
            if not isinstance(each, _WITHIN_RANGE):
                break
        return None, False

    def _channel_axis(self, layer: Any) -> int:
        """The layer's own axis of channels, or that of the layer whose output it took."""
        own = channel_axis(layer)
        if own is not None:
            return own
        taken = id(self.inputs[id(layer)])
        shape = tuple(getattr(self.outputs[id(layer)], "shape", ()))
        for before in reversed(self.order[:-1]):
            made = self.outputs[id(before)]
            if id(made) == taken and tuple(made.shape) == shape:
                return self.axes[id(before)]
        return -1
