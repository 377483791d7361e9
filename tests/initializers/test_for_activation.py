import json
import math

import keras
import numpy as np
import pytest

import kerastricks as kt

# What single precision, JAX's, leaves of an integral.
SINGLE = 1e-5


def gain_of(activation):
    return kt.initializers.ForActivation(activation).gain


# Golden values: closed forms of E[f(z)^2].
@pytest.mark.parametrize(
    ("activation", "second_moment"),
    [
        ("linear", 1),
        ("relu", 1 / 2),
        ("leaky_relu", (1 + 0.2**2) / 2),
        ("selu", 1),
        (keras.activations.relu, 1 / 2),
        (keras.layers.ReLU(), 1 / 2),
        (keras.layers.LeakyReLU(0.3), (1 + 0.3**2) / 2),
        (kt.layers.LeakyReLU(0.3), (1 + 0.3**2) / 2),
        (keras.layers.PReLU("ones"), 1),
        (kt.layers.PReLU(shared_axes=[1, 2]), (1 + 0.25**2) / 2),
        (kt.layers.TailoredReLU(50), 1),
        (kt.layers.VeryLeakyReLU(), (1 + 5.5**-2) / 2),
        (keras.layers.Activation("relu"), 1 / 2),
        (keras.layers.Activation(lambda x: x**3), 15),
        (keras.layers.Lambda(lambda x: x**3), 15),
        (keras.ops.exp, math.exp(2)),
        (keras.ops.sin, (1 - math.exp(-2)) / 2),
        (keras.ops.cos, (1 + math.exp(-2)) / 2),
        (lambda x: x**3, 15),
        (lambda x: keras.ops.maximum(x - 0.3, 0), None),
    ],
)
def test_gain(activation, second_moment):
    if second_moment is None:  # of a rectifier that starts at t: (1 + t^2) Phi(-t) - t phi(t)
        t = 0.3
        density = math.exp(-t * t / 2) / math.sqrt(2 * math.pi)
        second_moment = (1 + t * t) * math.erfc(t / math.sqrt(2)) / 2 - t * density
    assert gain_of(activation) == pytest.approx(1 / math.sqrt(second_moment), rel=SINGLE)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu", "silu", "elu", "softsign", "mish"])
def test_names_mean_the_same_to_keras_and_to_theory(name):
    assert gain_of(name) == pytest.approx(kt.theory.gain(name), rel=SINGLE)


def test_equals_he_behind_rectifiers():
    shape = (5, 4)
    ours, he = kt.initializers.ForActivation("relu", seed=2), kt.initializers.He(seed=2)
    np.testing.assert_allclose(
        *(keras.ops.convert_to_numpy(start(shape)) for start in (ours, he)), rtol=SINGLE
    )


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_keeps_the_second_moment_of_normal_preactivations(name):
    generator = np.random.default_rng(0)
    z = generator.normal(size=(500, 400)).astype("float32")
    inputs = keras.ops.convert_to_numpy(keras.activations.get(name)(z))
    weights = keras.ops.convert_to_numpy(
        kt.initializers.ForActivation(name, seed=0)((400, 400), dtype="float32")
    )
    second_moment = np.mean((inputs @ weights) ** 2)
    # 400 columns of 400 squared normal weights, and 500 samples of 400 squared activations whose
    # kurtosis is below 10.
    assert abs(second_moment - 1) < 5 * (math.sqrt(2 / 400**2) + math.sqrt(9 / (500 * 400)))


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.PReLU(),
        keras.layers.ReLU(),
        keras.layers.Activation(lambda x: x**3, activity_regularizer="l2"),
        keras.layers.Lambda(lambda x: x**3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_stay_as_they_are(layer):
    built = layer.built
    start = kt.initializers.ForActivation(layer)
    assert start.activation is layer
    assert layer.built == built
    assert not layer.weights
    assert not layer.losses


def test_trained_layers_count_as_before_training():
    layer = keras.layers.PReLU()
    layer.build((None, 3))
    layer.set_weights([np.ones(3)])
    assert gain_of(layer) == pytest.approx(math.sqrt(2), rel=SINGLE)
    np.testing.assert_array_equal(layer.get_weights()[0], np.ones(3))


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Activation("tanh", dtype="float16"),
        keras.layers.Activation(lambda x: keras.ops.tanh(x), dtype="mixed_bfloat16"),
        keras.layers.Lambda(keras.ops.tanh, dtype="mixed_float16"),
    ],
    ids=["float16", "mixed_bfloat16", "Lambda"],
)
def test_layers_of_half_precision_are_integrated_in_full(layer):
    assert gain_of(layer) == pytest.approx(gain_of("tanh"), rel=SINGLE)


def test_layers_with_weights_in_half_precision_are_integrated_in_full():
    layer = kt.layers.PReLU(shared_axes=[1, 2], dtype="mixed_float16")
    assert gain_of(layer) == pytest.approx(math.sqrt(2 / (1 + 0.25**2)), rel=SINGLE)


class Computes(keras.layers.Layer):
    """Someone's layer, with an argument that no config can hold."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


class ComputesScaled(Computes):
    def build(self, input_shape):
        self.scale = self.add_weight(shape=input_shape[1:], initializer="ones")

    def call(self, inputs):
        return self.scale * self.function(inputs)


def test_layers_without_weights_need_no_config():
    assert gain_of(Computes(lambda x: x**3)) == pytest.approx(15**-0.5, rel=SINGLE)


def test_layers_with_weights_need_a_config():
    layer = ComputesScaled(lambda x: x**3)
    with pytest.raises(
        ValueError, match=r"Received: activation=<ComputesScaled.*Pass the function itself"
    ):
        gain_of(layer)
    assert not layer.built


# --- Wherever it is made -------------------------------------------------------------------------


class MakesItsInitializer(keras.layers.Layer):
    def call(self, inputs):
        layer = keras.layers.Activation("tanh")
        gain = kt.initializers.ForActivation(layer).gain
        return inputs * gain


@pytest.mark.parametrize("jit_compile", [False, "auto"])
def test_made_while_a_layer_is_traced(jit_compile):
    model = keras.Sequential([MakesItsInitializer()])
    model.compile(loss="mse", jit_compile=jit_compile)
    assert model(keras.Input((3,))).shape == (None, 3)  # symbolic
    outputs = model.predict(np.ones((2, 3), "float32"), verbose=0)
    np.testing.assert_allclose(outputs, kt.theory.gain("tanh"), rtol=SINGLE)


# --- Saving --------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="kerastricks_tests")
def squared_relu(x):
    return keras.ops.square(keras.ops.relu(x))


@pytest.mark.parametrize(
    "activation",
    ["tanh", "swish", keras.activations.gelu, squared_relu, keras.layers.ReLU(max_value=2.0)],
)
def test_config_round_trip(activation):
    start = kt.initializers.ForActivation(activation, "uniform", 3, kernel="depthwise")
    config = keras.saving.serialize_keras_object(start)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert again.get_config() == start.get_config()
    assert again.gain == start.gain
    clone = kt.initializers.ForActivation.from_config(start.get_config())
    np.testing.assert_array_equal(
        *(keras.ops.convert_to_numpy(one((3, 4, 2))) for one in (clone, start))
    )


def test_a_name_stays_a_name():
    assert kt.initializers.ForActivation("tanh").get_config()["activation"] == "tanh"


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("make", [lambda name: name, keras.layers.Activation])
def test_softmax_is_refused(name, make):
    with pytest.raises(ValueError, match=r"must act on each element alone.*softmax"):
        gain_of(make(name))


@pytest.mark.parametrize("axis", [-1, 1, 2, [1, 2]])
def test_mixing_along_any_axis_is_refused(axis):
    with pytest.raises(ValueError, match="must act on each element alone"):
        gain_of(keras.layers.Softmax(axis))


def test_gated_units_are_refused():
    with pytest.raises(ValueError, match="must act on each element alone"):
        gain_of("glu")


def test_names_must_be_known():
    with pytest.raises(ValueError, match=r"a function in `keras.activations`. Received.*'rleu'"):
        gain_of("rleu")


@pytest.mark.parametrize("activation", [3, None, ["relu"]])
def test_activation_must_be_a_name_or_callable(activation):
    with pytest.raises(TypeError, match=r"`activation` must be the name.*Received: activation="):
        gain_of(activation)


def test_nothing_comes_through():
    def nothing(x):
        return 0 * x

    with pytest.raises(ValueError, match=r"no gain.*Received: activation=<function.*nothing"):
        gain_of(nothing)


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="must be finite"):
        gain_of(keras.ops.log)
