import math

import keras
import numpy as np
import pytest

import kerastricks as kt

LOWER, UPPER = 1 / 8, 1 / 3


def array(value):
    return keras.ops.convert_to_numpy(value)


def slopes(layer, shape=(200, 300)):
    return -array(layer(-np.ones(shape, "float32"), training=True)).astype("float64")


@pytest.mark.parametrize(("lower", "upper"), [(LOWER, UPPER), (0, 0.5), (0.9, 3.0)])
def test_slopes_are_uniform(lower, upper):
    drawn = slopes(kt.layers.RandomizedLeakyReLU(lower, upper, seed=1))
    epsilon = np.finfo("float32").eps
    assert lower * (1 - epsilon) <= drawn.min() < drawn.max() <= upper * (1 + epsilon)
    # The largest distance between the empirical and the true distribution function exceeds
    # 1.95 / sqrt(n) once in a thousand draws (Kolmogorov).
    sorted_ = (np.sort(drawn, axis=None) - lower) / (upper - lower)
    distance = np.abs(sorted_ - (np.arange(sorted_.size) + 0.5) / sorted_.size).max()
    assert distance < 1.95 / math.sqrt(sorted_.size)


def test_positive_inputs_pass():
    x = np.random.default_rng(0).uniform(0, 3, (20, 30)).astype("float32")
    layer = kt.layers.RandomizedLeakyReLU()
    for training in (True, False):
        np.testing.assert_array_equal(array(layer(x, training=training)), x)


def test_every_entry_and_call_draws_anew():
    layer = kt.layers.RandomizedLeakyReLU(seed=3)
    one, other = slopes(layer, (10, 10)), slopes(layer, (10, 10))
    assert len(np.unique(one)) > 90
    assert np.mean(one != other) > 0.9
    np.testing.assert_array_equal(one, slopes(kt.layers.RandomizedLeakyReLU(seed=3), (10, 10)))


@pytest.mark.parametrize(
    ("test_slope", "expected"),
    [
        ("mean", (1 / 8 + 1 / 3) / 2),  # 0.2292, torch.nn.RReLU
        ("paper", 2 / (3 + 8)),  # 0.1818: x / ((l + u) / 2) with l = 3, u = 8
        (math.log(8 / 3) / 5, 0.19616585060234524),  # E[1 / a] for a ~ U(3, 8)
    ],
)
def test_slope_at_inference(test_slope, expected):
    layer = kt.layers.RandomizedLeakyReLU(test_slope=test_slope)
    assert layer.negative_slope == pytest.approx(expected, rel=1e-12)
    x = np.linspace(-3, 3, 13, dtype="float32")
    np.testing.assert_allclose(array(layer(x)), np.where(x < 0, expected * x, x), rtol=1e-6)


def test_the_mean_slope_keeps_the_mean_of_training():
    drawn = slopes(kt.layers.RandomizedLeakyReLU(seed=2))
    standard_error = (UPPER - LOWER) / math.sqrt(12 * drawn.size)
    assert abs(drawn.mean() - kt.layers.RandomizedLeakyReLU().negative_slope) < 5 * standard_error
    paper = kt.layers.RandomizedLeakyReLU(test_slope="paper").negative_slope
    assert abs(drawn.mean() - paper) > 100 * standard_error


def test_gradient_is_the_slope(gradients):
    x = np.random.default_rng(1).normal(size=(8, 30)).astype("float32")
    layer, same = (kt.layers.RandomizedLeakyReLU(seed=5) for _ in range(2))
    (gradient,) = gradients(lambda x: keras.ops.sum(layer(x, training=True)), x)
    np.testing.assert_allclose(gradient, array(same(x, training=True)) / x, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
@pytest.mark.parametrize("training", [True, False])
def test_integers_become_what_the_layer_computes_in(training, dtype):
    layer = kt.layers.RandomizedLeakyReLU(seed=6, dtype=dtype)
    y = layer(np.array([-3, 2], "int32"), training=training)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    negative, positive = array(y).tolist()
    assert -3 * UPPER * 1.001 <= negative <= -3 * LOWER
    assert positive == 2


@pytest.mark.parametrize("slope", [0, 0.2])
@pytest.mark.parametrize("test_slope", ["mean", "paper"])
def test_equal_bounds_are_a_leaky_rectifier(slope, test_slope):
    layer = kt.layers.RandomizedLeakyReLU(slope, slope, test_slope)
    assert layer.negative_slope == pytest.approx(slope)
    for training in (True, False):
        y = array(layer(np.array([-1.0, 1.0], "float32"), training=training))
        np.testing.assert_allclose(y, [-slope, 1], rtol=1e-6)


def test_the_linear_layer_is_refused():
    with pytest.raises(ValueError, match=r"must not both be 1.*Received: lower=1, upper=1"):
        kt.layers.RandomizedLeakyReLU(1, 1)
    with pytest.raises(ValueError, match=r"`test_slope` must not be 1.*Received: test_slope=1"):
        kt.layers.RandomizedLeakyReLU(test_slope=1)
    kt.layers.RandomizedLeakyReLU(0.5, 1)


def test_slopes_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"`lower` must be a number in \[0, upper\], where upper"):
        kt.layers.RandomizedLeakyReLU(0.5, 0.2)
    with pytest.raises(ValueError, match="`lower` must be a number"):
        kt.layers.RandomizedLeakyReLU(-0.1, 0.2)
    with pytest.raises(ValueError, match=r"`upper` must be a number in \[0, inf\)"):
        kt.layers.RandomizedLeakyReLU(0.1, math.inf)
    with pytest.raises(ValueError, match=r"`test_slope` must be a number in \[0, inf\)"):
        kt.layers.RandomizedLeakyReLU(test_slope=-0.1)
    with pytest.raises(TypeError, match=r"`upper` must be a number.*of type str"):
        kt.layers.RandomizedLeakyReLU(0.1, "0.2")


def test_the_name_of_a_test_slope_must_be_known():
    with pytest.raises(ValueError, match=r'"mean".*"paper".*Received: test_slope=\'median\''):
        kt.layers.RandomizedLeakyReLU(test_slope="median")
