"""Listens to a forward pass on symbolic tensors, to find out what can be seen of a model."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
from keras import ops

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.activations import GATE, Activation, activation_of
from kerastricks.diagnosis.observation import Loss
from kerastricks.diagnosis.plan import Plan, is_kernel, path_of, unit_axes
from kerastricks.diagnosis.slots import (
    ColumnSlot,
    DropoutSlot,
    InputSlot,
    LayerSlot,
    NormalizationSlot,
    OutputSlot,
    WeightSlot,
)
from kerastricks.diagnosis.statistics import Tensor, first_tensor, is_dense, is_float
from kerastricks.diagnosis.wiring import Wiring


class Rehearsal:
    """Listen to a forward pass on symbolic tensors and work out the plan of observation.

    Args:
        unobserved: Path and reason of what is already known to be out of sight.
        gates: Layers whose output is multiplied with that of another.
    """

    def __init__(self, unobserved: dict[str, str], gates: list[Any]):
        self._unobserved = unobserved
        self._gates = {id(layer) for layer in gates}
        self.start()

    def start(self) -> None:
        """Begin anew: a backend may run the symbolic pass more than once."""
        self._wiring = Wiring()
        # An operation takes time on symbolic tensors too: what fits one output fits its like.
        self._lengths: dict[Any, int] = {}
        self._vectors: dict[int, tuple[Tensor, int]] = {}
        self._failures: dict[str, str] = {}
        # In inference mode within a training step, as in fine-tuning; or with a mask, which the
        # statistics taken here do not know.
        self._apart: set[int] = set()

    def saw(self, layer: Any, inputs: Any, outputs: Any) -> None:
        """Remember what went in and came out, and try to reduce it."""
        if id(layer) in self._wiring.outputs:
            return
        output = first_tensor(outputs)
        self._wiring.add(layer, first_tensor(inputs), output)
        _, options = inputs
        if options.get("training") is False or options.get("mask") is not None:
            self._apart.add(id(layer))
        axis = self._wiring.axes[id(layer)]
        if not _is_observable(layer, output, axis):
            return
        activation = self._activation(layer)
        kind = tuple(output.shape), str(output.dtype), axis, activation
        try:
            if kind not in self._lengths:
                vector = statistics.layer_vector(output, axis, activation)
                self._lengths[kind] = int(vector.shape[0])
            self._vectors[id(layer)] = output, self._lengths[kind]
        except Exception as error:
            self._failures[path_of(layer)] = f"{type(error).__name__} in its statistics"

    def finish(
        self, inputs: Any, outputs: Any, targets: list[Any], losses: list[Loss | None]
    ) -> None:
        """The pass is over: draw up the plan, and let the tensors of the scratch graph go.

        Args:
            inputs: What the model was given.
            outputs: What it put out.
            targets: What it is trained to put out, in the same order; empty where not known.
            losses: The loss of each output.
        """
        wiring = self._wiring
        for layer in wiring.order:
            if id(layer) not in self._vectors:
                continue
            output, _ = self._vectors[id(layer)]
            try:
                ops.negative(output)
            except Exception:
                del self._vectors[id(layer)]
                self._failures[path_of(layer)] = "runs inside a loop"
        predictions = keras.tree.flatten(outputs)
        self._order = {id(layer): i for i, layer in enumerate(wiring.order)}
        self._layers = tuple(self._layer_slots(predictions))
        self._outputs = tuple(self._output_slots(predictions, targets, losses))
        self._inputs = tuple(self._input_slots(keras.tree.flatten(inputs)))
        self._normalizations = tuple(self._normalization_slots())
        self._dropouts = tuple(self._dropout_slots())
        self._wiring = Wiring()
        self._vectors = {}

    def plan(
        self,
        leaves: list[Any],
        weights: list[Any],
        linear: tuple[str, ...],
        output_names: tuple[str, ...],
    ) -> Plan:
        """The plan that the rehearsal led to.

        Args:
            leaves: The layers that were tapped.
            weights: The model's trainable variables.
            linear: See `Observation.linear`.
            output_names: Names of the model's outputs, in their order.
        """
        unobserved = {**self._unobserved, **self._failures}
        for layer in leaves:
            if layer.weights and id(layer) not in self._order:
                unobserved[path_of(layer)] = "is not called in the forward pass"
        return Plan(
            layers=self._layers,
            weights=_beside_their_like(self._weight_slots(leaves, weights)),
            unobserved=unobserved,
            inputs=self._inputs,
            outputs=self._outputs,
            normalizations=self._normalizations,
            dropouts=self._dropouts,
            linear=linear,
            output_names=output_names,
        )

    def _activation(self, layer: Any) -> Activation | None:
        activation = activation_of(layer)
        if activation and id(layer) in self._gates and activation.bounded and activation.low >= 0:
            # From 0 to 1: meant to close, and what it lets through is another layer's signal.
            return Activation(GATE)
        return activation

    def _layer_slots(self, predictions: list[Tensor]) -> Iterator[LayerSlot]:
        wiring = self._wiring
        seen = [layer for layer in wiring.order if id(layer) in self._vectors]
        last = [layer for layer in wiring.last(predictions) if layer is not None]
        # An operation that is no layer, such as a squeeze, may stand behind the last layer.
        heads = {id(each) for layer in last or seen[-1:] for each in wiring.chain(layer)}
        for layer in seen:
            source = wiring.source(layer)
            length = self._vectors[id(layer)][1] - statistics.LAYER_SCALARS
            yield LayerSlot(
                layer=layer,
                path=path_of(layer),
                axis=wiring.axes[id(layer)],
                units=length // statistics.LAYER_ROWS,
                activation=self._activation(layer),
                head=id(layer) in heads,
                source=None if source is None else path_of(source),
            )

    def _output_slots(
        self, predictions: list[Tensor], targets: list[Any], losses: list[Loss | None]
    ) -> Iterator[OutputSlot]:
        last = self._wiring.last(predictions)
        for i, (prediction, layer) in enumerate(zip(predictions, last, strict=True)):
            path = "output" if layer is None else path_of(layer)
            slot = _column_slot(path, prediction)
            if slot is None:
                continue
            activation, known = (None, False) if layer is None else self._wiring.ending(layer)
            yield OutputSlot(
                path=path,
                activation=activation,
                known=known,
                prediction=slot,
                target=_column_slot(path, targets[i]) if targets else None,
                loss=losses[i] if len(losses) == len(predictions) else None,
            )

    def _input_slots(self, inputs: list[Tensor]) -> Iterator[InputSlot]:
        for layer in self._wiring.first_kernels(inputs):
            slot = _column_slot(path_of(layer), self._wiring.inputs[id(layer)])
            behind = self._wiring.normalization_behind(layer)
            if slot is not None:
                yield InputSlot(layer, slot, None if behind is None else path_of(behind))

    def _normalization_slots(self) -> Iterator[NormalizationSlot]:
        for layer in self._wiring.batch_normalizations():
            if layer.trainable and id(layer) not in self._apart:
                channels = int(layer.moving_mean.shape[0])
                yield NormalizationSlot(layer, path_of(layer), layer.axis, channels)

    def _dropout_slots(self) -> Iterator[DropoutSlot]:
        for layer, normalization, between in self._wiring.dropouts():
            axis = self._wiring.axes[id(layer)]
            units = self._wiring.outputs[id(layer)].shape[axis]
            if units is not None and not {id(layer), id(normalization)} & self._apart:
                yield DropoutSlot(
                    layer=layer,
                    path=path_of(layer),
                    axis=axis,
                    units=int(units),
                    normalization=path_of(normalization),
                    between=tuple(path_of(each) for each in between),
                )

    def _weight_slots(self, leaves: list[Any], weights: list[Any]) -> Iterator[WeightSlot]:
        owners: dict[int, Any] = {}
        for layer in leaves:  # inner layers come before the layer that holds them
            for weight in layer.trainable_variables:
                owners.setdefault(id(weight), layer)
        for weight in weights:
            layer = owners.get(id(weight))
            kernel, axes = is_kernel(weight), unit_axes(layer, weight)
            units = math.prod(int(weight.shape[axis]) for axis in axes or (-1,)) if kernel else 0
            yield WeightSlot(
                weight=weight,
                path=str(weight.path),
                layer=path_of(layer) if layer is not None else str(weight.path),
                order=self._order.get(id(layer), len(self._order)),
                kernel=kernel,
                unit_axes=axes,
                units=units,
            )


def _beside_their_like(slots: Iterable[WeightSlot]) -> tuple[WeightSlot, ...]:
    """Weights in an order in which those that are reduced together stand together."""
    groups: dict[Any, list[WeightSlot]] = {}
    for slot in slots:
        groups.setdefault((tuple(slot.weight.shape), slot.unit_axes), []).append(slot)
    return tuple(sorted(itertools.chain(*groups.values()), key=lambda slot: slot.small))


class _OnShapes(keras.Operation):
    """A function as an operation, whose outputs Keras computes on shapes alone."""

    def __init__(self, function: Callable[[Any], Any]):
        super().__init__()
        self.function = function
        self.error: Exception | None = None

    def call(self, x: Any) -> Any:
        try:
            return self.function(x)
        except Exception as error:
            self.error = error  # Keras quotes it in a text of its own
            raise


def on_shapes(function: Callable[[Any], Any], x: Any) -> None:
    """Run a function on symbolic tensors, without any values."""
    operation = _OnShapes(function)
    try:
        operation.compute_output_spec(x)
    except Exception:
        if operation.error is None:
            raise
        raise operation.error from None


def _is_observable(layer: Any, output: Tensor, axis: int) -> bool:
    return (
        output is not None
        and is_float(output)
        and len(output.shape) >= 2
        and output.shape[axis] is not None
        and bool(layer.weights or activation_of(layer))
    )


def _column_slot(path: str, tensor: Any) -> ColumnSlot | None:
    """The slot of a tensor of data; None for what is no plain tensor of numbers."""
    shape = getattr(tensor, "shape", None)
    if shape is None or not hasattr(tensor, "dtype") or len(shape) == 0:
        return None
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if not is_dense(tensor):
        return None
    if not dtype.startswith(("float", "bfloat", "int", "uint", "bool")):
        return None
    sizes = (None if size is None else int(size) for size in shape[1:])
    return ColumnSlot(path, dtype, tuple(sizes))
