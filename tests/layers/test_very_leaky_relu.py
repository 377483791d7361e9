import keras
import numpy as np
import pytest

import kerastricks as kt


def test_formula():
    x = np.linspace(-3, 3, 13, dtype="float32")
    y = keras.ops.convert_to_numpy(kt.layers.VeryLeakyReLU()(x))
    np.testing.assert_allclose(y, np.where(x >= 0, x, x / 5.5), rtol=1e-6)


def test_is_a_leaky_rectifier_without_a_choice():
    layer = kt.layers.VeryLeakyReLU()
    assert isinstance(layer, kt.layers.LeakyReLU)
    assert layer.negative_slope == 1 / 5.5
    assert set(layer.get_config()) == {"name", "trainable", "dtype"}


@pytest.mark.parametrize("argument", ["negative_slope", "alpha"])
def test_other_slopes_are_refused(argument):
    with pytest.raises(TypeError, match=rf"fixed slope.*Received: {argument}=0.2.*LeakyReLU\("):
        kt.layers.VeryLeakyReLU(**{argument: 0.2})
