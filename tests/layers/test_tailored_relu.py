import math

import keras
import numpy as np
import pytest

import kerastricks as kt


def array(value):
    return keras.ops.convert_to_numpy(value)


def test_formula():
    layer = kt.layers.TailoredReLU(50)
    a, s = layer.negative_slope, layer.output_scale
    x = np.linspace(-3, 3, 13, dtype="float32")
    expected = s * (np.maximum(x, 0) + a * np.minimum(x, 0))
    np.testing.assert_allclose(array(layer(x)), expected, rtol=1e-6)


def test_the_second_moment_stays():
    a, s = (lambda layer: (layer.negative_slope, layer.output_scale))(kt.layers.TailoredReLU(100))
    assert s**2 * (1 + a**2) / 2 == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(("depth", "eta"), [(20, 0.5), (50, 0.9), (100, 0.9)])
def test_orthogonal_inputs_come_out_with_the_correlation_eta(depth, eta):
    width, networks = 200, 4
    rng = np.random.default_rng(0)
    layer = kt.layers.TailoredReLU(depth, eta)
    cosines = []
    for _ in range(networks):
        orthogonal, _ = np.linalg.qr(rng.normal(size=(width, width)))
        signals = orthogonal[:2] * math.sqrt(width)
        for _ in range(depth):
            # One orthogonal matrix with its rows in any order and sign: another orthogonal one.
            weights = orthogonal[rng.permutation(width)] * rng.choice([-1, 1], size=(width, 1))
            signals = array(layer((signals @ weights).astype("float32"))).astype("float64")
        one, other = signals
        cosines.append(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    # A network of finite width is off by about 1 / sqrt(width).
    assert abs(np.mean(cosines) - eta) < 1 / math.sqrt(width)


def test_gradient_is_the_slope(gradients):
    layer = kt.layers.TailoredReLU(50)
    x = np.random.default_rng(1).normal(size=(8, 30)).astype("float32")
    (gradient,) = gradients(lambda x: keras.ops.sum(layer(x)), x)
    expected = layer.output_scale * np.where(x < 0, layer.negative_slope, 1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_deeper_networks_are_less_nonlinear_in_each_layer():
    slopes = [kt.layers.TailoredReLU(depth).negative_slope for depth in (20, 50, 100, 1000)]
    assert slopes == sorted(slopes)


def test_shallow_networks_have_no_solution():
    with pytest.raises(ValueError, match="shallow"):
        kt.layers.TailoredReLU(5)


def test_arguments_are_checked():
    with pytest.raises(TypeError, match="`depth`"):
        kt.layers.TailoredReLU(20.5)
    with pytest.raises(TypeError, match="`depth`"):
        kt.layers.TailoredReLU(None)
    with pytest.raises(ValueError, match="`eta`"):
        kt.layers.TailoredReLU(20, 1.5)
