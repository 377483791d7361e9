"""Listens to one observed training step and carries its numbers to the variables."""

from typing import Any

import keras
from keras import ops

from kerastricks.diagnosis import statistics, steps
from kerastricks.diagnosis.plan import FORWARD_TAIL, Plan
from kerastricks.diagnosis.slots import (
    ColumnSlot,
    InputSlot,
    LayerSlot,
    NormalizationSlot,
    WeightSlot,
)
from kerastricks.diagnosis.statistics import Tensor, first_tensor, is_float


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
        self._slots: dict[int, list[Any]] = {}
        slots: list[Any] = [*plan.layers, *plan.normalizations, *plan.dropouts, *plan.inputs]
        for slot in slots:
            self._slots.setdefault(id(slot.layer), []).append(slot)
        self._blocks: dict[int, Tensor] = {}
        self._weights: list[Tensor] = []
        self._before: list[Tensor] = []
        self._positions: list[int | None] = []
        self._vector: Tensor = None
        self._stateless = keras.backend.backend() == "jax"

    def saw(self, layer: Any, inputs: Any, outputs: Any) -> None:
        """Reduce what went in and came out; a shared layer's calls add up."""
        for slot in self._slots.get(id(layer), []):
            if isinstance(slot, LayerSlot):
                block = statistics.layer_vector(first_tensor(outputs), slot.axis, slot.activation)
                self._add(slot, block)
            elif isinstance(slot, InputSlot):
                self._add(
                    slot.data, statistics.column_vector(first_tensor(inputs), slot.data.columns)
                )
            else:
                block = statistics.moments_vector(first_tensor(inputs), slot.axis)
                if isinstance(slot, NormalizationSlot):
                    averages = (layer.moving_mean, layer.moving_variance)
                    moving = [ops.cast(average, "float32") for average in averages]
                    block = ops.concatenate([block, *moving])
                self._add(slot, block)

    def saw_loss(self, x: Any, y: Any, y_pred: Any, loss: Tensor) -> None:
        """Write the forward vector."""
        bad = ops.zeros(())
        for tensor in keras.tree.flatten(x):
            if is_float(tensor):
                bad = bad + statistics.nonfinite(tensor)
        predictions = keras.tree.flatten(y_pred)
        targets = steps.in_order(y, y_pred, self._plan.output_names)
        for i, slot in enumerate(self._plan.outputs):
            if len(predictions) == len(self._plan.outputs):
                self._add_columns(slot.prediction, predictions[i])
            if slot.target is not None and len(targets) == len(self._plan.outputs):
                self._add_columns(slot.target, targets[i])
        loss = ops.cast(ops.stop_gradient(loss), "float32")
        self._write_forward(ops.stack([ops.ones(()), loss, bad]))

    def _add_columns(self, slot: ColumnSlot, data: Tensor) -> None:
        self._add(slot, statistics.column_vector(data, slot.columns))

    def _add(self, slot: Any, block: Tensor) -> None:
        before = self._blocks.get(id(slot))
        self._blocks[id(slot)] = block if before is None else before + block

    def _write_forward(self, tail: Tensor) -> None:
        blocks = [
            self._blocks[id(slot)] if id(slot) in self._blocks else ops.zeros((slot.length,))
            for slot in self._plan.forward
        ]
        self._forward.assign(ops.concatenate([*blocks, tail]))
        self._blocks = {}

    def saw_gradients(
        self, variables: list[Any], values: list[Tensor], gradients: list[Any], scale: Any
    ) -> None:
        """Reduce gradients and weights before the update."""
        if self._blocks and not self._stateless:
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
