"""Virtual batches, each normalized by its own statistics."""

import keras
import numpy as np
import pytest

import kerastricks as kt

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}


def array(value):
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value))


def batch(seed=0, shape=(16, 3)):
    return np.random.default_rng(seed).normal(2.0, 3.0, size=shape).astype("float32")


def averages(layer):
    return array(layer.moving_mean), array(layer.moving_variance)


def model_with(layer, size=3):
    return keras.Sequential([keras.Input((size,)), layer])


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("unbiased", [False, True])
def test_virtual_batches_are_layers_of_their_own(axis, masked, unbiased):
    x = batch(shape=(6, 4, 3))
    mask = np.random.default_rng(1).random((6, 4)) < 0.7 if masked else None
    layer = kt.layers.BatchNormalization(
        axis, alpha=0.25, virtual_batch_size=2, unbiased_variance=unbiased
    )
    y = array(layer(x, training=True, mask=mask))
    parts = []
    for start in (0, 2, 4):
        alone = kt.layers.BatchNormalization(axis, alpha=1.0, unbiased_variance=unbiased)
        part = slice(start, start + 2)
        part_mask = mask if mask is None else mask[part]
        np.testing.assert_allclose(
            y[part], array(alone(x[part], training=True, mask=part_mask)), **FLOAT32
        )
        parts.append(averages(alone))
    mean, variance = np.mean(parts, 0)
    np.testing.assert_allclose(averages(layer)[0], 0.25 * mean, **FLOAT32)
    np.testing.assert_allclose(averages(layer)[1], 0.75 + 0.25 * variance, **FLOAT32)


def test_groups_without_entries_do_not_count():
    x = batch(shape=(4, 5, 3))
    mask = np.ones((4, 5), bool)
    mask[:2] = False
    layer = kt.layers.BatchNormalization(alpha=1.0, virtual_batch_size=2)
    layer(x, training=True, mask=mask)
    np.testing.assert_allclose(averages(layer)[0], x[2:].mean((0, 1)), **FLOAT32)


def test_one_virtual_batch_is_the_batch():
    x = batch(shape=(4, 5, 3))
    layer, plain = (
        kt.layers.BatchNormalization(virtual_batch_size=size, average="debiased")
        for size in (4, None)
    )
    np.testing.assert_allclose(
        array(layer(x, training=True)), array(plain(x, training=True)), **FLOAT32
    )
    np.testing.assert_allclose(averages(layer), averages(plain), **FLOAT32)


def test_inference_divides_by_the_variance_of_training():
    # Between the groups lies a difference that no group's variance holds.
    x = batch(shape=(8, 3))
    x[4:] += 100.0
    layer = kt.layers.BatchNormalization(alpha=1.0, virtual_batch_size=4)
    layer(x, training=True)
    inside = (x[:4].var(0) + x[4:].var(0)) / 2
    np.testing.assert_allclose(averages(layer)[1], inside, rtol=1e-4)


@pytest.mark.parametrize("samples", [7, 1])
def test_a_batch_that_is_no_multiple_is_refused(samples):
    layer = kt.layers.BatchNormalization(virtual_batch_size=2)
    with pytest.raises(ValueError, match=rf"multiple of virtual_batch_size=2.*batch of {samples}"):
        layer(batch(shape=(samples, 3)), training=True)
    layer(batch(shape=(samples, 3)), training=False)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_batch_of_unknown_size_is_refused_when_it_runs(jit_compile):
    model = model_with(kt.layers.BatchNormalization(virtual_batch_size=4))
    model.compile(optimizer="sgd", loss="mse", jit_compile=jit_compile)
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch compiles with an inductor that not every machine can run")
    x = batch(shape=(16, 3))
    model.fit(x, x, batch_size=8, verbose=0)
    # XLA leaves assertions out; TensorFlow then complains of the shape that the groups lack.
    lost = jit_compile and keras.backend.backend() == "tensorflow"
    with pytest.raises(Exception, match="[Rr]eshape" if lost else "virtual_batch_size=4"):
        model.fit(x, x, batch_size=10, verbose=0)
