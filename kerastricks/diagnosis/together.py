"""Weights that are reduced in the same operations.

To trace an operation takes longer than to run it on a small weight, and a deep model has many: the
weights of one shape are stacked, and all small ones joined.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.slots import WeightSlot
from kerastricks.diagnosis.statistics import Tensor

Pair = tuple[Tensor, Tensor]
"""A gradient and its weight."""
Group = tuple[list[WeightSlot], list[Pair | None]]


def groups_of(slots: Sequence[WeightSlot], pairs: list[Pair | None]) -> list[Group]:
    """The groups in which weights are reduced: neighbors of one shape, or all small ones.

    Args:
        slots: The weights, in an order in which those of one shape stand together.
        pairs: Gradient and value of each; None where it got no gradient.
    """
    groups: list[Group] = []
    last: Any = ""
    for slot, pair in zip(slots, pairs, strict=True):
        kind = _kind(slot, pair)
        if kind != last or (pair is not None and len(groups[-1][0]) >= _most(slot)):
            groups.append(([], []))
        groups[-1][0].append(slot)
        groups[-1][1].append(pair)
        last = kind
    return groups


def _kind(slot: WeightSlot, pair: Pair | None) -> Any:
    if slot.small or pair is None:
        return slot.small
    dtypes = [keras.backend.standardize_dtype(each.dtype) for each in pair]
    return tuple(slot.weight.shape), slot.unit_axes, *dtypes


def _most(slot: WeightSlot) -> float:
    """Weights like this one that are reduced together."""
    if slot.small:
        return math.inf
    return statistics.TOGETHER // max(slot.size, 1) if slot.size <= statistics.LARGE else 1


def reduced(
    slots: list[WeightSlot], pairs: list[Pair | None], scale: Any
) -> tuple[Tensor, Callable[[], Tensor]]:
    """The blocks of a group in a row, and what counts NaN in each of its weights.

    Args:
        slots: The group's weights.
        pairs: Gradient and value of each; None where it got no gradient.
        scale: The loss scale to divide out of the gradients, or None.
    """
    if slots[0].small:
        return _reduced_small(slots, pairs, scale)
    seen = [pair for pair in pairs if pair is not None]
    if not seen:
        length = sum(slot.length for slot in slots)
        return statistics.unseen(length), lambda: ops.zeros((len(slots),), "float32")
    gradients, weights = (statistics.stacked([pair[i] for pair in seen]) for i in range(2))
    if slots[0].unit_axes is None:
        block = statistics.weight_vectors(weights, gradients, scale)
    else:
        block = statistics.kernel_vectors(weights, gradients, scale, slots[0].unit_axes)
    axes = list(range(1, len(weights.shape)))
    nonfinite = statistics.nonfinite
    return ops.reshape(block, [-1]), lambda: nonfinite(gradients, axes) + nonfinite(weights, axes)


def _reduced_small(
    slots: list[WeightSlot], pairs: list[Pair | None], scale: Any
) -> tuple[Tensor, Callable[[], Tensor]]:
    sizes = [slot.size for slot in slots]
    seen = [
        (ops.zeros((size,), "float32"),) * 2 if pair is None else pair
        for pair, size in zip(pairs, sizes, strict=True)
    ]
    elements = statistics.side_by_side(*([pair[i] for pair in seen] for i in range(2)))
    norms = statistics.small_norms(sizes, elements)
    if scale is not None:
        squared = ops.square(ops.cast(scale, "float32"))
        norms = norms / ops.stack([squared, ops.ones((), "float32")])
    unseen = [[-1.0, -1.0] if pair is None else [0.0, 0.0] for pair in pairs]
    block = ops.reshape(norms + ops.convert_to_tensor(unseen, "float32"), [-1])
    return block, lambda: statistics.small_nonfinite(sizes, elements)


def moved(slots: list[WeightSlot], changes: list[Tensor]) -> Tensor:
    """Squared norms of the changes of a group of weights; zero where there is none.

    Args:
        slots: The group's weights.
        changes: The change of each; None where it got no gradient.
    """
    if slots[0].small:
        sizes = [slot.size for slot in slots]
        given = [
            ops.zeros((size,), "float32") if change is None else change
            for change, size in zip(changes, sizes, strict=True)
        ]
        elements = statistics.side_by_side(given)
        return ops.reshape(statistics.small_norms(sizes, elements), [-1])
    if changes[0] is None:
        return ops.zeros((len(slots),), "float32")
    return statistics.squared_norms(statistics.stacked(changes))
