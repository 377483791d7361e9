"""Weights reduced together give what each gives alone, whatever their order and their company."""

import keras
import numpy as np
import pytest
from keras import ops

from kerastricks.diagnosis import statistics, together
from kerastricks.diagnosis.slots import WeightSlot

SHAPES = [
    # In neighborhoods, as in a plan; the last are small.
    *[((6, 4), (-1,))] * 5, *[((300, 5), (-1,))] * 3, *[((3, 3, 2, 4), (-2,))] * 2,
    *[((80, 60), None)] * 3, *[((300, 300), (-1,))] * 2, *[((300, 250), None)] * 2,
    *[((4,), None), ((2, 3), None)] * 2, ((), None),
]  # fmt: skip
SCALE = 8.0


def slot_of(shape, axes):
    units = int(np.prod([shape[axis] for axis in axes])) if axes else 0
    weight = np.zeros(shape, "float32")
    return WeightSlot(weight, "kernel", "layer", 0, axes is not None, axes, units)


def drawn(seed=0):
    """Slots; of each gradient and weight, in mixed precision, or None."""
    random = np.random.default_rng(seed)
    slots = [slot_of(*shape) for shape in SHAPES]
    pairs = []
    for shape, _ in SHAPES:
        dtype = random.choice(["float32", "float16"], p=[0.8, 0.2])
        arrays = random.normal(size=(2, *shape)).astype(dtype)
        for array in arrays:
            if random.random() < 0.2 and array.size:
                array.flat[random.integers(array.size)] = random.choice([np.nan, np.inf])
        pairs.append(None if random.random() < 0.2 else tuple(map(ops.convert_to_tensor, arrays)))
    return slots, pairs


def numbers(groups):
    """Of all groups the blocks, and the counts of what is not finite."""
    each = [together.reduced(slots, pairs, SCALE) for slots, pairs in groups]
    blocks = np.concatenate([ops.convert_to_numpy(block) for block, _ in each])
    return blocks, np.concatenate([ops.convert_to_numpy(counted()) for _, counted in each])


@pytest.mark.parametrize("most", [statistics.TOGETHER, 2 * 24, 1])
@pytest.mark.parametrize("seed", range(3))
def test_a_group_gives_what_each_of_its_weights_gives(seed, most, monkeypatch):
    monkeypatch.setattr(statistics, "TOGETHER", most)
    slots, pairs = drawn(seed)
    groups = together.groups_of(slots, pairs)
    assert [slot for members, _ in groups for slot in members] == slots
    assert len(groups) < len(slots)  # the small ones are one group
    blocks, counts = numbers(groups)
    alone, counted = numbers([([slot], [pair]) for slot, pair in zip(slots, pairs, strict=True)])
    np.testing.assert_allclose(blocks, alone, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(counts, counted)
    wrong = [
        0 if pair is None else sum((~np.isfinite(ops.convert_to_numpy(x))).sum() for x in pair)
        for pair in pairs
    ]
    np.testing.assert_array_equal(counts, wrong)


def test_norms_are_those_of_gradient_and_weight_and_none_is_negative():
    slots, pairs = drawn(1)
    starts = np.cumsum([0, *(slot.length for slot in slots)])
    blocks, _ = numbers(together.groups_of(slots, pairs))
    for start, pair in zip(starts, pairs, strict=False):
        if pair is None:
            assert (blocks[start : start + 2] == -1).all()
            continue
        gradient, weight = (ops.convert_to_numpy(each).astype("float64") for each in pair)
        norms = [np.square(gradient / SCALE).sum(), np.square(weight).sum()]
        np.testing.assert_allclose(blocks[start : start + 2], norms, rtol=1e-4)


def test_moves_are_measured_of_each():
    slots, pairs = drawn(2)
    for members, seen in together.groups_of(slots, pairs):
        changes = [None if pair is None else ops.cast(pair[0], "float32") for pair in seen]
        norms = ops.convert_to_numpy(together.moved(members, changes))
        squares = [
            0 if change is None else np.square(ops.convert_to_numpy(change).astype("float64")).sum()
            for change in changes
        ]
        np.testing.assert_allclose(norms, squares, rtol=1e-4)


def test_no_more_are_stacked_than_are_to_be_and_large_ones_not_at_all():
    slots, _ = drawn()
    like = keras.ops.zeros
    pairs = [(like(shape), like(shape)) for shape, _ in SHAPES]
    sizes = [len(members) for members, _ in together.groups_of(slots, pairs)]
    assert sizes == [5, 3, 2, 3, 1, 1, 1, 1, 5]
