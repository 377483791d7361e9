"""What several replicas have seen, joined: what one would have seen of all examples."""

import dataclasses

import keras
import numpy as np
import pytest

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.slots import ColumnSlot, DropoutSlot, LayerSlot, NormalizationSlot

UNITS = 5
RELU = Activation("relu", rectifier=True)
NORMALIZATION = keras.layers.BatchNormalization()


def column(data):
    return statistics.column_vector(keras.ops.convert_to_tensor(data), UNITS)


def layer(data):
    return statistics.layer_vector(keras.ops.convert_to_tensor(data), -1, RELU)


def moments(data):
    return statistics.moments_vector(keras.ops.convert_to_tensor(data), -1)


def normalization(data):
    return np.concatenate([keras.ops.convert_to_numpy(moments(data)), np.arange(2 * UNITS)])


SLOTS = {
    "layer": (LayerSlot(None, "a", -1, UNITS, RELU, False, None), layer),
    "column": (ColumnSlot("a", "float32", (None, UNITS)), column),
    "normalization": (NormalizationSlot(NORMALIZATION, "a", -1, UNITS), normalization),
    "dropout": (DropoutSlot(keras.layers.Dropout(0.5), "a", -1, UNITS, "b", ()), moments),
}


def numbers(read):
    fields = [getattr(read, field.name) for field in dataclasses.fields(read)]
    return [np.asarray(x, float) for x in fields if isinstance(x, int | float | tuple | np.ndarray)]


@pytest.mark.every_variant
@pytest.mark.parametrize("kind", SLOTS)
@pytest.mark.parametrize("sizes", [(8, 8), (12, 3, 1)])
def test_replicas_joined_are_one(kind, sizes):
    slot, reduced = SLOTS[kind]
    random = np.random.default_rng(0)
    # Their means lie far apart, which shows in the variance of all.
    parts = [random.normal(3 * i, 1, (size, UNITS)) for i, size in enumerate(sizes)]
    parts = [part.astype("float32") for part in parts]

    def block(data):
        return np.asarray(keras.ops.convert_to_numpy(reduced(data)), "float64")

    joined = slot.joined(np.array([block(each) for each in parts]), np.array(sizes) / sum(sizes))
    one = block(np.concatenate(parts))
    more = (0,) if kind == "layer" else ()
    for a, b in zip(numbers(slot.read(joined, *more)), numbers(slot.read(one, *more)), strict=True):
        if a.dtype == float and a.size and a.shape == b.shape:
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_replica_without_examples_is_not_seen():
    slot = SLOTS["layer"][0]
    plan = Plan(layers=(slot,))
    seen = np.zeros(plan.length, "float32")
    seen[plan.parts[id(slot)]] = keras.ops.convert_to_numpy(layer(np.ones((4, UNITS), "float32")))
    seen[plan.calls_at : plan.calls_at + 2] = 1.0, 0.25
    empty = np.full(plan.length, np.nan, "float32")
    empty[plan.parts[id(slot)]][:2] = 0
    empty[plan.forward_length :] = 0
    observation = plan.read(0, plan.joined([seen, empty]))
    assert observation.loss == 0.25
    assert observation.layers[0].samples == 4
    np.testing.assert_array_equal(observation.layers[0].mean, 1)


@pytest.mark.parametrize("losses", [(np.inf, -np.inf), (np.nan, 1.0), (3e38, 3e38)])
def test_what_is_not_finite_is_joined_without_a_warning(losses):
    slot = SLOTS["layer"][0]
    plan = Plan(layers=(slot,))
    parts = []
    for loss in losses:
        part = np.zeros(plan.length, "float32")
        block = layer(np.ones((4, UNITS), "float32"))
        part[plan.parts[id(slot)]] = keras.ops.convert_to_numpy(block)
        part[plan.calls_at : plan.calls_at + 2] = 1.0, loss
        parts.append(part)
    joined = plan.joined(parts)
    assert plan.read(0, joined).layers[0].samples == 8
    assert not np.isfinite(joined[plan.calls_at + 1])
