"""What listens to the taps: a rehearsal finds out what can be seen, a recording sees a step."""

import math
from typing import Any

import keras
from keras import ops

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.activations import GATE, Activation, activation_of
from kerastricks.diagnosis.plan import (
    FORWARD_TAIL,
    LayerSlot,
    Plan,
    WeightSlot,
    channel_axis,
    is_kernel,
    path_of,
    unit_axes,
)
from kerastricks.diagnosis.statistics import Tensor


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
        self._order: list[Any] = []
        self._outputs: dict[int, Tensor] = {}
        self._inputs: dict[int, Tensor] = {}
        self._axes: dict[int, int] = {}
        self._vectors: dict[int, Tensor] = {}
        self._heads: set[int] = set()
        self._failures: dict[str, str] = {}

    def saw(self, layer: Any, inputs: Any, outputs: Any) -> None:
        """Remember what went in and came out, and try to reduce it."""
        if id(layer) in self._outputs:
            return
        self._order.append(layer)
        output = _first(outputs)
        self._outputs[id(layer)] = output
        self._inputs[id(layer)] = _first(inputs)
        axis = self._axes[id(layer)] = self._channel_axis(layer, output)
        if not _is_observable(layer, output, axis):
            return
        try:
            vector = statistics.layer_vector(output, axis, self._activation(layer))
            self._vectors[id(layer)] = vector
        except Exception as error:
            self._failures[path_of(layer)] = f"{type(error).__name__} in its statistics"

    def finish(self, outputs: Any) -> None:
        """The pass is over: find the head, and what can be read from out here."""
        final = {id(tensor) for tensor in keras.tree.flatten(outputs)}
        made_by = self._made_by()
        last = [layer for layer in self._order if id(self._outputs[id(layer)]) in final]
        # An operation that is no layer, such as a squeeze, may stand behind the last layer.
        for layer in last or [x for x in self._order if id(x) in self._vectors][-1:]:
            self._heads.update(id(each) for each in self._chain(layer, made_by))
        for layer in self._order:
            vector = self._vectors.get(id(layer))
            if vector is None:
                continue
            try:
                ops.add(vector, 1.0)
            except Exception:
                del self._vectors[id(layer)]
                self._failures[path_of(layer)] = "runs inside a loop"
        self._sources = {id(each): self._source(each, made_by) for each in self._order}
        self._units = {
            key: (int(vector.shape[0]) - statistics.LAYER_SCALARS) // statistics.LAYER_ROWS
            for key, vector in self._vectors.items()
        }
        # The tensors belong to a scratch graph; let them go.
        self._outputs.clear()
        self._inputs.clear()
        self._vectors.clear()

    def plan(self, leaves: list[Any], weights: list[Any]) -> Plan:
        """The plan that the rehearsal led to.

        Args:
            leaves: The layers that were tapped.
            weights: The model's trainable variables.
        """
        called = {id(layer) for layer in self._order}
        unobserved = {**self._unobserved, **self._failures}
        for layer in leaves:
            if layer.weights and id(layer) not in called:
                unobserved[path_of(layer)] = "is not called in the forward pass"
        layers = tuple(
            LayerSlot(
                layer=layer,
                path=path_of(layer),
                axis=self._axes[id(layer)],
                units=self._units[id(layer)],
                activation=self._activation(layer),
                head=id(layer) in self._heads,
                source=self._sources[id(layer)],
            )
            for layer in self._order
            if id(layer) in self._units
        )
        return Plan(layers, tuple(self._weights(leaves, weights)), unobserved)

    def _channel_axis(self, layer: Any, output: Tensor) -> int:
        """The layer's own axis of channels, or that of the layer whose output it took."""
        own = channel_axis(layer)
        if own is not None:
            return own
        taken = id(self._inputs[id(layer)])
        for before in reversed(self._order[:-1]):
            made = self._outputs[id(before)]
            if id(made) == taken and tuple(made.shape) == tuple(output.shape):
                return self._axes[id(before)]
        return -1

    def _activation(self, layer: Any) -> Activation | None:
        activation = activation_of(layer)
        if activation and id(layer) in self._gates and activation.bounded and activation.low >= 0:
            # From 0 to 1: meant to close, and what it lets through is another layer's signal.
            return Activation(GATE)
        return activation

    def _weights(self, leaves: list[Any], weights: list[Any]) -> list[WeightSlot]:
        order = {id(layer): i for i, layer in enumerate(self._order)}
        owners: dict[int, Any] = {}
        for layer in leaves:  # inner layers come before the layer that holds them
            for weight in layer.trainable_variables:
                owners.setdefault(id(weight), layer)
        slots = []
        for weight in weights:
            layer = owners.get(id(weight))
            kernel, axes = is_kernel(weight), unit_axes(layer, weight)
            units = math.prod(int(weight.shape[axis]) for axis in axes or (-1,)) if kernel else 0
            slots.append(
                WeightSlot(
                    weight=weight,
                    path=str(weight.path),
                    layer=path_of(layer) if layer is not None else str(weight.path),
                    order=order.get(id(layer), len(order)),
                    kernel=kernel,
                    unit_axes=axes,
                    units=units,
                )
            )
        return slots

    def _made_by(self) -> dict[int, Any]:
        return {id(self._outputs[id(layer)]): layer for layer in self._order}

    def _chain(self, layer: Any, made_by: dict[int, Any]) -> list[Any]:
        """The layer and those before it, back to the nearest one with a kernel."""
        chain = [layer]
        while not _has_kernel(chain[-1]):
            before = made_by.get(id(self._inputs[id(chain[-1])]))
            if before is None or before in chain:
                break
            chain.append(before)
        return chain

    def _source(self, layer: Any, made_by: dict[int, Any]) -> str | None:
        last = self._chain(layer, made_by)[-1]
        return path_of(last) if _has_kernel(last) else None


class Recording:
    """Carry the numbers of one observed step from where they arise to the variables.

    Args:
        plan: What is observed.
        forward: Variable of length `plan.forward_length`.
        backward: Variable of length `plan.backward_length`.
    """

    def __init__(self, plan: Plan, forward: Any, backward: Any):
        self._plan = plan
        self._forward = forward
        self._backward = backward
        self._index = {id(slot.layer): i for i, slot in enumerate(plan.layers)}
        self._layers: dict[int, Tensor] = {}
        self._weights: list[Tensor] = []
        self._before: list[Tensor] = []
        self._positions: list[int | None] = []
        self._vector: Tensor = None
        self._stateless = keras.backend.backend() == "jax"

    def saw(self, layer: Any, inputs: Any, outputs: Any) -> None:
        """Reduce the layer's output; a shared layer's calls add up."""
        del inputs
        index = self._index.get(id(layer))
        if index is None:
            return
        slot = self._plan.layers[index]
        vector = statistics.layer_vector(_first(outputs), slot.axis, slot.activation)
        self._layers[index] = vector + self._layers[index] if index in self._layers else vector

    def saw_loss(self, inputs: Any, loss: Tensor) -> None:
        """Write the forward vector."""
        bad = ops.zeros(())
        for tensor in keras.tree.flatten(inputs):
            if _is_float(tensor):
                bad = bad + statistics.nonfinite(tensor)
        loss = ops.cast(ops.stop_gradient(loss), "float32")
        self._write_forward(ops.stack([ops.ones(()), loss, bad]))

    def _write_forward(self, tail: Tensor) -> None:
        blocks = [
            self._layers[i] if i in self._layers else ops.zeros((slot.length,))
            for i, slot in enumerate(self._plan.layers)
        ]
        self._forward.assign(ops.concatenate([*blocks, tail]))
        self._layers = {}

    def saw_gradients(
        self, variables: list[Any], values: list[Tensor], gradients: list[Any], scale: Any
    ) -> None:
        """Reduce gradients and weights before the update."""
        if self._layers and not self._stateless:
            # A `train_step` of the user's own, without `compute_loss`.
            self._write_forward(ops.zeros((FORWARD_TAIL,)))
        order = {id(variable): i for i, variable in enumerate(variables)}
        self._positions = [order.get(id(slot.weight)) for slot in self._plan.weights]
        self._weights, self._before = [], []
        for slot, position in zip(self._plan.weights, self._positions, strict=True):
            gradient = None if position is None else gradients[position]
            if gradient is None or position is None:
                self._weights.append(statistics.unseen(slot.length))
                self._before.append(None)
                continue
            self._weights.append(_weight_block(slot, values[position], gradient, scale))
            self._before.append(values[position])

    def saw_weights(self, values: list[Tensor]) -> None:
        """Measure how far each weight moved."""
        moved = [
            ops.zeros(())
            if before is None or position is None
            else statistics.squared_distance(values[position], before)
            for before, position in zip(self._before, self._positions, strict=True)
        ]
        self._vector = ops.concatenate([*self._weights, ops.stack(moved), ops.ones((1,))])
        self._weights, self._before = [], []
        if not self._stateless:
            self.saw_end()

    def saw_end(self) -> None:
        """Write the backward vector, where it is not written yet.

        On JAX the weights change outside the scope in which variables can be written.
        """
        if self._vector is not None:
            self._backward.assign(self._vector)
            self._vector = None


def _weight_block(slot: WeightSlot, weight: Tensor, gradient: Any, scale: Any) -> Tensor:
    if type(gradient).__name__ == "IndexedSlices":
        # TensorFlow gives an embedding's gradient as rows and their places, some places twice.
        places = ops.expand_dims(gradient.indices, -1)
        gradient = ops.scatter(places, gradient.values, tuple(weight.shape))
    block = statistics.weight_vector(weight, gradient, scale)
    if slot.unit_axes is None:
        return block
    rows = statistics.kernel_vector(weight, gradient, scale, slot.unit_axes)
    return ops.concatenate([block, rows])


def _first(structure: Any) -> Tensor:
    tensors = [t for t in keras.tree.flatten(structure) if hasattr(t, "dtype")]
    return tensors[0] if tensors else None


def _is_float(tensor: Any) -> bool:
    return hasattr(tensor, "dtype") and "float" in keras.backend.standardize_dtype(tensor.dtype)


def _is_observable(layer: Any, output: Tensor, axis: int) -> bool:
    return (
        output is not None
        and _is_float(output)
        and len(output.shape) >= 2
        and output.shape[axis] is not None
        and bool(layer.weights or activation_of(layer))
    )


def _has_kernel(layer: Any) -> bool:
    return any(is_kernel(weight) for weight in layer.weights)
