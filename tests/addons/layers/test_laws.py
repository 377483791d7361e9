"""What all layers of the addons keep, on every backend."""

import json
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

import kerastricks.addons as tfa

L = tfa.layers
IMAGE = (4, 6, 4)
LAYERS = {
    "AdaptiveAveragePooling1D": (partial(L.AdaptiveAveragePooling1D, 2), (6, 3)),
    "AdaptiveAveragePooling2D": (partial(L.AdaptiveAveragePooling2D, (2, 3)), IMAGE),
    "AdaptiveAveragePooling3D": (partial(L.AdaptiveAveragePooling3D, 2), (4, 2, 2, 3)),
    "AdaptiveMaxPooling1D": (partial(L.AdaptiveMaxPooling1D, 2), (6, 3)),
    "AdaptiveMaxPooling2D": (partial(L.AdaptiveMaxPooling2D, (2, 3)), IMAGE),
    "AdaptiveMaxPooling3D": (partial(L.AdaptiveMaxPooling3D, [2, 1, 2]), (4, 2, 2, 3)),
    "FilterResponseNormalization": (
        partial(L.FilterResponseNormalization, learned_epsilon=True, gamma_regularizer="l2"),
        IMAGE,
    ),
    "GELU": (partial(L.GELU, approximate=False), (5,)),
    "GroupNormalization": (partial(L.GroupNormalization, 2), IMAGE),
    "InstanceNormalization": (partial(L.InstanceNormalization, epsilon=1e-4), IMAGE),
    "Maxout": (partial(L.Maxout, 2), IMAGE),
    "NoisyDense": (partial(L.NoisyDense, 3, activation="tanh"), (5,)),
    "Snake": (partial(L.Snake, keras.initializers.Constant(0.5)), (5,)),
    "Sparsemax": (L.Sparsemax, (5,)),
    "SpatialPyramidPooling2D": (partial(L.SpatialPyramidPooling2D, [1, (2, 3)]), IMAGE),
    "SpectralNormalization": (
        lambda **more: L.SpectralNormalization(keras.layers.Conv2D(3, 2, **more), 2, **more),
        IMAGE,
    ),
    "TLU": (partial(L.TLU, affine=True, alpha_constraint="non_neg"), IMAGE),
    "WeightNormalization": (
        lambda **more: L.WeightNormalization(
            keras.layers.Conv2D(3, 2, activation="relu", **more), data_init=False, **more
        ),
        IMAGE,
    ),
}
PAIRS = {
    "PolynomialCrossing": (partial(L.PolynomialCrossing, 2, diag_scale=0.5), (6,)),
    "StochasticDepth": (partial(L.StochasticDepth, 0.7), IMAGE),
}
ALL = {**LAYERS, **PAIRS}


def samples(shape, number=6):
    return np.random.default_rng(0).normal(0.5, 1.0, size=(number, *shape)).astype("float32")


def called(name, layer, x, **keywords):
    return layer([x, x] if name in PAIRS else x, **keywords)


def model_of(name, **more):
    make, shape = ALL[name]
    inputs = keras.Input(shape)
    outputs = keras.layers.Flatten()(called(name, make(**more), inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(outputs))
    # XLA compiles the wrappers, the two that assign in a step, in tests of their own.
    compiled = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=compiled)
    return model


def test_every_layer_is_in_the_table():
    assert set(ALL) == set(L.__all__)


@pytest.mark.parametrize("name", ALL)
def test_config_round_trip(name):
    layer = ALL[name][0](name="one")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert config["registered_name"] == f"kerastricks.addons>{name}"
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


STATEFUL = ("NoisyDense", "SpectralNormalization", "WeightNormalization")


@pytest.mark.compiling
@pytest.mark.parametrize("name", ALL)
def test_trains_is_saved_and_loaded(name, tmp_path):
    model = model_of(name)
    x, y = samples(ALL[name][1]), np.ones((6, 2))
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, atol=1e-6)
    if name in STATEFUL:
        for one in (model, again):
            one.fit(x, y, shuffle=False, verbose=0)
        for weight, other in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_allclose(weight, other, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_mixed_precision(name):
    x = samples(ALL[name][1])
    keras.utils.set_random_seed(1)
    layer = ALL[name][0](dtype="mixed_float16")
    half = called(name, layer, x)
    assert keras.backend.standardize_dtype(half.dtype) == "float16"
    assert not [w for w in layer.weights if w.dtype not in ("float32", "bool")]
    keras.utils.set_random_seed(1)
    single = ALL[name][0]()
    expected = ops.convert_to_numpy(called(name, single, x))
    single.set_weights(layer.get_weights())
    expected = ops.convert_to_numpy(called(name, single, x))
    unit = 2.0**-10
    scale = 8 * unit * max(1, np.abs(expected).max())
    np.testing.assert_allclose(ops.convert_to_numpy(half), expected, rtol=8 * unit, atol=scale)
    model = model_of(name, dtype="mixed_float16")
    assert np.isfinite(model.fit(x, np.ones((6, 2)), verbose=0).history["loss"]).all()


@pytest.mark.parametrize("name", ALL)
def test_symbolic_equals_actual(name):
    make, shape = ALL[name]
    actual = called(name, make(), samples(shape))
    symbolic = called(name, make(), keras.Input(shape))
    assert tuple(symbolic.shape) == (None, *actual.shape[1:])
    assert symbolic.dtype == keras.backend.standardize_dtype(actual.dtype) == "float32"


SIZELESS = {
    "AdaptiveAveragePooling2D": (None, None, 4),
    "AdaptiveMaxPooling1D": (None, 3),
    "FilterResponseNormalization": (None, None, 4),
    "GroupNormalization": (None, None, 4),
    "InstanceNormalization": (None, None, 4),
    "Maxout": (None, None, 4),
    "SpatialPyramidPooling2D": (None, None, 4),
}


@pytest.mark.parametrize("name", SIZELESS)
def test_sizes_may_be_unknown_when_a_model_is_built(name):
    make, shape = ALL[name]
    inputs = keras.Input(SIZELESS[name])
    model = keras.Model(inputs, make()(inputs))
    x = samples(shape)
    expected = ops.convert_to_numpy(make()(x))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)


MASKED = ("GELU", "Snake", "Sparsemax", "TLU", "NoisyDense", "GroupNormalization")


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_is_handed_on(name):
    layer = ALL[name][0]()
    assert layer.supports_masking
    mask = ops.convert_to_tensor(np.ones((6, 5), bool))
    assert layer.compute_mask(None, mask) is mask


@pytest.mark.parametrize("name", PAIRS)
def test_the_mask_of_a_pair_is_the_first_ones(name):
    mask = ops.convert_to_tensor(np.ones((6, 5), bool))
    assert ALL[name][0]().compute_mask(None, [mask, None]) is mask


REFUSALS = [
    (lambda: L.StochasticDepth(1.5), r"survival_probability=1\.5"),
    (lambda: L.StochasticDepth()(np.ones((2, 3))), "list of two tensors"),
    (lambda: L.FilterResponseNormalization(axis=[1, 3]), r"axis=\[1, 3\]"),
    (lambda: L.FilterResponseNormalization()(np.ones((2, 3))), "rank 4"),
    (lambda: L.TLU()(keras.Input((None, 3))), "must be known"),
    (lambda: L.GroupNormalization(axis=0), "must not be 0"),
    (lambda: L.GroupNormalization(0), "groups=0"),
    (lambda: L.GroupNormalization(3)(np.ones((2, 4))), "groups"),
    (lambda: L.Maxout(0), "num_units=0"),
    (lambda: L.Maxout(3)(np.ones((2, 4))), "multiple of"),
    (lambda: L.NoisyDense(0), "positive integer"),
    (lambda: L.NoisyDense(2)(keras.Input((None,))), "last size"),
    (lambda: L.PolynomialCrossing()(np.ones((2, 4))), "pair of"),
    (lambda: L.PolynomialCrossing(3)([np.ones((2, 4))] * 2), "projection_dim=3"),
    (lambda: L.AdaptiveMaxPooling2D((1, 2, 3)), "output_size"),
    (lambda: L.AdaptiveMaxPooling2D(2, data_format="last"), "data_format='last'"),
    (lambda: L.AdaptiveMaxPooling2D(3)(np.ones((1, 4, 3, 1))), "3 does not divide 4"),
    (lambda: L.AdaptiveMaxPooling2D(3)(np.ones((1, 4, 3))), "expected ndim=4"),
    (lambda: L.SpatialPyramidPooling2D([5])(np.ones((1, 4, 6, 1))), "5 does not divide 0"),
    (lambda: L.SpectralNormalization(keras.layers.Dense(2), 0), "power_iterations=0"),
    (lambda: L.SpectralNormalization(keras.layers.ReLU())(np.ones((2, 3))), "class ReLU"),
    (lambda: L.WeightNormalization(keras.layers.ReLU())(np.ones((2, 3))), "class ReLU"),
]


@pytest.mark.parametrize(("act", "message"), REFUSALS, ids=[m for _, m in REFUSALS])
def test_says_what_is_wrong(act, message):
    with pytest.raises(ValueError, match=message):
        act()
