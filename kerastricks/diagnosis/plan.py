"""What is observed of a model, and where each number lies in the flat vectors on the device."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from kerastricks.diagnosis.observation import (
    InputStatistics,
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
"""Numbers after the blocks of the forward pass: calls, summed loss, non-finite inputs."""
BACKWARD_TAIL = 1
"""Numbers after the weights' blocks: calls."""

ForwardSlot = LayerSlot | NormalizationSlot | DropoutSlot | ColumnSlot


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

    @property
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

    @property
    def forward_length(self) -> int:
        """Length of the vector written after the forward pass."""
        return sum(slot.length for slot in self.forward) + FORWARD_TAIL

    @property
    def backward_length(self) -> int:
        """Length of the vector written after the update."""
        return sum(slot.length + 1 for slot in self.weights) + BACKWARD_TAIL

    def read(
        self, step: int, forward: Vector, backward: Vector, *, at_start: bool, loss_scaled: bool
    ) -> Observation:
        """Turn the two flat vectors of one step into an observation.

        The vectors hold sums over calls and replicas; reading them makes rates and means of them.
        """
        calls, loss, input_nonfinite = forward[-FORWARD_TAIL:]
        blocks = _blocks(self.forward, forward)
        read: dict[int, Any] = {id(slot): slot.read(next(blocks)) for slot in self.forward}

        def seen(slots: Iterable[Any]) -> Iterator[Any]:
            return (read[id(slot)] for slot in slots if read[id(slot)] is not None)

        return Observation(
            step=step,
            at_start=at_start,
            loss=float(loss / calls) if calls else None,
            input_nonfinite=int(input_nonfinite),
            layers=tuple(seen(self.layers)),
            weights=tuple(self._weights(backward)),
            loss_scaled=loss_scaled,
            inputs=tuple(
                InputStatistics(slot.data.path, read[id(slot.data)], slot.normalization)
                for slot in self.inputs
                if read[id(slot.data)] is not None
            ),
            outputs=tuple(
                OutputStatistics(
                    path=slot.path,
                    activation=slot.activation,
                    known=slot.known,
                    prediction=read[id(slot.prediction)],
                    target=None if slot.target is None else read[id(slot.target)],
                    loss=slot.loss,
                )
                for slot in self.outputs
                if read[id(slot.prediction)] is not None
            ),
            normalizations=tuple(seen(self.normalizations)),
            dropouts=tuple(seen(self.dropouts)),
            linear=self.linear,
        )

    def _weights(self, vector: Vector) -> list[WeightStatistics]:
        calls = vector[-BACKWARD_TAIL]
        if not calls:
            return []
        updates = vector[-BACKWARD_TAIL - len(self.weights) : -BACKWARD_TAIL] / calls
        blocks = _blocks(self.weights, vector / calls)
        found: list[tuple[int, WeightStatistics]] = []
        for slot, update in zip(self.weights, updates, strict=True):
            seen = slot.read(next(blocks), update)
            if seen is not None:
                found.append((slot.order, seen))
        return [seen for _, seen in sorted(found, key=lambda pair: pair[0])]


def _blocks(slots: Iterable[Any], vector: Vector) -> Iterator[Vector]:
    start = 0
    for slot in slots:
        yield vector[start : start + slot.length]
        start += slot.length


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
