"""Every initializer times the laws that all keep. A new one joins by a line in INITIALIZERS."""

import json
import math
from functools import partial

import keras
import numpy as np
import pytest

import kerastricks as kt

SHAPE = (3, 3, 50, 40)
FAN_IN, FAN_OUT = 450, 360

# What makes the initializer, given a seed, and the standard deviation it states for SHAPE.
INITIALIZERS = {
    "Xavier": (kt.initializers.Xavier, math.sqrt(2 / (FAN_IN + FAN_OUT))),
    "Xavier-uniform": (
        partial(kt.initializers.Xavier, "uniform"),
        math.sqrt(2 / (FAN_IN + FAN_OUT)),
    ),
    "Xavier-truncated": (
        partial(kt.initializers.Xavier, "truncated_normal"),
        math.sqrt(2 / (FAN_IN + FAN_OUT)),
    ),
    "He": (kt.initializers.He, math.sqrt(2 / FAN_IN)),
    "He-leaky-uniform": (partial(kt.initializers.He, 0.3, "uniform"), math.sqrt(2 / 1.09 / FAN_IN)),
    "He-linear-truncated": (
        partial(kt.initializers.He, 1, "truncated_normal"),
        math.sqrt(1 / FAN_IN),
    ),
    "ScaledNormal": (kt.initializers.ScaledNormal, 0.03),
    "ScaledNormal-wide": (partial(kt.initializers.ScaledNormal, 2.5), 2.5),
}

every_initializer = pytest.mark.parametrize(
    "make", [make for make, _ in INITIALIZERS.values()], ids=list(INITIALIZERS)
)


def draws(initializer, count=3, shape=(6, 5)):
    return [keras.ops.convert_to_numpy(initializer(shape)) for _ in range(count)]


def differ(one, other):
    """Whether two draws are different ones: a few values may coincide, as floats are countable."""
    return np.mean(one != other) > 0.9


def test_every_public_initializer_is_in_the_table():
    assert {name.split("-")[0] for name in INITIALIZERS} == set(kt.initializers.__all__)


@every_initializer
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 5), (7,), ()], ids=str)
def test_shape(make, shape):
    values = make(seed=1)(shape)
    assert tuple(values.shape) == shape
    assert keras.backend.standardize_dtype(values.dtype) == keras.config.floatx()


@every_initializer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_the_cast_float32_draw(make, dtype):
    half, single = make(seed=1)((4, 3), dtype=dtype), make(seed=1)((4, 3), dtype="float32")
    assert keras.backend.standardize_dtype(half.dtype) == dtype
    difference = keras.ops.cast(half, "float32") - keras.ops.cast(
        keras.ops.cast(single, dtype), "float32"
    )
    assert float(keras.ops.max(keras.ops.abs(difference))) == 0.0


@every_initializer
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 by default")
def test_double_precision(make):
    values = make(seed=1)((4, 3), dtype="float64")
    assert keras.backend.standardize_dtype(values.dtype) == "float64"


@every_initializer
def test_whole_numbers_are_refused(make):
    with pytest.raises(ValueError, match="`dtype` must be a floating-point type"):
        make()((4, 3), dtype="int32")


@pytest.mark.parametrize(("make", "stddev"), INITIALIZERS.values(), ids=list(INITIALIZERS))
def test_mean_and_standard_deviation(make, stddev):
    values = keras.ops.convert_to_numpy(make(seed=12)(SHAPE, dtype="float32")).astype("float64")
    count = values.size
    # SE(mean) = sigma / sqrt(n). SE(s) = sigma sqrt((kurtosis - 1) / (4 n)), kurtosis 3 for the
    # normal distribution and less for the other two.
    assert abs(values.mean()) < 5 * stddev / math.sqrt(count)
    kurtosis = np.mean(values**4) / np.mean(values**2) ** 2
    assert abs(values.std() - stddev) < 5 * stddev * math.sqrt((kurtosis - 1) / (4 * count))


@every_initializer
def test_same_seed_same_draws(make):
    np.testing.assert_array_equal(draws(make(seed=5)), draws(make(seed=5)))
    assert differ(draws(make(seed=5))[0], draws(make(seed=6))[0])


@every_initializer
@pytest.mark.parametrize("seed", [None, 5])
def test_every_call_draws_anew(make, seed):
    one, two, three = draws(make(seed=seed))
    assert differ(one, two)
    assert differ(two, three)
    assert differ(one, three)


@every_initializer
def test_set_random_seed_makes_unseeded_draws_reproducible(make):
    keras.utils.set_random_seed(8)
    first = draws(make())
    keras.utils.set_random_seed(8)
    np.testing.assert_array_equal(first, draws(make()))
    assert differ(draws(make())[0], draws(make())[0])


@every_initializer
def test_a_clone_starts_over(make):
    initializer = make(seed=5)
    expected = draws(initializer)
    clone = type(initializer).from_config(initializer.get_config())
    np.testing.assert_array_equal(draws(clone), expected)


@every_initializer
@pytest.mark.parametrize("seed", [None, 5])
def test_config_round_trip(make, seed):
    initializer = make(seed=seed)
    config = keras.saving.serialize_keras_object(initializer)
    assert config["registered_name"] == f"kerastricks>{type(initializer).__name__}"
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is type(initializer)
    assert again.get_config() == initializer.get_config()
    assert initializer.get_config()["seed"] == seed


@every_initializer
def test_in_a_saved_model(make, tmp_path):
    initializer = make(seed=5)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(3, 3, kernel_initializer=initializer),
            keras.layers.Flatten(),
            keras.layers.Dense(4, kernel_initializer=initializer),
        ]
    )
    convolution, dense = model.layers[0].get_weights()[0], model.layers[2].get_weights()[0]
    expected = make(seed=5)
    np.testing.assert_array_equal(
        convolution, keras.ops.convert_to_numpy(expected(convolution.shape))
    )
    np.testing.assert_array_equal(dense, keras.ops.convert_to_numpy(expected(dense.shape)))

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for weight, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    assert again.layers[0].kernel_initializer.get_config() == initializer.get_config()
    assert type(again.layers[0].kernel_initializer) is type(initializer)
