"""Every layer times the laws that all keep. A new one joins by a line in LAYERS."""

import json
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import pytest

import kerastricks as kt

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}


class Member(NamedTuple):
    make: Callable[..., keras.Layer]
    twin: Callable[..., keras.Layer]  # Keras' layer of the same name
    equal: bool = True  # whether the twin computes the same


LAYERS = {
    "BatchNormalization": Member(
        kt.layers.BatchNormalization,
        keras.layers.BatchNormalization,
    ),
    "BatchNormalization-alpha": Member(
        partial(kt.layers.BatchNormalization, alpha=0.1, epsilon=1e-5),
        partial(keras.layers.BatchNormalization, momentum=0.9, epsilon=1e-5),
    ),
    "BatchNormalization-axis": Member(
        partial(kt.layers.BatchNormalization, 1, alpha=0.5, scale=False),
        partial(keras.layers.BatchNormalization, 1, momentum=0.5, scale=False),
    ),
    "Dropout": Member(
        partial(kt.layers.Dropout, 0.3, seed=1),
        partial(keras.layers.Dropout, 0.3, seed=1),
    ),
    "Dropout-channels": Member(
        partial(kt.layers.Dropout, 0.3, (None, 1, None), 1),
        partial(keras.layers.Dropout, 0.3, (None, 1, None), 1),
    ),
    "Dropout-classic": Member(
        partial(kt.layers.Dropout, keep=0.7, scaling="classic", seed=1),
        partial(keras.layers.Dropout, 0.3, seed=1),
        equal=False,
    ),
    "LeakyReLU": Member(kt.layers.LeakyReLU, keras.layers.LeakyReLU),
    "LeakyReLU-slope": Member(
        partial(kt.layers.LeakyReLU, 0.01), partial(keras.layers.LeakyReLU, 0.01)
    ),
}

every_layer = pytest.mark.parametrize("member", LAYERS.values(), ids=list(LAYERS))
every_equal_layer = pytest.mark.parametrize(
    "member",
    [member for member in LAYERS.values() if member.equal],
    ids=[name for name, member in LAYERS.items() if member.equal],
)


def inputs(samples=8, dtype="float32"):
    values = np.random.default_rng(samples).normal(1.0, 2.0, size=(samples, 5, 3))
    return keras.ops.convert_to_tensor(values.astype("float32"), dtype=dtype)


def array(value):
    return keras.ops.convert_to_numpy(value)


def dtype_of(value):
    return keras.backend.standardize_dtype(value.dtype)


def model_of(layer):
    return keras.Sequential(
        [
            keras.Input((5, 3)),
            keras.layers.Dense(3),
            layer,
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


def trained(layer, **compile_arguments):
    model = model_of(layer)
    model.compile(optimizer="sgd", loss="mse", **compile_arguments)
    history = model.fit(array(inputs()), np.ones((8, 2)), epochs=1, verbose=0)
    return model, history.history["loss"]


def assert_same_outputs(layer, other, **tolerance):
    for training in (True, False, True):
        np.testing.assert_allclose(
            array(layer(inputs(), training=training) if takes_training(layer) else layer(inputs())),
            array(other(inputs(), training=training) if takes_training(other) else other(inputs())),
            **tolerance,
        )


def takes_training(layer):
    return not isinstance(layer, keras.layers.LeakyReLU)


def test_every_public_layer_is_in_the_table():
    assert {name.split("-")[0] for name in LAYERS} == set(kt.layers.__all__)


# --- Configs and files ---------------------------------------------------------------------------


@every_layer
def test_config_round_trip(member):
    layer = member.make(name="trick")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert config["registered_name"] == f"kerastricks>{type(layer).__name__}"
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert_same_outputs(again, layer, rtol=0)


@every_layer
def test_saved_and_loaded_without_custom_objects(member, tmp_path):
    model, _ = trained(member.make())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.layers[1]) is type(model.layers[1])
    x = array(inputs())
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


# --- Keras' twin ---------------------------------------------------------------------------------


@every_layer
def test_takes_the_place_of_the_twin(member):
    layer, twin = member.make(), member.twin()
    assert isinstance(layer, type(twin))
    assert layer.supports_masking == twin.supports_masking
    assert layer.built == twin.built
    for one in (layer, twin):
        one.build((None, 5, 3))
    described = [
        [(w.name, tuple(w.shape), w.trainable, dtype_of(w)) for w in one.weights]
        for one in (layer, twin)
    ]
    assert described[0] == described[1]


@every_equal_layer
def test_computes_what_the_twin_does(member):
    assert_same_outputs(member.make(), member.twin(), **FLOAT32)


@every_equal_layer
def test_loads_the_twins_config(member):
    twin = member.twin(name="trick")
    layer = type(member.make()).from_config(twin.get_config())
    assert layer.name == "trick"
    assert_same_outputs(layer, twin, **FLOAT32)


@every_layer
def test_hands_the_mask_on(member):
    mask = keras.ops.convert_to_tensor(np.arange(5)[None] < np.arange(8)[:, None])
    assert member.make().compute_mask(inputs(), mask) is mask


# --- Shapes and types ----------------------------------------------------------------------------


@every_layer
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("samples", [8, None])
def test_symbolic_equals_actual(member, policy, samples):
    layer = member.make(dtype=policy)
    symbolic = layer(keras.Input(batch_shape=(samples, 5, 3)))
    actual = layer(inputs())
    assert tuple(symbolic.shape) == (samples, 5, 3)
    assert tuple(actual.shape) == (8, 5, 3)
    compute_dtype = policy.removeprefix("mixed_")
    assert dtype_of(symbolic) == dtype_of(actual) == compute_dtype
    assert all(dtype_of(weight) == "float32" for weight in layer.weights)


@every_layer
@pytest.mark.parametrize("samples", [0, 1])
def test_small_batches(member, samples):
    outputs = member.make()(inputs(samples))
    assert tuple(outputs.shape) == (samples, 5, 3)
    assert np.isfinite(array(outputs)).all()


@every_layer
def test_a_batch_of_one_is_inferred_as_in_a_larger_batch(member):
    layer = member.make()
    np.testing.assert_allclose(array(layer(inputs()[:1])), array(layer(inputs()))[:1], **FLOAT32)


@every_layer
def test_nan_stays_where_it_was(member):
    x = array(inputs()).copy()
    x[2, 3, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(array(member.make()(x))), np.isnan(x))


# --- Training ------------------------------------------------------------------------------------


@every_layer
@pytest.mark.parametrize("jit_compile", ["auto", False])
def test_one_step_of_fit(member, jit_compile):
    before = model_of(member.make()).count_params()
    model, losses = trained(member.make(), jit_compile=jit_compile)
    assert model.count_params() == before
    assert np.isfinite(losses).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@every_layer
def test_training_in_mixed_precision(member):
    model, losses = trained(member.make(dtype="mixed_float16"))
    assert np.isfinite(losses).all()
    assert model.layers[1].compute_dtype == "float16"


@every_layer
def test_same_seed_same_training(member):
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(4)
        runs.append(trained(member.make())[0].get_weights())
    for one, other in zip(*runs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
