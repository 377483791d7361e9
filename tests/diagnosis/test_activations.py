import keras
import numpy as np
import pytest

from kerastricks.diagnosis.activations import activation_of


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softsign"])
def test_saturation_begins_where_the_slope_is_a_tenth_of_its_maximum(name):
    x = np.linspace(-8, 8, 200_001)
    sigmoid = 1 / (1 + np.exp(-x))
    y, slope = {
        "sigmoid": (sigmoid, sigmoid * (1 - sigmoid)),
        "tanh": (np.tanh(x), 1 - np.tanh(x) ** 2),
        "softsign": (x / (1 + abs(x)), 1 / (1 + abs(x)) ** 2),
    }[name]
    found = activation_of(keras.layers.Activation(name))
    saturated = (y <= found.low) | (y >= found.high)
    np.testing.assert_array_equal(saturated, slope < 0.1 * slope.max())


@pytest.mark.parametrize(
    ("layer", "name", "rectifier", "bounded"),
    [
        (keras.layers.Dense(2, activation="relu"), "relu", True, False),
        (keras.layers.ReLU(), "relu", True, False),
        (keras.layers.ReLU(max_value=6.0), "relu", True, False),
        (keras.layers.ReLU(negative_slope=0.1), "leaky_relu", False, False),
        (keras.layers.LeakyReLU(), "leaky_relu", False, False),
        (keras.layers.Conv2D(2, 3, activation=keras.layers.ReLU()), "relu", True, False),
        (keras.layers.Activation("tanh"), "tanh", False, True),
        (keras.layers.Dense(2, activation="gelu"), "gelu", False, False),
        (keras.layers.Softmax(), "softmax", False, False),
    ],
)
def test_what_is_known_of_a_layer(layer, name, rectifier, bounded):
    found = activation_of(layer)
    assert (found.name, found.rectifier, found.bounded) == (name, rectifier, bounded)


@pytest.mark.parametrize(
    "layer", [keras.layers.Dense(2), keras.layers.Flatten(), keras.layers.LSTM(2)]
)
def test_linear_layers_and_recurrent_ones_have_none(layer):
    assert activation_of(layer) is None
