"""What is observed of a model, and where each number lies in the flat vectors on the device."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.observation import (
    LayerStatistics,
    Observation,
    Vector,
    WeightStatistics,
)

FORWARD_TAIL = 3
"""Numbers after the layers' blocks: calls, summed loss, non-finite inputs."""
BACKWARD_TAIL = 1
"""Numbers after the weights' blocks: calls."""


@dataclass(frozen=True, slots=True)
class LayerSlot:
    """One observed layer: how to read its output."""

    layer: Any
    path: str
    axis: int
    units: int
    activation: Activation | None
    head: bool
    source: str | None

    @property
    def length(self) -> int:
        """Numbers that the layer contributes."""
        return statistics.LAYER_SCALARS + statistics.LAYER_ROWS * self.units


@dataclass(frozen=True, slots=True)
class WeightSlot:
    """One trainable weight: which axes of it are units, when in the forward pass it is used."""

    weight: Any
    path: str
    layer: str
    order: int
    kernel: bool
    unit_axes: tuple[int, ...] | None
    units: int

    @property
    def length(self) -> int:
        """Numbers that the weight contributes, its update aside."""
        rows = statistics.KERNEL_ROWS * self.units if self.unit_axes else 0
        return statistics.WEIGHT_SCALARS + rows


@dataclass(frozen=True)
class Plan:
    """The observed layers in the order in which they run, and the trainable weights."""

    layers: tuple[LayerSlot, ...]
    weights: tuple[WeightSlot, ...]
    unobserved: dict[str, str] = field(default_factory=dict)

    @property
    def forward_length(self) -> int:
        """Length of the vector written after the forward pass."""
        return sum(slot.length for slot in self.layers) + FORWARD_TAIL

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
        return Observation(
            step=step,
            at_start=at_start,
            loss=float(loss / calls) if calls else None,
            input_nonfinite=int(input_nonfinite),
            layers=tuple(self._layers(forward)),
            weights=tuple(self._weights(backward)),
            loss_scaled=loss_scaled,
        )

    def _layers(self, vector: Vector) -> list[LayerStatistics]:
        found, start = [], 0
        for slot in self.layers:
            block = vector[start : start + slot.length]
            start += slot.length
            examples, samples, nonfinite = block[: statistics.LAYER_SCALARS]
            if samples == 0:
                continue
            total, deviations, events = np.split(
                block[statistics.LAYER_SCALARS :], statistics.LAYER_ROWS
            )
            found.append(
                LayerStatistics(
                    path=slot.path,
                    activation=slot.activation,
                    head=slot.head,
                    source=slot.source,
                    examples=int(examples),
                    samples=int(samples),
                    mean=total / samples,
                    variance=deviations / samples,
                    events=events / samples,
                    nonfinite=int(nonfinite),
                )
            )
        return found

    def _weights(self, vector: Vector) -> list[WeightStatistics]:
        calls = vector[-BACKWARD_TAIL]
        if not calls:
            return []
        updates = vector[-BACKWARD_TAIL - len(self.weights) : -BACKWARD_TAIL] / calls
        found: list[tuple[int, WeightStatistics]] = []
        start = 0
        for slot, update in zip(self.weights, updates, strict=True):
            block = vector[start : start + slot.length] / calls
            start += slot.length
            if block[0] < 0:
                continue  # see `statistics.unseen`
            gradient, norm, nonfinite = block[: statistics.WEIGHT_SCALARS]
            rows: list[Vector | None] = [None, None, None]
            if slot.unit_axes:
                squares, first, second, gradients = np.split(
                    block[statistics.WEIGHT_SCALARS :], statistics.KERNEL_ROWS
                )
                rows = [np.sqrt(squares), np.stack([first, second]), gradients]
            seen = WeightStatistics(
                path=slot.path,
                layer=slot.layer,
                kernel=slot.kernel,
                units=slot.units,
                norm=float(np.sqrt(norm)),
                gradient=float(np.sqrt(gradient)),
                update=float(np.sqrt(update)),
                nonfinite=int(np.ceil(nonfinite)),
                unit_gradient=rows[0],
                unit_signature=rows[1],
                unit_gradient_signature=rows[2],
            )
            found.append((slot.order, seen))
        return [seen for _, seen in sorted(found, key=lambda pair: pair[0])]


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
