"""The count of batches: what moves it, and which files keep it."""

import keras
import numpy as np
import pytest

import kerastricks as kt

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
AVERAGES = ["exponential", "debiased", "cumulative"]


def array(value):
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value))


def batch(seed=0, shape=(16, 3)):
    return np.random.default_rng(seed).normal(2.0, 3.0, size=shape).astype("float32")


def averages(layer):
    return array(layer.moving_mean), array(layer.moving_variance)


def statistics(layer, x, **call_arguments):
    """The statistics of one batch to the last bit: an alpha of 1 keeps nothing else."""
    config = {**layer.get_config(), "alpha": 1.0, "average": "exponential"}
    twin = type(layer).from_config(config)
    twin(x, training=True, **call_arguments)
    return averages(twin)


def model_with(layer, size=3):
    return keras.Sequential([keras.Input((size,)), layer])


def count(layer):
    return int(array(layer.batch_counter.generator.state)[1])


@pytest.mark.parametrize("average", AVERAGES)
def test_weights_are_those_of_keras(average):
    layer, theirs = kt.layers.BatchNormalization(average=average), keras.layers.BatchNormalization()
    for one in (layer, theirs):
        one.build((None, 3))
    assert [w.name for w in layer.weights] == [w.name for w in theirs.weights]
    assert len(layer.trainable_variables) == len(theirs.trainable_variables)


@pytest.mark.parametrize("average", ["debiased", "cumulative"])
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_training_goes_on_from_a_file_as_if_there_were_none(average, suffix, tmp_path):
    def new():
        return model_with(kt.layers.BatchNormalization(alpha=0.3, average=average))

    model = new()
    for step in range(3):
        model(batch(step), training=True)
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
        again = keras.saving.load_model(path)
    else:
        model.save_weights(path)
        again = new()
        again.load_weights(path)
    assert count(again.layers[0]) == 3
    for one in (model, again):
        one(batch(3), training=True)
    for now, expected in zip(averages(again.layers[0]), averages(model.layers[0]), strict=True):
        np.testing.assert_array_equal(now, expected)


def test_a_file_from_keras_starts_the_count_over(tmp_path):
    theirs = model_with(keras.layers.BatchNormalization())
    theirs(batch(), training=True)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours = model_with(kt.layers.BatchNormalization(average="debiased"))
    ours(batch(1), training=True)
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert count(ours.layers[0]) == 0
    np.testing.assert_allclose(array(ours(batch())), array(theirs(batch())), **FLOAT32)
    ours(batch(2), training=True)
    expected = statistics(ours.layers[0], batch(2))
    np.testing.assert_array_equal(averages(ours.layers[0]), expected)


def test_a_file_goes_to_keras(tmp_path):
    ours = model_with(kt.layers.BatchNormalization(average="cumulative"))
    ours(batch(), training=True)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs = model_with(keras.layers.BatchNormalization())
    theirs.load_weights(tmp_path / "ours.weights.h5")
    for moved, expected in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(moved, expected)


def test_set_weights_leaves_the_count():
    layer = kt.layers.BatchNormalization(average="cumulative")
    for step in range(3):
        layer(batch(step), training=True)
    layer.set_weights(layer.get_weights())
    assert count(layer) == 3


@pytest.mark.compiling
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("jit_compile", [True, False])
def test_fit(average, jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch compiles with an inductor that not every machine can run")
    layer = kt.layers.BatchNormalization(alpha=0.25, average=average)
    model = model_with(layer)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse", jit_compile=jit_compile)
    x = batch(shape=(24, 3))
    model.fit(x, x, batch_size=8, epochs=2, shuffle=False, verbose=0)
    twin = kt.layers.BatchNormalization(alpha=0.25, average=average)
    for part in 2 * np.split(x, 3):
        twin(part, training=True)
    for moved, expected in zip(averages(layer), averages(twin), strict=True):
        np.testing.assert_allclose(moved, expected, **FLOAT32)
    if average != "exponential":
        assert count(layer) == 6


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("frozen", [True, False])
def test_inference_counts_nothing(average, frozen):
    layer = kt.layers.BatchNormalization(average=average)
    layer(batch(), training=True)
    layer.trainable = not frozen
    before = [array(v) for v in layer.variables]
    layer(batch(1), training=frozen)
    for variable, expected in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(array(variable), expected)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("virtual", [None, 2])
@pytest.mark.parametrize("how", ["empty", "masked"])
def test_a_batch_without_entries_leaves_no_trace(average, virtual, how):
    layer = kt.layers.BatchNormalization(average=average, virtual_batch_size=virtual)
    layer(batch(shape=(4, 5, 3)), training=True)
    before = [array(v) for v in layer.variables]
    if how == "empty":
        y = layer(np.zeros((0, 5, 3), "float32"), training=True)
        assert tuple(y.shape) == (0, 5, 3)
    else:
        y = layer(batch(shape=(4, 5, 3)), training=True, mask=np.zeros((4, 5), bool))
        assert np.isfinite(array(y)).all()
    for variable, expected in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(array(variable), expected)
