"""Remedies for starts: what they draw, and what they leave to somebody else."""

import keras
import numpy as np
import pytest

from kerastricks.diagnosis import Finding

L = keras.layers


def array(value):
    return np.array(keras.ops.convert_to_numpy(value))


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "selu"])
def test_a_suited_start_of_a_shallow_network_keeps_the_size_of_linear_signals(
    finding, healed, stack, activation
):
    """Var(kernel) = 2 / (fan_in + fan_out), Xavier's and here also LeCun's, is 1 / 256.

    The standard deviation of 256 x 256 normal weights is off by 1 / sqrt(2 * 65536) = 0.3 %.
    """
    layers = [L.Dense(256, activation, name=f"hidden_{i}") for i in range(2)]
    for layer in layers:
        layer.kernel_initializer = keras.initializers.RandomNormal(stddev=3.0)
    model = stack(*layers, L.Dense(1), width=256)
    treated, _ = healed(model, finding("poor_initialization", "net/hidden_1"))
    kernel = array(treated.get_layer("hidden_1").kernel)
    gain = np.sqrt(256) * kernel.std()
    assert gain == pytest.approx(1.0, rel=5 * 0.003)


def test_biases_that_kill_start_at_zero(finding, healed, plain):
    model = plain(2, "relu", bias_initializer=keras.initializers.Constant(-5.0))
    treated, _ = healed(model, finding("dying_units", "net/hidden_0"))
    assert not array(treated.get_layer("hidden_0").bias).any()
    assert not array(treated.get_layer("hidden_1").bias).any()


def test_where_the_start_is_to_blame_tanh_stays_and_its_weights_do_not(finding, healed, plain):
    wide = keras.initializers.RandomNormal(stddev=5.0)
    model = plain(3, "tanh", kernel_initializer=wide)
    treated, _ = healed(model, finding("saturated_units", "net/hidden_0"))
    assert treated.get_layer("hidden_0").activation is keras.activations.tanh
    assert array(treated.get_layer("hidden_1").kernel).std() < 1


def test_what_is_only_explained_heals_with_its_cause(finding, healed, plain):
    cause = finding("unnormalized_inputs", "net/hidden_0")
    effect = Finding("dying_units", "net/hidden_1", "critical", 0, "m", "r", {}, cause)
    _, trials = healed(plain(2, "relu"), cause, effect)
    assert {trial.condition for trial in trials} == {"unnormalized_inputs"}


def test_equal_units_outlast_what_explains_them(finding, healed, plain):
    first = finding("symmetric_units", "net/hidden_0")
    second = Finding("symmetric_units", "net/hidden_1", "critical", 0, "m", "r", {}, first)
    treated, _ = healed(plain(2, "relu", kernel_initializer="ones"), first, second)
    for name in ("hidden_0", "hidden_1"):
        assert len(np.unique(array(treated.get_layer(name).kernel)[0])) == 16


def ones(shape, dtype=None):
    return keras.ops.ones(shape, dtype)


def test_an_initializer_that_is_a_plain_function_is_called_as_it_is(finding, healed, plain):
    """The ones of a 4 x 16 kernel have no deviation: they are off."""
    model = plain(1, "relu", kernel_initializer=ones)
    treated, _ = healed(model, finding("dying_units", "net/hidden_0"))
    assert array(treated.get_layer("hidden_0").kernel).std() > 0


@pytest.mark.compiling
@pytest.mark.parametrize(
    "layer",
    [
        L.Bidirectional(L.LSTM(4, kernel_initializer="zeros"), name="recurrent"),
        L.RNN(L.LSTMCell(4, kernel_initializer="zeros"), name="recurrent"),
    ],
    ids=["wrapper", "cell"],
)
def test_initializers_that_stay_are_told(finding, healed, path, layer):
    model = keras.Sequential([keras.Input((5, 4)), layer, L.Dense(1, name="head")], name="net")
    model.compile("sgd", "mse")
    _, trials = healed(model, finding("symmetric_units", path(model, "recurrent")))
    assert [trial.kept for trial in trials] == [True, False]
    assert "recurrent" not in trials[0].remedy
    assert "initializers of recurrent" in trials[1].remedy
