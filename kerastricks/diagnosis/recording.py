"""Listens to one observed training step and carries its numbers to a variable."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerastricks.diagnosis import statistics, steps
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.slots import (
    ColumnSlot,
    InputSlot,
    LayerSlot,
    NormalizationSlot,
    WeightSlot,
)
from kerastricks.diagnosis.statistics import Tensor, first_tensor, is_float
from kerastricks.diagnosis.together import Group, groups_of, moved, reduced

INPUT_LOOKS = 128
"""Looks in which the inputs are seen: as many as are pooled for a remedy."""


class Recording:
    """Carry the numbers of one observed step from where they arise to the variable.

    Args:
        plan: What is observed.
        variable: Where they are written to, of length `plan.length`.

    Attributes:
        numbers: What has been written last; None before anything was.
    """

    def __init__(self, plan: Plan, variable: Any):
        self.numbers: Tensor = None
        self._plan = plan
        self._variable = variable
        self._slots: dict[int, list[Any]] = {}
        slots: list[Any] = [*plan.layers, *plan.normalizations, *plan.dropouts, *plan.inputs]
        for slot in slots:
            self._slots.setdefault(id(slot.layer), []).append(slot)
        self._reductions: dict[Any, Callable[[Tensor], Tensor]] = {}
        self._blocks: dict[int, Tensor] = {}
        self._outputs: dict[int, list[Tensor]] = {}
        self._inputs: dict[int, list[Tensor]] = {}
        self._weights: list[Tensor] = []
        self._before: list[Tensor] = []
        self._positions: list[int | None] = []
        self._groups: list[Group] = []
        self._moves: dict[int, list[Tensor]] = {}
        self._vector: Tensor = None
        self._stateless = keras.backend.backend() == "jax"

    def saw(self, layer: Any, inputs: Any, outputs: Any) -> None:
        """Reduce what went in and came out; a shared layer's calls add up."""
        for slot in self._slots.get(id(layer), []):
            if isinstance(slot, LayerSlot):
                output = ops.stop_gradient(first_tensor(outputs))
                self._outputs.setdefault(id(slot), []).append(output)
                self._add(slot, self._layer_reduction(slot)(output))
            elif isinstance(slot, InputSlot):
                given = ops.stop_gradient(first_tensor(inputs))
                self._inputs.setdefault(id(slot.data), []).append(given)
            else:
                block = statistics.moments_vector(first_tensor(inputs), slot.axis)
                if isinstance(slot, NormalizationSlot):
                    averages = (layer.moving_mean, layer.moving_variance)
                    moving = [ops.cast(average, "float32") for average in averages]
                    block = ops.concatenate([block, *moving])
                self._add(slot, block)

    def _layer_reduction(self, slot: LayerSlot) -> Callable[[Tensor], Tensor]:
        axis, activation = slot.axis, slot.activation
        if (axis, activation) not in self._reductions:
            self._reductions[axis, activation] = steps.traced_once(
                lambda output: statistics.layer_vector(output, axis, activation)
            )
        return self._reductions[axis, activation]

    def saw_loss(self, x: Any, y: Any, y_pred: Any, loss: Tensor) -> None:
        """Write the forward vector."""
        predictions = keras.tree.flatten(y_pred)
        targets = steps.in_order(y, y_pred, self._plan.output_names)
        for i, slot in enumerate(self._plan.outputs):
            if len(predictions) == len(self._plan.outputs):
                self._add_columns(slot.prediction, predictions[i])
            if slot.target is not None and len(targets) == len(self._plan.outputs):
                self._add_columns(slot.target, targets[i])
        # Keras divides what each replica adds to the gradient by their number.
        loss = ops.cast(ops.stop_gradient(loss), "float32") * steps.replicas()
        given = [ops.stop_gradient(each) for each in keras.tree.flatten(x) if is_float(each)]
        self._write_forward([ops.ones((), "float32"), loss], given)

    def _add_columns(self, slot: ColumnSlot, data: Tensor) -> None:
        self._add(slot, statistics.column_vector(data, slot.columns))

    def _add_inputs(self, looks: Tensor) -> None:
        """Reduce what the first kernels get, in the first looks only: data are large, and stay."""
        slots = [slot.data for slot in self._plan.inputs if id(slot.data) in self._inputs]
        if not slots:
            return

        def reduced() -> Tensor:
            columns = [
                sum(statistics.column_vector(data, slot.columns) for data in self._inputs[id(slot)])
                for slot in slots
            ]
            return ops.concatenate(columns)

        length = sum(slot.length for slot in slots)
        enough = looks >= INPUT_LOOKS
        blocks = ops.cond(enough, lambda: ops.zeros((length,), "float32"), reduced)
        start = 0
        for slot in slots:
            self._add(slot, blocks[start : start + slot.length])
            start += slot.length
        self._inputs = {}

    def _add(self, slot: Any, block: Tensor) -> None:
        before = self._blocks.get(id(slot))
        self._blocks[id(slot)] = block if before is None else before + block

    def _write_forward(self, calls_and_loss: list[Tensor], given: list[Tensor]) -> None:
        looks = ops.convert_to_tensor(self._variable)[self._plan.calls_at + 2]
        self._add_inputs(looks)
        blocks = [
            self._blocks[id(slot)]
            if id(slot) in self._blocks
            else ops.zeros((slot.length,), "float32")
            for slot in self._plan.forward
        ]
        vector = ops.concatenate([*blocks, ops.stack([*calls_and_loss, looks + 1])])
        seen = [self._outputs.get(id(slot), []) for slot in self._plan.layers]
        counts = statistics.counts_where_needed(
            vector, len(seen) + 1, lambda: statistics.nonfinite_of_groups([*seen, given])
        )
        rest = ops.zeros((self._plan.backward_length,), "float32")
        self._write(ops.concatenate([vector, counts, rest]))
        self._blocks, self._outputs = {}, {}

    def saw_gradients(
        self, variables: list[Any], values: list[Tensor], gradients: list[Any], scale: Any
    ) -> None:
        """Reduce gradients and weights before the update."""
        self._weights = []
        if self._blocks and not self._stateless:
            # A `train_step` of the user's own, without `compute_loss`.
            self._write_forward([ops.zeros((), "float32")] * 2, [])
        if not self._plan.weights:
            return
        order = {id(variable): i for i, variable in enumerate(variables)}
        self._positions, self._before = [], []
        parts: list[Tensor] = []
        for slot in self._plan.weights:
            position = order.get(id(slot.weight))
            if position is None or gradients[position] is None:
                self._positions.append(None)
                self._before.append(None)
                continue
            weight = values[position]
            self._positions.append(position)
            self._before.append(weight)
            parts.append(_dense(gradients[position], weight))
        # The optimizer adds them up after this.
        totals = iter(steps.total_over_replicas(parts))
        pairs = [None if before is None else (next(totals), before) for before in self._before]
        self._groups = groups_of(self._plan.weights, pairs)
        blocks, counters = [], []
        for slots, seen in self._groups:
            block, counter = reduced(slots, seen, scale)
            blocks.append(block)
            counters.append(counter)
        vector = ops.concatenate(blocks)
        counts = statistics.counts_where_needed(
            vector, len(pairs), lambda: ops.concatenate([counted() for counted in counters])
        )
        self._weights = [vector, counts]

    def saw_move(self, variable: Any, move: Tensor) -> None:
        """Remember what is added to a variable, or subtracted from it."""
        self._moves.setdefault(id(variable), []).append(move)

    def saw_weights(self, value: Callable[[int], Tensor]) -> None:
        """Measure how far each weight moved.

        Args:
            value: Gives the weight at a position, after the update.
        """
        if not self._weights:
            return  # they could not be reduced
        pairs = zip(self._plan.weights, self._before, self._positions, strict=True)
        changes = iter([self._change(*pair, value) for pair in pairs])
        norms = [moved(slots, [next(changes) for _ in slots]) for slots, _ in self._groups]
        self._vector = ops.concatenate([*self._weights, *norms, ops.ones((1,), "float32")])
        self._weights, self._before, self._groups, self._moves = [], [], [], {}
        if not self._stateless:
            self.saw_end()

    def _change(
        self, slot: WeightSlot, before: Tensor, position: int | None, value: Callable[[int], Tensor]
    ) -> Tensor:
        """How a weight changed; None for one that got no gradient."""
        if before is None or position is None:
            return None
        moves = self._moves.get(id(slot.weight), [])
        if len(moves) == 1 and slot.weight.constraint is None:
            return ops.cast(_shaped(moves[0], before), "float32")
        return ops.cast(value(position), "float32") - ops.cast(before, "float32")

    def saw_end(self) -> None:
        """Write the backward vector, where it is not written yet.

        On JAX the weights change outside the scope in which variables can be written.
        """
        if self._vector is not None:
            forward = ops.convert_to_tensor(self._variable)[: self._plan.forward_length]
            self._write(ops.concatenate([forward, self._vector]))
            self._vector = None

    def _write(self, numbers: Tensor) -> None:
        self._variable.assign(numbers)
        self.numbers = numbers


def _dense(gradient: Any, weight: Tensor) -> Tensor:
    if type(gradient).__name__ != "IndexedSlices":
        return _shaped(gradient, weight)
    # TensorFlow gives an embedding's gradient as rows and their places, some places twice.
    places = ops.expand_dims(gradient.indices, -1)
    return ops.scatter(places, gradient.values, tuple(weight.shape))


def _shaped(change: Tensor, weight: Tensor) -> Tensor:
    """What changes a weight, in its shape, which a graph of TensorFlow may not know."""
    return change if change.shape == weight.shape else ops.reshape(change, weight.shape)
