import math

import keras
import numpy as np
import pytest

import kerastricks as kt


def array(value):
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("training", [True, False, None])
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_drops_whatever_training_says(training, scaling):
    x = np.random.default_rng(0).normal(size=(20, 30)).astype("float32")
    always = kt.layers.MonteCarloDropout(0.4, seed=3, scaling=scaling)
    sometimes = kt.layers.Dropout(0.4, seed=3, scaling=scaling)
    for _ in range(2):
        np.testing.assert_array_equal(
            array(always(x, training=training)), array(sometimes(x, training=True))
        )


@pytest.mark.compiling
def test_the_mean_of_predictions_is_dropouts_inference():
    x = np.full((200, 50), 2.0, "float32")
    model = keras.Sequential([keras.Input((50,)), kt.layers.MonteCarloDropout(keep=0.8, seed=1)])
    passes = np.stack([model.predict(x, verbose=0) for _ in range(10)])
    assert (passes[0] != passes[1]).any()
    standard_error = 2 * math.sqrt(0.2 / 0.8 / passes.size)
    assert abs(passes.mean() - 2) < 5 * standard_error


def test_other_layers_keep_to_inference_mode():
    normalization = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), normalization, kt.layers.MonteCarloDropout(0.5)])
    model.predict(np.full((8, 4), 3.0), verbose=0)
    np.testing.assert_array_equal(array(normalization.moving_mean), 0)


def test_arguments_are_those_of_dropout():
    layer = kt.layers.MonteCarloDropout(keep=0.9, noise_shape=(None, 1), scaling="classic")
    assert isinstance(layer, kt.layers.Dropout)
    assert (layer.rate, layer.noise_shape, layer.scaling) == (0.1, (None, 1), "classic")
    with pytest.raises(ValueError, match="Give either `rate`"):
        kt.layers.MonteCarloDropout()
