import math

import keras
import numpy as np
import pytest

import kerastricks as kt

SHAPE = (200, 300)


def array(value):
    return keras.ops.convert_to_numpy(value)


def standard_error_of_the_share(keep, count):
    return math.sqrt(keep * (1 - keep) / count)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_share_of_units_that_stays(keep, scaling):
    ones = np.ones(SHAPE, "float32")
    y = array(kt.layers.Dropout(keep=keep, scaling=scaling, seed=3)(ones, training=True))
    share = np.count_nonzero(y) / y.size
    assert abs(share - keep) < 5 * standard_error_of_the_share(keep, y.size)
    kept_value = 1 / keep if scaling == "inverted" else 1.0
    np.testing.assert_allclose(y[y != 0], kept_value, rtol=1e-6)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_the_mean_in_training_is_the_output_at_inference(keep, scaling):
    x = np.random.default_rng(0).normal(1.0, 1.0, SHAPE).astype("float32")
    layer = kt.layers.Dropout(keep=keep, scaling=scaling, seed=5)
    trained, inferred = array(layer(x, training=True)), array(layer(x, training=False))
    scale = 1 / keep if scaling == "inverted" else 1.0
    # The sum of independent x_i m_i has variance sum x_i^2 keep (1 - keep).
    standard_error = (
        scale
        * math.sqrt(keep * (1 - keep) * np.mean(x.astype("float64") ** 2))
        / (math.sqrt(x.size))
    )
    assert abs(trained.mean() - inferred.mean()) < 5 * standard_error


@pytest.mark.parametrize("noise_shape", [None, (None, 1)])
def test_classic_is_keep_times_inverted(noise_shape):
    x = np.random.default_rng(1).normal(size=(20, 30)).astype("float32")
    inverted = kt.layers.Dropout(0.3, noise_shape, 7)
    classic = kt.layers.Dropout(0.3, noise_shape, 7, scaling="classic")
    for training in (True, True, False):
        np.testing.assert_allclose(
            array(classic(x, training=training)),
            0.7 * array(inverted(x, training=training)),
            rtol=1e-6,
        )


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5])
def test_inverted_equals_keras_for_the_same_seed(rate):
    x = np.random.default_rng(2).normal(size=(20, 30)).astype("float32")
    ours, theirs = kt.layers.Dropout(rate, seed=11), keras.layers.Dropout(rate, seed=11)
    for _ in range(2):
        np.testing.assert_array_equal(
            array(ours(x, training=True)), array(theirs(x, training=True))
        )


def test_inverted_is_the_identity_at_inference():
    x = np.random.default_rng(3).normal(size=(4, 5)).astype("float32")
    np.testing.assert_array_equal(array(kt.layers.Dropout(0.5)(x)), x)


@pytest.mark.parametrize("scaling", ["inverted", "classic"])
@pytest.mark.parametrize("training", [True, False])
def test_keeping_all_is_the_identity(scaling, training):
    x = np.random.default_rng(4).normal(size=(4, 5)).astype("float32")
    layer = kt.layers.Dropout(keep=1, scaling=scaling)
    np.testing.assert_array_equal(array(layer(x, training=training)), x)


@pytest.mark.parametrize("keep", [0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_rate_and_keep_say_the_same(keep):
    rate = round(1 - keep, 9)
    assert kt.layers.Dropout(keep=keep).rate == rate
    assert kt.layers.Dropout(rate).keep == keep
    by_keep, by_rate = (
        kt.layers.Dropout(keep=keep, seed=1, name="x"),
        kt.layers.Dropout(rate, seed=1, name="x"),
    )
    assert by_keep.get_config() == by_rate.get_config()


def test_masks_change_from_call_to_call():
    ones = np.ones((10, 10), "float32")
    layer = kt.layers.Dropout(0.5, seed=1)
    assert (array(layer(ones, training=True)) != array(layer(ones, training=True))).any()


@pytest.mark.parametrize("arguments", [{}, {"rate": 0.5, "keep": 0.5}], ids=str)
def test_exactly_one_of_rate_and_keep(arguments):
    with pytest.raises(ValueError, match=r"Give either `rate`.*or `keep`.*Received: rate="):
        kt.layers.Dropout(**arguments)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, math.nan, math.inf])
def test_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match=r"`rate` must be a number in \[0, 1\).*Received: rate="):
        kt.layers.Dropout(rate)


@pytest.mark.parametrize("keep", [-0.1, 0, 1.5, math.nan, math.inf])
def test_keep_out_of_range_is_refused(keep):
    with pytest.raises(ValueError, match=r"`keep` must be a number in \(0, 1\].*Received: keep="):
        kt.layers.Dropout(keep=keep)


@pytest.mark.parametrize("argument", ["rate", "keep"])
def test_shares_must_be_numbers(argument):
    with pytest.raises(TypeError, match=rf"`{argument}` must be a number.*of type str"):
        kt.layers.Dropout(**{argument: "0.5"})


def test_scaling_must_be_known():
    with pytest.raises(ValueError, match=r'"inverted".*"classic".*Received: scaling=\'paper\''):
        kt.layers.Dropout(0.5, scaling="paper")
