"""What is observed of a model, and where each number lies in the flat vector on the device."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.later import Later
from kerastricks.diagnosis.observation import (
    InputStatistics,
    LayerStatistics,
    Observation,
    OutputStatistics,
    Vector,
    WeightStatistics,
)
from kerastricks.diagnosis.slots import (
    ColumnSlot,
    DropoutSlot,
    InputSlot,
    LayerSlot,
    NormalizationSlot,
    OutputSlot,
    WeightSlot,
)

FORWARD_TAIL = 3
"""Numbers after the blocks of the forward pass: calls, summed loss, looks so far.

Counts of NaN follow, of each layer and of the inputs.
"""
BACKWARD_TAIL = 1
"""Numbers after the weights' blocks, counts and updates: calls."""

ForwardSlot = LayerSlot | NormalizationSlot | DropoutSlot | ColumnSlot
Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """The observed layers in the order in which they run, the trainable weights, and the data.

    Attributes:
        layers: Layers whose outputs are seen.
        weights: Trainable weights.
        unobserved: What cannot be seen, as path and reason.
        inputs: First kernels.
        outputs: The model's outputs.
        normalizations: Batch normalizations.
        dropouts: Dropouts with a batch normalization behind them.
        linear: See `Observation.linear`.
        output_names: Names of the model's outputs, in their order, where it has such.
    """

    layers: tuple[LayerSlot, ...] = ()
    weights: tuple[WeightSlot, ...] = ()
    unobserved: dict[str, str] = field(default_factory=dict)
    inputs: tuple[InputSlot, ...] = ()
    outputs: tuple[OutputSlot, ...] = ()
    normalizations: tuple[NormalizationSlot, ...] = ()
    dropouts: tuple[DropoutSlot, ...] = ()
    linear: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()

    @property
    def tapped(self) -> list[Any]:
        """The layers whose calls are listened to, each once."""
        slots: list[Any] = [*self.layers, *self.normalizations, *self.dropouts, *self.inputs]
        return list({id(slot.layer): slot.layer for slot in slots}.values())

    @cached_property
    def forward(self) -> tuple[ForwardSlot, ...]:
        """The slots whose blocks the forward pass fills, in the order of the vector."""
        return (
            *self.layers,
            *self.normalizations,
            *self.dropouts,
            *(slot.data for slot in self.inputs),
            *(slot.prediction for slot in self.outputs),
            *(slot.target for slot in self.outputs if slot.target is not None),
        )

    @cached_property
    def parts(self) -> dict[int, slice]:
        """Where the block of each slot lies in its half of the vector, by the slot's `id`."""
        return {**_laid_out(self.forward), **_laid_out(self.weights)}

    @cached_property
    def calls_at(self) -> int:
        """Where the forward half says how many times the loss was computed."""
        return sum(slot.length for slot in self.forward)

    @cached_property
    def counts_at(self) -> int:
        """Where the other half goes on with counts of NaN, then with squared updates."""
        return sum(slot.length for slot in self.weights)

    @cached_property
    def forward_length(self) -> int:
        """Numbers that are written after the forward pass."""
        return self.calls_at + FORWARD_TAIL + len(self.layers) + 1

    @cached_property
    def backward_length(self) -> int:
        """Numbers that are written after the update."""
        return self.counts_at + 2 * len(self.weights) + BACKWARD_TAIL

    @property
    def length(self) -> int:
        """Length of the flat vector: the numbers of the forward pass, then those of the update."""
        return self.forward_length + self.backward_length

    def read(self, step: int, numbers: Numbers) -> Observation:
        """Turn the flat vector of one step into an observation.

        It holds sums over calls and replicas; reading makes rates and means of them, once somebody
        asks.
        """
        forward, backward = self.halves(numbers)
        calls, loss, _ = forward[self.calls_at : self.calls_at + FORWARD_TAIL]
        return Observation(
            step=step,
            loss=float(loss / calls) if calls else None,
            input_nonfinite=int(forward[-1]),
            layers=Later(lambda: self._layers(forward)),
            weights=Later(lambda: self._weights(backward)),
            inputs=Later(lambda: self._inputs(forward)),
            outputs=Later(lambda: self._outputs(forward)),
            normalizations=Later(lambda: self._seen(self.normalizations, forward)),
            dropouts=Later(lambda: self._seen(self.dropouts, forward)),
            linear=self.linear,
        )

    def joined(self, parts: list[Numbers]) -> Numbers:
        """One vector of those of several replicas, as if one had seen all examples."""
        with np.errstate(all="ignore"):  # of numbers that are not finite, which rules look for
            return self._joined(parts)

    def _joined(self, parts: list[Numbers]) -> Numbers:
        # A last batch may leave nothing for some, whose means are those of no numbers.
        seen = [part for part in parts if self._examples(part)] or parts
        weights = np.array([self._examples(part) for part in seen]) / sum(map(self._examples, seen))
        numbers = np.asarray(np.sum(seen, axis=0, dtype=np.float64))
        for slot in self.forward:
            blocks = np.array([part[self.parts[id(slot)]] for part in seen], np.float64)
            numbers[self.parts[id(slot)]] = slot.joined(blocks, weights)
        losses = [part[self.calls_at + 1] / (part[self.calls_at] or 1) for part in seen]
        numbers[self.calls_at + 1] = numbers[self.calls_at] * (weights @ losses)
        numbers[self.forward_length :] = np.sum([part[self.forward_length :] for part in parts], 0)
        return np.asarray(numbers, np.float32)

    def _examples(self, part: Numbers) -> float:
        """The examples that a replica has seen."""
        return float(max(part[self.parts[id(slot)]][0] for slot in self.layers))

    def halves(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """The numbers of the forward pass, and those of the update."""
        return numbers[: self.forward_length], numbers[self.forward_length :]

    def _block(self, slot: Any, vector: Numbers) -> Vector:
        return vector[self.parts[id(slot)]].astype(np.float64)

    def _seen(self, slots: Iterable[Any], forward: Numbers) -> Iterator[Any]:
        read = (slot.read(self._block(slot, forward)) for slot in slots)
        return (seen for seen in read if seen is not None)

    def _layers(self, forward: Numbers) -> Iterator[LayerStatistics]:
        counts = forward[self.calls_at + FORWARD_TAIL :]
        for slot, count in zip(self.layers, counts, strict=False):
            seen = slot.read(self._block(slot, forward), int(count))
            if seen is not None:
                yield seen

    def _inputs(self, forward: Numbers) -> Iterator[InputStatistics]:
        for slot in self.inputs:
            seen = slot.data.read(self._block(slot.data, forward))
            if seen is not None:
                yield InputStatistics(slot.data.path, seen, slot.normalization)

    def _outputs(self, forward: Numbers) -> Iterator[OutputStatistics]:
        for slot in self.outputs:
            prediction = slot.prediction.read(self._block(slot.prediction, forward))
            if prediction is None:
                continue
            target = None
            if slot.target is not None:
                target = slot.target.read(self._block(slot.target, forward))
            yield slot.read(prediction, target)

    def _weights(self, backward: Numbers) -> Iterator[WeightStatistics]:
        calls = backward[-BACKWARD_TAIL]
        if not calls:
            return
        counts, updates = backward[self.counts_at : -BACKWARD_TAIL].reshape(2, -1) / calls
        for i in self._order:
            slot = self.weights[i]
            seen = slot.read(self._block(slot, backward) / calls, counts[i], updates[i])
            if seen is not None:
                yield seen

    @cached_property
    def _order(self) -> list[int]:
        """The weights in the order in which the forward pass uses them."""
        return sorted(range(len(self.weights)), key=lambda i: self.weights[i].order)


def _laid_out(slots: Iterable[Any]) -> dict[int, slice]:
    ends = list(accumulate((slot.length for slot in slots), initial=0))
    return {id(s): slice(a, b) for s, (a, b) in zip(slots, pairwise(ends), strict=True)}


def path_of(layer: Any) -> str:
    """A layer's path; its name while it has none."""
    return str(layer.path or layer.name)


def channel_axis(layer: Any) -> int | None:
    """The axis of a layer's output whose entries are its units; None where it does not say."""
    if hasattr(layer, "data_format"):
        return 1 if layer.data_format == "channels_first" else -1
    axis = getattr(layer, "axis", None)
    return axis if isinstance(axis, int) else None


def is_kernel(weight: Any) -> bool:
    """True for the weights that multiply a layer's inputs, tables of embeddings included."""
    return str(weight.name).endswith(("kernel", "embeddings")) and len(weight.shape) >= 2


def has_kernel(layer: Any) -> bool:
    """True for the layers that have such a weight."""
    return any(is_kernel(weight) for weight in layer.weights)


def unit_axes(layer: Any, weight: Any) -> tuple[int, ...] | None:
    """The axes of a kernel that run over its layer's units.

    Returns:
        Axes counted from the end; None when the layer's kind is not known to have them.
    """
    if weight.name != "kernel":
        return None
    if isinstance(layer, _TRANSPOSED):
        return (-2,)
    if isinstance(layer, _DEPTHWISE):
        return (-2, -1)
    return (-1,) if isinstance(layer, _PLAIN) else None


_PLAIN = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
