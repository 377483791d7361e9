"""Our layer's conventions and count of batches, Keras' renorm: all averages are set."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerastricks as kt
from kerastricks.surgery import recalibrate_batch_norm

RANDOM = np.random.default_rng(0)
VECTORS = (3 + 2 * RANDOM.normal(size=(60, 5))).astype("float32")
SINGLE = {"rtol": 1e-5, "atol": 1e-5}  # sums of some hundred numbers of size 10


def array(value):
    return np.array(ops.convert_to_numpy(value))


def statistics(layer):
    return array(layer.moving_mean), array(layer.moving_variance)


def assert_statistics(layer, x, axes=0):
    x = np.asarray(x, dtype=float)
    mean, variance = statistics(layer)
    np.testing.assert_allclose(mean, x.mean(axes), **SINGLE)
    np.testing.assert_allclose(variance, x.var(axes), **SINGLE)


@pytest.mark.parametrize("average", ["debiased", "cumulative"])
def test_our_own_conventions_are_kept(average):
    layer = kt.layers.BatchNormalization(
        average=average, unbiased_variance=True, virtual_batch_size=10
    )
    model = keras.Sequential([keras.Input((5,)), layer])
    model(VECTORS, training=True)
    recalibrate_batch_norm(model, VECTORS, batch_size=20, verbose=0)
    mean, variance = statistics(layer)
    np.testing.assert_allclose(mean, VECTORS.astype(float).mean(0), **SINGLE)
    np.testing.assert_allclose(variance, VECTORS.astype(float).var(0, ddof=1), **SINGLE)


@pytest.mark.parametrize(
    ("average", "share"),
    # Of the fourth batch: as many as there were, or alpha with the start taken out.
    [("cumulative", 1 / 4), ("debiased", 0.1 / (1 - 0.9**4))],
)
def test_the_next_batch_in_training_is_one_more(average, share):
    layer = kt.layers.BatchNormalization(alpha=0.1, average=average)
    model = keras.Sequential([keras.Input((5,)), layer])
    recalibrate_batch_norm(model, VECTORS, batch_size=20, verbose=0)
    new = -VECTORS[:10]
    model(new, training=True)
    for moved, measured, of_batch in zip(
        statistics(layer),
        (VECTORS.mean(0), VECTORS.var(0)),
        (new.mean(0), new.var(0)),
        strict=True,
    ):
        np.testing.assert_allclose(moved, share * of_batch + (1 - share) * measured, **SINGLE)


def test_a_count_of_more_batches_than_were_measured_stays(untouched):
    layer = kt.layers.BatchNormalization(average="cumulative")
    model = keras.Sequential([keras.Input((5,)), layer])
    for _ in range(4):
        model(VECTORS, training=True)
    with untouched(model, but=[layer.moving_mean, layer.moving_variance]):
        recalibrate_batch_norm(model, VECTORS, batch_size=20, verbose=0)


def test_batches_in_which_all_is_masked_are_not_counted():
    layer = kt.layers.BatchNormalization(average="cumulative")
    model = keras.Sequential([keras.Input((7, 5)), layers.Masking(), layer])
    x = np.repeat(VECTORS[:, None], 7, axis=1)
    data = np.concatenate([np.zeros_like(x), x])
    recalibrate_batch_norm(model, data, batch_size=60, verbose=0)
    # So the count is 1, and the next batch weighs a half.
    model(3 * x, training=True)
    np.testing.assert_allclose(statistics(layer)[0], 2 * VECTORS.mean(0), **SINGLE)


@pytest.mark.skipif(
    not hasattr(layers.BatchNormalization(), "renorm"), reason="needs Keras 3.14 for renorm"
)
def test_renorm_has_all_its_averages_set():
    layer = layers.BatchNormalization(renorm=True, epsilon=0.1)
    model = keras.Sequential([keras.Input((5,)), layer])
    recalibrate_batch_norm(model, VECTORS, verbose=0)
    assert_statistics(layer, VECTORS)
    deviation = np.sqrt(VECTORS.astype(float).var(0) + 0.1)
    np.testing.assert_allclose(array(layer.renorm_mean), VECTORS.mean(0), **SINGLE)
    np.testing.assert_allclose(array(layer.renorm_stddev), deviation, **SINGLE)
    np.testing.assert_allclose(array(layer.moving_stddev), deviation, **SINGLE)
