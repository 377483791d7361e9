"""Normalizations that let nothing through, or hardly anything, let it through when treated."""

import keras
import numpy as np
import pytest

import kerastricks as kt

L = keras.layers
X = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")


def deviation(model, name):
    """Deviation over the samples of what a layer puts out in training, each column."""
    seen = keras.Model(model.inputs[0], model.get_layer(name).output)(X, training=True)
    return np.array(keras.ops.convert_to_numpy(seen)).std(axis=0)


@pytest.mark.parametrize("kind", [L.BatchNormalization, kt.layers.BatchNormalization])
@pytest.mark.parametrize("condition", ["dying_units", "poor_initialization", "constant_output"])
@pytest.mark.parametrize("fault", [{"gamma_initializer": "zeros"}, {"epsilon": 1e3}])
@pytest.mark.parametrize("reinitialize", [True, False])
def test_what_is_normalized_has_a_deviation_of_one(
    finding, healed, stack, kind, condition, fault, reinitialize
):
    """Up to epsilon: 1 / sqrt(1 + 1e-3 / variance), and the variance is about 1."""
    normalization = kind(name="normalization", **fault)
    model = stack(L.Dense(8, name="kernel"), normalization, L.ReLU(name="relu"), L.Dense(1))
    assert deviation(model, "normalization").max() < 0.2
    place = "net/kernel" if condition == "poor_initialization" else "relu"
    found = finding(condition, place if condition != "constant_output" else model.layers[-1].path)
    treated, _ = healed(model, found, reinitialize=reinitialize)
    np.testing.assert_allclose(deviation(treated, "normalization"), 1, rtol=0.02)


def test_offsets_that_kill_start_at_zero(finding, healed, stack):
    below = L.BatchNormalization(
        name="normalization", beta_initializer=keras.initializers.Constant(-5.0)
    )
    model = stack(L.Dense(8), below, L.ReLU(name="relu"), L.Dense(1))
    treated, _ = healed(model, finding("dying_units", "relu"))
    beta = treated.get_layer("normalization").beta
    assert not np.array(keras.ops.convert_to_numpy(beta)).any()


def test_what_normalizes_single_numbers_is_taken_out(finding, healed):
    x = keras.Input((4,))
    h = L.LayerNormalization(name="single")(L.Reshape((4, 1))(x))
    h = L.LayerNormalization(name="sound")(L.Flatten(name="flat")(h))
    model = keras.Model(x, L.Dense(1)(L.Dense(8, "relu", name="hidden")(h)))
    model.compile("sgd", "mse")
    assert deviation(model, "flat").max() == 0
    treated, trials = healed(model, finding("dying_units", "hidden"))
    assert "single" not in {layer.name for layer in treated.layers}
    assert "sound" in {layer.name for layer in treated.layers}
    assert trials[0].remedy.endswith("single")
    np.testing.assert_array_equal(deviation(treated, "flat"), X.std(axis=0))


def test_what_is_usual_stays(finding, healed):
    """Scales of zero at the end of a residual block let the block's input through."""
    x = keras.Input((4,))
    branch = L.Dense(4, "relu", name="hidden")(L.BatchNormalization(epsilon=1e-2)(x))
    end = L.BatchNormalization(name="end", gamma_initializer="zeros")
    model = keras.Model(x, L.Dense(1)(L.Add()([x, end(branch)])))
    model.compile("sgd", "mse")
    treated, trials = healed(model, finding("dying_units", "hidden"))
    assert not deviation(treated, "end").any()
    assert not any("gamma" in trial.remedy or "epsilon" in trial.remedy for trial in trials)


def test_frozen_normalizations_stay(finding, healed, stack):
    frozen = L.BatchNormalization(name="frozen", gamma_initializer="zeros", trainable=False)
    model = stack(frozen, L.Dense(8, "relu", name="hidden"), L.Dense(1))
    treated, _ = healed(model, finding("dying_units", "net/hidden"))
    assert not np.array(keras.ops.convert_to_numpy(treated.get_layer("frozen").gamma)).any()
