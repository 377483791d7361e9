import math

import keras
import numpy as np
import pytest

import kerastricks as kt


@pytest.mark.parametrize("slope", [0, 0.01, 0.3, 5.5])
def test_formula(slope):
    x = np.linspace(-3, 3, 13, dtype="float32")
    y = keras.ops.convert_to_numpy(kt.layers.LeakyReLU(slope)(x))
    np.testing.assert_allclose(y, np.where(x >= 0, x, slope * x), rtol=1e-6)


def test_default_is_that_of_keras():
    assert kt.layers.LeakyReLU().negative_slope == keras.layers.LeakyReLU().negative_slope == 0.3


@pytest.mark.parametrize("slope", [1, 1.0, np.float32(1)])
def test_the_linear_layer_is_refused(slope):
    with pytest.raises(ValueError, match=r"must not be 1: .* Received: negative_slope=.*below 1"):
        kt.layers.LeakyReLU(slope)


@pytest.mark.parametrize("slope", [-0.1, -1, math.nan, math.inf])
def test_slopes_out_of_range_are_refused(slope):
    with pytest.raises(ValueError, match=r"`negative_slope` must be a number in \[0, inf\)"):
        kt.layers.LeakyReLU(negative_slope=slope)


@pytest.mark.parametrize("slope", [None, "0.3", [0.3], True])
def test_slopes_must_be_numbers(slope):
    with pytest.raises(TypeError, match=r"`negative_slope` must be a number.*of type"):
        kt.layers.LeakyReLU(slope)


def test_configs_with_the_old_name_alpha_load():
    with pytest.warns(UserWarning, match="`alpha` is deprecated"):
        layer = kt.layers.LeakyReLU.from_config({"alpha": 0.2})
    assert layer.negative_slope == 0.2
    with pytest.raises(ValueError, match="must not be 1"):
        kt.layers.LeakyReLU(alpha=1.0)
