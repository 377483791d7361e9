"""Laws of the activation functions that hold without the real TensorFlow Addons."""

import keras
import numpy as np
import pytest
from keras import ops

import kerastricks.addons as tfa

NAMES = tfa.activations.__all__
DETERMINISTIC = [name for name in NAMES if name != "rrelu"]


def array(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_keeps_type_and_shape(name, dtype):
    x = ops.cast(np.linspace(-2, 2, 12).reshape(3, 4), dtype)
    y = getattr(tfa.activations, name)(x)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    assert tuple(y.shape) == (3, 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_list_of_numbers_is_as_good(name):
    function = getattr(tfa.activations, name)
    x = [[-1.0, 0.25, 2.0]]
    np.testing.assert_array_equal(array(function(x)), array(function(ops.array(x))))


@pytest.mark.parametrize("name", NAMES)
def test_is_saved_with_a_layer_by_its_name_here(name, tmp_path):
    layer = keras.layers.Dense(3, activation=getattr(tfa.activations, name))
    model = keras.Sequential([keras.Input((4,)), layer])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].activation is getattr(tfa.activations, name)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    np.testing.assert_array_equal(array(again(x)), array(model(x)))


def test_nothing_is_registered_under_the_old_name():
    for name in (*NAMES, *tfa.layers.__all__):
        assert keras.saving.get_registered_object(f"Addons>{name}") is None
        assert keras.saving.get_registered_object(f"kerastricks.addons>{name}") is not None


@pytest.mark.parametrize("name", ["hardshrink", "softshrink"])
def test_shrinking_refuses_an_interval_that_is_none(name):
    with pytest.raises(ValueError, match=r"lower=0\.5, upper=-0\.5"):
        getattr(tfa.activations, name)([1.0], lower=0.5, upper=-0.5)


def test_shrinking_is_keras_where_bounds_are_symmetric():
    x = np.linspace(-2, 2, 33).astype("float32")
    own = tfa.activations
    for function, twin in (
        (own.hardshrink, keras.activations.hard_shrink),
        (own.softshrink, keras.activations.soft_shrink),
    ):
        np.testing.assert_allclose(array(function(x, -0.75, 0.75)), array(twin(x, 0.75)))


def test_nan_stays():
    for name in DETERMINISTIC:
        assert np.isnan(array(getattr(tfa.activations, name)([np.nan, 0.0]))[0]), name


def slopes(y, x):
    return array(y) / x


def test_rrelu_draws_in_training():
    x = -np.ones((100, 100), "float32")
    drawn = slopes(tfa.activations.rrelu(x, training=True, seed=1), x)
    assert drawn.min() >= 0.125
    assert drawn.max() <= 1 / 3
    # The mean of 10^4 uniform draws, to five standard errors.
    assert abs(drawn.mean() - 11 / 48) < 5 * (5 / 24) / np.sqrt(12 * x.size)
    np.testing.assert_array_equal(slopes(tfa.activations.rrelu(x, training=True, seed=1), x), drawn)
    positive = tfa.activations.rrelu(-x, training=True, seed=1)
    np.testing.assert_array_equal(array(positive), -x)


@pytest.mark.parametrize(
    "bounds", [{"lower": np.nan}, {"upper": np.inf}, {"upper": np.float32(np.nan)}]
)
@pytest.mark.parametrize("training", [True, False])
def test_rrelu_refuses_slopes_that_are_none(bounds, training):
    with pytest.raises(ValueError, match="must be a finite slope"):
        tfa.activations.rrelu([-1.0], **bounds, training=training)


@pytest.mark.parametrize("name", ["hardshrink", "softshrink"])
def test_an_interval_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="must not be higher"):
        getattr(tfa.activations, name)([-1.0], lower=np.nan)


def test_rrelu_takes_the_mean_slope_in_inference():
    y = tfa.activations.rrelu([-2.0, 3.0], 0.25, 0.75, training=False)
    np.testing.assert_array_equal(array(y), [-1.0, 3.0])
    np.testing.assert_array_equal(array(tfa.activations.rrelu([-2.0, 3.0], 0.25, 0.75)), array(y))


def test_rrelu_draws_anew_from_a_generator():
    rng = keras.random.SeedGenerator(1)
    x = -np.ones(10, "float32")
    first, second = (array(tfa.activations.rrelu(x, training=True, rng=rng)) for _ in range(2))
    assert (first != second).all()
    with pytest.raises(ValueError, match="either `seed`"):
        tfa.activations.rrelu(x, training=True, rng=rng, seed=1)


def test_rrelu_does_what_the_layer_around_it_does():
    def seeded(x):
        return tfa.activations.rrelu(x, seed=3)

    layer = keras.layers.Activation(seeded)
    x = -np.ones((4, 5), "float32")
    inference = array(layer(x))
    np.testing.assert_allclose(inference, -11 / 48, rtol=1e-6)
    outer = keras.Sequential([keras.Input((5,)), layer])
    assert np.ptp(array(outer(x, training=True))) > 0.01
    assert np.ptp(array(outer(x, training=False))) == 0
    assert np.ptp(outer.predict(x, verbose=0)) == 0
    outer.add(keras.layers.Dense(1))
    outer.compile("sgd", "mse")
    assert np.isfinite(outer.fit(x, x[:, :1], verbose=0).history["loss"]).all()


@pytest.mark.parametrize(("dtype", "largest"), [("float16", 65504.0), ("float32", 3.4e38)])
def test_snake_is_finite_up_to_the_largest_number(dtype, largest):
    x = ops.cast([-largest, -largest / 2, largest / 2, largest], dtype)
    np.testing.assert_array_equal(array(tfa.activations.snake(x)), array(x))


def test_snake_without_ripples_is_the_identity():
    """Also where some frequencies are zero and others are not."""
    x = np.linspace(-2, 2, 5, dtype="float32")
    np.testing.assert_array_equal(array(tfa.activations.snake(x, 0)), x)
    mixed = array(tfa.activations.snake(x[:, None], np.array([0, 1], "float32")))
    np.testing.assert_array_equal(mixed[:, 0], x)
    np.testing.assert_array_equal(mixed[:, 1], array(tfa.activations.snake(x)))


@pytest.mark.parametrize("frequency", ["ones", "zeros"])
def test_snake_learns_from_large_numbers_of_half_precision(frequency):
    """Also from a frequency of 0, and where the square of an input would overflow."""
    layer = tfa.layers.Snake(frequency_initializer=frequency, dtype="float16")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    x = np.array([[300.0 if frequency == "ones" else 3.0]], "float32")
    before = array(model.layers[0].get_weights()[0]).copy()
    model.fit(x, x + 3, verbose=0)
    after = array(model.layers[0].get_weights()[0])
    assert np.isfinite(after).all()
    assert (after != before).all()
