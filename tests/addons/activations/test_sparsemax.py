"""Sparsemax is the projection onto the probability simplex: a linear program says which point."""

import keras
import numpy as np
import pytest
from keras import ops

import kerastricks.addons as tfa


def projection(logits):
    """By bisection for tau in exact arithmetic's stead: float64, along the last axis."""
    logits = logits.astype("float64")
    logits = logits - logits.max(-1, keepdims=True)
    low, high = logits.max(-1, keepdims=True) - 1, logits.max(-1, keepdims=True)
    for _ in range(80):
        middle = (low + high) / 2
        over = np.maximum(logits - middle, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return np.maximum(logits - high, 0)


def sparsemax(logits, axis=-1):
    return ops.convert_to_numpy(tfa.activations.sparsemax(logits, axis=axis))


CASES = {
    "normal": np.random.default_rng(0).normal(0, 2, size=(20, 7)),
    "close": np.random.default_rng(1).normal(0, 0.01, size=(20, 7)),
    "ties": np.array([[1.0, 1.0, 0.75, 0.75], [2.0, 2.0, 2.0, 2.0], [0.25, 0.0, 0.25, 0.25]]),
    "large": 2.0**20 + np.array([[0.0, 0.25, 0.5], [0.5, 0.5, 0.5], [-2.0, 0.5, 0.0]]),
    "very negative": np.array([[-1e30, 0.0, 0.5], [-1e30, -1e30, -1e30]]),
    "masked": np.array([[-np.inf, 0.0, 0.5], [-np.inf, -np.inf, 3.0]]),
    "many": np.random.default_rng(2).normal(0, 1, size=(2, 5000)),
}


@pytest.mark.parametrize("logits", CASES.values(), ids=list(CASES))
def test_projects_onto_the_simplex(logits):
    logits = logits.astype("float32")
    np.testing.assert_allclose(sparsemax(logits), projection(logits), atol=2e-6)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis(axis):
    logits = np.random.default_rng(3).normal(size=(3, 4, 5)).astype("float32")
    expected = np.moveaxis(projection(np.moveaxis(logits, axis, -1)), -1, axis)
    np.testing.assert_allclose(sparsemax(logits, axis), expected, atol=1e-6)
    layer = tfa.layers.Sparsemax(axis)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(logits)), expected, atol=1e-6)


def test_what_is_a_distribution_stays():
    shares = np.random.default_rng(4).dirichlet(np.ones(5), size=8).astype("float32")
    np.testing.assert_allclose(sparsemax(shares), shares, atol=1e-6)


def test_half_precision_is_rounded_once():
    logits = np.random.default_rng(5).normal(0, 0.1, size=(4, 300)).astype("float16")
    outputs = sparsemax(logits)
    assert outputs.dtype == np.float16
    # A result is rounded to 11 bits, or, near 0, to a multiple of 2^-24.
    expected = projection(logits)
    np.testing.assert_allclose(outputs, expected, rtol=2.0**-11, atol=2e-6)


def test_a_slice_without_a_projection_is_nan_and_leaves_the_others_alone():
    logits = np.array([[np.nan, 0, 1], [np.inf, 0, 1], [-np.inf] * 3, [0, 0, 1]], "float32")
    outputs = sparsemax(logits)
    assert np.isnan(outputs[:3]).all()
    np.testing.assert_array_equal(outputs[3], [0, 0, 1])


def gradient(logits, weights):
    """d sum(weights * sparsemax(logits)) / d logits"""

    def total(z):
        return ops.sum(tfa.activations.sparsemax(z) * ops.convert_to_tensor(weights))

    backend = keras.backend.backend()
    z = ops.convert_to_tensor(logits)
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(z)
            y = total(z)
        return np.asarray(tape.gradient(y, z))
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(total)(z))
    z.requires_grad_()
    total(z).backward()
    return z.grad.numpy()


@pytest.mark.parametrize("name", ["normal", "ties", "masked", "large"])
def test_gradient_is_the_papers(name):
    logits = CASES[name].astype("float32")
    weights = np.random.default_rng(6).normal(size=logits.shape).astype("float32")
    # Within the support, the distance to the support's mean; 0 elsewhere (eq. 9 of the paper).
    support = projection(logits) > 0
    mean = (weights * support).sum(-1, keepdims=True) / support.sum(-1, keepdims=True)
    expected = np.where(support, weights - mean, 0)
    np.testing.assert_allclose(gradient(logits, weights), expected, atol=1e-6)


@pytest.mark.skipif(keras.__version__ != "3.15.1", reason="what other versions do is not known")
def test_keras_own_does_not_sum_to_one():
    logits = np.array([[0.5, 0.5], [0.0, 0.5]], "float32")
    own = ops.convert_to_numpy(keras.activations.sparsemax(logits))
    assert (own.sum(-1) < 0.9).all()
    np.testing.assert_allclose(sparsemax(logits), [[0.5, 0.5], [0.25, 0.75]])
