"""Spectral normalization: the norm of the kernel that a layer is called with."""

import keras
import numpy as np
import pytest
from keras import ops

import kerastricks.addons as tfa

SpectralNormalization = tfa.layers.SpectralNormalization
JAX = keras.backend.backend() == "jax"
RANDOM = np.random.default_rng(0)


def array(x):
    return ops.convert_to_numpy(x)


def samples(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def norm(kernel):
    kernel = array(kernel)
    return np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), ord=2)


WRAPPED = {
    "dense": (lambda: keras.layers.Dense(4), (8, 5)),
    "convolution": (lambda: keras.layers.Conv2D(4, 3), (8, 6, 6, 2)),
    "transposed": (lambda: keras.layers.Conv2DTranspose(2, 3), (8, 6, 6, 3)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_training_divides_by_the_greatest_singular_value(name):
    make, shape = WRAPPED[name]
    layer, x = SpectralNormalization(make(), power_iterations=100), samples(*shape)
    plain = make()
    plain.build(shape)
    layer.build(shape)
    layer.layer.set_weights(plain.get_weights())
    expected = array(plain(x)) / norm(plain.kernel)
    np.testing.assert_allclose(array(layer(x, training=True)), expected, rtol=1e-4, atol=1e-5)
    assert abs(norm(layer.w) - 1) < 1e-4
    assert abs(np.linalg.norm(array(layer.u)) - 1) < 1e-5


def test_inference_takes_the_kernel_as_it_is():
    layer, x = SpectralNormalization(keras.layers.Dense(4)), samples(8, 5)
    outputs = array(layer(x))
    np.testing.assert_allclose(outputs, x @ array(layer.w), rtol=1e-5, atol=1e-5)
    before = array(layer.u)
    layer(x, training=False)
    np.testing.assert_array_equal(array(layer.u), before)


def test_the_estimate_gets_better_from_step_to_step():
    layer, x = SpectralNormalization(keras.layers.Dense(4)), samples(8, 5)
    layer(x)
    for _ in range(60):
        layer(x, training=True)
    assert abs(norm(layer.w) - 1) < 1e-3
    layer.w.assign(3 * array(layer.w))
    layer.normalize_weights()
    assert abs(norm(layer.w) - 1) < 1e-3


def test_embeddings():
    layer = SpectralNormalization(keras.layers.Embedding(7, 3), power_iterations=50)
    outputs = layer(np.array([[0, 6]]), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    np.testing.assert_allclose(array(outputs)[0, 1], array(layer.w)[6], atol=1e-6)
    symbolic = layer(keras.Input((2,), dtype="int32"))
    assert (symbolic.dtype, tuple(symbolic.shape)) == ("float32", (None, 2, 3))


def test_a_kernel_of_zeros_stays():
    layer = SpectralNormalization(keras.layers.Dense(4, kernel_initializer="zeros"))
    np.testing.assert_array_equal(array(layer(samples(8, 5), training=True)), 0)
    np.testing.assert_array_equal(array(layer.w), 0)


def fitted(layer, x, y, epochs=20):
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model, model.fit(x, y, epochs=epochs, verbose=0)


@pytest.mark.compiling
def test_fit_keeps_the_norm_and_what_inference_sees(tmp_path):
    keras.utils.set_random_seed(0)  # how near a power iteration comes depends on the kernel
    draw = np.random.default_rng(0).normal
    x = draw(size=(64, 5)).astype("float32")
    y = x @ draw(size=(5, 4)).astype("float32") * 3
    layer = SpectralNormalization(keras.layers.Dense(4), power_iterations=3)
    model, history = fitted(layer, x, y)
    assert history.history["loss"][-1] < history.history["loss"][0]
    # One update of at most this size lies between the norm of 1 and the kernel that is kept; on
    # JAX, where none does, what 20 rounds of power iteration leave.
    assert abs(norm(layer.w) - 1) < (1e-2 if JAX else 0.2)
    predictions = model.predict(x, verbose=0)
    np.testing.assert_allclose(
        predictions, x @ array(layer.w) + array(layer.layer.bias), rtol=1e-4, atol=1e-4
    )
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), predictions, atol=1e-6)
    np.testing.assert_array_equal(array(again.layers[0].u), array(layer.u))


@pytest.mark.compiling
def test_the_gradient_is_that_of_the_divided_kernel():
    """One step by hand: L = mean (x @ W / sigma)^2, W <- W / sigma - rate * dL / d(W / sigma)."""
    x, rate = samples(16, 5), 0.1
    layer = SpectralNormalization(keras.layers.Dense(3, use_bias=False), power_iterations=60)
    model = keras.Sequential([keras.Input((5,)), layer])
    divided = array(layer.w) / norm(layer.w)
    # From a kernel of norm 1 the ways of the backends are one, but for the constraint on JAX.
    layer.w.assign(divided)
    model.compile(keras.optimizers.SGD(rate), "mse")
    model.fit(x, np.zeros((16, 3)), batch_size=16, verbose=0)
    expected = divided - rate * 2 * x.T @ (x @ divided) / (16 * 3)
    actual = array(layer.w)
    if JAX:  # to a few thousandths, which is not what is tested here
        actual, expected = actual / norm(actual), expected / norm(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_called_twice_in_a_step():
    """As the discriminators of adversarial networks are, on real and on false images."""
    inner = SpectralNormalization(keras.layers.Dense(3))
    a, b = keras.Input((5,)), keras.Input((5,))
    model = keras.Model([a, b], keras.layers.subtract([inner(a), inner(b)]))
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x, z = samples(8, 5), samples(8, 5)
    history = model.fit([x, z], np.ones((8, 3)), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_a_constraint_of_the_users_own_holds():
    inner = keras.layers.Dense(4, kernel_constraint="non_neg")
    layer = SpectralNormalization(inner)
    fitted(layer, samples(16, 5), samples(16, 4), epochs=2)
    assert array(layer.w).min() >= 0
    assert layer.get_config()["layer"]["config"]["kernel_constraint"]["class_name"] == "NonNeg"


def test_mixed_precision_keeps_the_kernel_in_float32():
    x = samples(16, 5)
    layer = SpectralNormalization(
        keras.layers.Dense(4, dtype="mixed_float16"), dtype="mixed_float16"
    )
    fitted(layer, x, samples(16, 4), epochs=1)
    assert layer.w.dtype == "float32"
    kernel = array(layer.w)
    assert (kernel != kernel.astype("float16")).any()
