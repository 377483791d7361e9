"""Weight normalization: kernels of a learned length, first values from data, weights in files."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops

import kerastricks.addons as tfa

WeightNormalization = tfa.layers.WeightNormalization
JAX = keras.backend.backend() == "jax"
RANDOM = np.random.default_rng(0)
LAYERS = {
    "dense": (lambda: keras.layers.Dense(3), (5,)),
    "dense-plain": (lambda: keras.layers.Dense(3, use_bias=False), (5,)),
    "sequence": (lambda: keras.layers.Dense(3, "relu"), (4, 5)),
    "convolution": (lambda: keras.layers.Conv2D(3, 2, activation="relu"), (4, 5, 2)),
    "transposed": (lambda: keras.layers.Conv2DTranspose(2, 2), (4, 5, 2)),
    "einsum": (lambda: keras.layers.EinsumDense("ab,bc->ac", 3, bias_axes="c"), (5,)),
}


def array(x):
    return ops.convert_to_numpy(x)


def samples(shape, number=64):
    return RANDOM.normal(1.0, 2.0, size=(number, *shape)).astype("float32")


def kernel_length(kernel):
    return np.sqrt((kernel**2).sum(axis=tuple(range(kernel.ndim - 1))))


@pytest.mark.parametrize("name", LAYERS)
def test_without_data_nothing_changes_at_first(name):
    make, shape = LAYERS[name]
    x, plain = samples(shape), make()
    expected = array(plain(x))
    layer = WeightNormalization(make(), data_init=False)
    layer.build(x.shape)
    layer.layer.set_weights(plain.get_weights())
    np.testing.assert_allclose(array(layer(x)), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(array(layer.g), kernel_length(array(layer.v)), rtol=1e-6)
    assert array(layer._initialized)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "transposed"])
def test_first_answers_to_data_have_mean_0_and_variance_1(name):
    make, shape = LAYERS[name]
    inner, x = make(), samples(shape)
    # What is normalized is what comes before the activation.
    activation, inner.activation = inner.activation, None
    layer = WeightNormalization(inner)
    inner.activation = activation
    layer(x)
    inner.activation = None
    answers = array(layer(x)).reshape(-1, layer.layer_depth)
    np.testing.assert_allclose(answers.std(0), 1, atol=1e-3)
    if "plain" not in name:
        np.testing.assert_allclose(answers.mean(0), 0, atol=1e-4)


def test_channels_may_be_first():
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow's convolutions on CPUs have their channels last")
    layer = WeightNormalization(keras.layers.Conv2D(3, 2, data_format="channels_first"))
    x = samples((2, 5, 4))
    layer(x)
    np.testing.assert_allclose(array(layer(x)).std((0, 2, 3)), 1, atol=1e-3)


def test_data_counts_once():
    layer, x = WeightNormalization(keras.layers.Dense(3)), samples((5,))
    first = array(layer(x))
    weights = layer.get_weights()
    np.testing.assert_allclose(array(layer(x)), first, rtol=1e-5, atol=1e-5)
    layer(10 * x)
    for weight, before in zip(layer.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, before)


def test_length_alone_scales_the_answers():
    layer, x = WeightNormalization(keras.layers.Dense(3, use_bias=False)), samples((5,))
    first = array(layer(x))
    layer.v.assign(7 * array(layer.v))
    np.testing.assert_allclose(array(layer(x)), first, rtol=1e-5, atol=1e-5)
    layer.g.assign(2 * array(layer.g))
    np.testing.assert_allclose(array(layer(x)), 2 * first, rtol=1e-5, atol=1e-5)


def test_a_unit_without_weights_answers_with_its_bias():
    layer = WeightNormalization(keras.layers.Dense(2, kernel_initializer="zeros"), data_init=False)
    np.testing.assert_array_equal(array(layer(samples((5,)))), 0)


def fitted(layer, x, y, **arguments):
    model = keras.Sequential([keras.Input(x.shape[1:]), layer, keras.layers.Flatten()])
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.SGD(0.01), "mse", **arguments)
    return model, model.fit(x, y, epochs=3, verbose=0)


@pytest.mark.compiling
@pytest.mark.parametrize(("name", "data_init"), [("dense", False), ("convolution", True)])
def test_fit_trains_length_and_direction(name, data_init, tmp_path):
    make, shape = LAYERS[name]
    x = samples(shape)
    y = x.reshape(len(x), -1)[:, :1]
    layer = WeightNormalization(make(), data_init=data_init)
    warned = JAX and data_init
    with pytest.warns(UserWarning, match="before `fit`") if warned else contextlib.nullcontext():
        model, history = fitted(layer, x, y)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert array(layer._initialized)
    g, v = array(layer.g), array(layer.v)
    assert np.abs(g - kernel_length(v)).max() > 1e-4
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    again.fit(x, y, verbose=0)  # without a warning: its length has been set


def test_the_first_step_of_fit_has_the_first_values():
    x = samples((5,))
    layer = WeightNormalization(keras.layers.Dense(3))
    model = keras.Sequential([keras.Input((5,)), layer])
    if JAX:
        model(x)  # a compiled step could not set them
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, np.zeros((64, 3)), batch_size=64, verbose=0)
    np.testing.assert_allclose(array(layer(x)).std(0), 1, atol=1e-3)


@pytest.mark.skipif(not JAX, reason="elsewhere compiled steps set first values")
def test_a_compiled_prediction_leaves_the_first_values_to_a_call():
    x = samples((5,))
    layer = WeightNormalization(keras.layers.Dense(3))
    model = keras.Sequential([keras.Input((5,)), layer])
    model.predict(x, verbose=0)
    assert not array(layer._initialized)
    np.testing.assert_allclose(array(model(x)).std(0), 1, atol=1e-3)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((64, 3)), verbose=0)


def test_fit_equals_the_same_step_by_hand():
    """dL/dg and dL/dv of y = g * (x @ v) / |v|, with L = mean y^2."""
    x, rate = samples((5,)), 0.1
    layer = WeightNormalization(keras.layers.Dense(3, use_bias=False), data_init=False)
    model = keras.Sequential([keras.Input((5,)), layer])
    model(x)
    g, v = array(layer.g), array(layer.v)
    length = kernel_length(v)
    kernel_gradient = 2 * x.T @ (x @ v * g / length) / (64 * 3)
    toward = (kernel_gradient * v).sum(0) / length
    model.compile(keras.optimizers.SGD(rate), "mse")
    model.fit(x, np.zeros((64, 3)), batch_size=64, verbose=0)
    np.testing.assert_allclose(array(layer.g), g - rate * toward, rtol=1e-4, atol=1e-5)
    expected = v - rate * g / length * (kernel_gradient - toward * v / length)
    np.testing.assert_allclose(array(layer.v), expected, rtol=1e-4, atol=1e-5)


def test_remove_leaves_the_layer_with_its_kernel():
    layer, x = WeightNormalization(keras.layers.Dense(3)), samples((5,))
    layer(x)
    expected = array(layer(x))
    plain = layer.remove()
    assert isinstance(plain, keras.layers.Dense)
    np.testing.assert_allclose(array(plain(x)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.compiling
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_recurrent_layers(cell):
    x = samples((4, 5), 8)
    layer = WeightNormalization(getattr(keras.layers, cell)(3), data_init=False)
    plain = getattr(keras.layers, cell)(3)
    plain.build(x.shape)
    layer.build(x.shape)
    layer.layer.set_weights(plain.get_weights())
    np.testing.assert_allclose(array(layer(x)), array(plain(x)), atol=1e-5)
    assert tuple(layer.v.shape) == (3, layer.layer_depth)
    compiled = False if keras.backend.backend() == "tensorflow" else "auto"
    _, history = fitted(layer, x, x[:, 0, :1], jit_compile=compiled)
    assert np.isfinite(history.history["loss"]).all()


def test_weights_are_in_the_order_of_old_files():
    layer = WeightNormalization(keras.layers.Conv2D(3, 2))
    layer.build((None, 4, 4, 2))
    names = [w.name for w in layer.trainable_weights + layer.non_trainable_weights]
    assert names == ["g", "kernel", "bias", "initialized", "kernel", "bias"]
    layer = WeightNormalization(keras.layers.LSTM(3), data_init=False)
    layer.build((None, 4, 2))
    names = [w.name for w in layer.trainable_weights + layer.non_trainable_weights]
    assert names == ["g", "recurrent_kernel", "kernel", "bias", "initialized"]


def test_a_depthwise_kernel_gets_no_values_from_data():
    layer = WeightNormalization(keras.layers.DepthwiseConv2D(2))
    with pytest.raises(ValueError, match="data_init=False"):
        layer(samples((4, 4, 3)))


def test_losses_of_the_wrapped_layer_are_kept():
    def inner():
        return keras.layers.Dense(3, kernel_regularizer="l2", activity_regularizer="l2")

    plain, layer, x = inner(), WeightNormalization(inner(), data_init=False), samples((5,))
    plain(x)
    layer.build(x.shape)
    layer.layer.set_weights(plain.get_weights())
    layer(x)
    losses = [sorted(float(array(loss)) for loss in each.losses) for each in (plain, layer)]
    assert len(losses[0]) == 2
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_random_numbers_of_the_wrapped_layer_go_on():
    inner = keras.layers.SimpleRNN(3, dropout=0.5, seed=1)
    layer, x = WeightNormalization(inner, data_init=False), samples((4, 5), 8)
    draws = [array(layer(x, training=True)) for _ in range(2)]
    assert np.abs(draws[0] - draws[1]).max() > 1e-3


def test_a_transposed_convolution_of_keras_2_had_groups():
    config = WeightNormalization(keras.layers.Conv2DTranspose(3, 2)).get_config()
    config["layer"]["config"]["groups"] = 1
    assert WeightNormalization.from_config(config).layer.filters == 3
