"""Gradients of every way to compute the batch's normalization, of first and second order."""

from functools import partial

import keras
import numpy as np
import pytest

import kerastricks as kt


def array(value):
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value))


def draw(shape, seed=0, mean=2.0, scale=3.0):
    return np.random.default_rng(seed).normal(mean, scale, size=shape)


def column(values, rank, axis):
    shape = [1] * rank
    shape[axis] = -1
    return np.reshape(values, shape)


def gradients(function, values, order=1, compiled=lambda run: run):
    """Of `function`, a scalar of arrays; of second order: of the sum of the squared gradients."""
    tensors = [keras.ops.convert_to_tensor(v) for v in values]
    if keras.backend.backend() == "jax":
        import jax

        differentiated = jax.grad(function, argnums=tuple(range(len(values))))
        if order == 2:

            def squares(*tensors):
                return sum((g**2).sum() for g in differentiated(*tensors))

            differentiated_twice = jax.grad(squares, tuple(range(len(values))))
            return [array(g) for g in jax.jit(differentiated_twice)(*tensors)]
        return [array(g) for g in jax.jit(differentiated)(*tensors)]
    if keras.backend.backend() == "torch":
        import torch

        tensors = [t.detach().requires_grad_() for t in tensors]
        found = torch.autograd.grad(function(*tensors), tensors, create_graph=order == 2)
        if order == 2:
            found = torch.autograd.grad(sum((g**2).sum() for g in found), tensors)
        return [g.detach().cpu().numpy() for g in found]
    import tensorflow as tf

    def run(*tensors):
        with tf.GradientTape() as outer:
            outer.watch(tensors)
            with tf.GradientTape() as inner:
                inner.watch(tensors)
                value = function(*tensors)
            found = inner.gradient(value, tensors)
            squares = sum(tf.reduce_sum(g**2) for g in found)
        return outer.gradient(squares, tensors) if order == 2 else found

    return [array(g) for g in compiled(run)(*tensors)]


def normalized(layer, x, gamma, beta, **call_arguments):
    """The layer's training output as a function of tensors."""
    variables = [gamma, beta]
    y, _ = layer.stateless_call(
        variables,
        [v.value for v in layer.non_trainable_variables],
        x,
        training=True,
        **call_arguments,
    )
    return y


def built(shape, axis, **arguments):
    layer = kt.layers.BatchNormalization(axis, **arguments)
    layer.build(shape)
    return layer


def problem(shape, axis):
    size = shape[axis]
    return draw(shape), draw((size,), 1, 1.0, 0.5), draw((size,), 2), draw(shape, 3, 0.0, 1.0)


def difference(function, values, index, direction, step=1e-5):
    """The derivative along a direction, by central differences in float64."""
    up, down = list(values), list(values)
    up[index] = values[index] + step * direction
    down[index] = values[index] - step * direction
    return (function(*up) - function(*down)) / (2 * step)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("kind", ["float32", "float64", "masked", "groups"])
def test_gradients_equal_finite_differences(reference, layout, order, kind):
    shape, axis = layout
    if kind == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has float64 only by a flag of the whole process")
    if kind == "groups" and (axis == 0 or shape[0] % 2):
        pytest.skip("the batch has no halves")
    check_gradients(reference, shape, axis, order, kind)


@pytest.mark.compiling
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((8, 3), -1), ((4, 3, 5, 2), -1), ((4, 2, 3, 5), 1)],
    ids=["rows", "images", "images-first"],
)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("jit_compile", [pytest.param(True, marks=pytest.mark.slow), False])
def test_compiled_gradients_equal_finite_differences(reference, shape, axis, order, jit_compile):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow computes otherwise when it compiles")
    import tensorflow as tf

    compiled = partial(tf.function, autograph=False, jit_compile=jit_compile)
    check_gradients(reference, shape, axis, order, "float32", compiled)


def check_gradients(reference, shape, axis, order, kind, compiled=lambda run: run):
    x, gamma, beta, upstream = problem(shape, axis)
    mask = np.random.default_rng(4).random(shape[:-1]) < 0.7 if kind == "masked" else None
    group = len(x) // 2 if kind == "groups" else None
    dtype = "float64" if kind == "float64" else "float32"
    # A large epsilon keeps the second derivatives tame where few entries lie close together.
    layer = built(shape, axis, dtype=dtype, virtual_batch_size=group, epsilon=0.5)

    def loss(x, gamma, beta):
        weights = keras.ops.convert_to_tensor(upstream.astype(dtype))
        mask_ = mask if mask is None else keras.ops.convert_to_tensor(mask)
        y = normalized(layer, x, gamma, beta, **({} if mask is None else {"mask": mask_}))
        return keras.ops.sum(weights * y * y)

    def expected_loss(x, gamma, beta):
        return np.sum(upstream * reference(x, gamma, beta, 0.5, axis, mask, group) ** 2)

    def expected_gradients(*values):
        # Exact in float64, to test the second order against: the formula of the first.
        return numpy_gradients(reference, *values, upstream, 0.5, axis, mask, group)

    def expected_squares(*values):
        return sum(np.sum(g**2) for g in expected_gradients(*values))

    values = [x, gamma, beta]
    found = gradients(loss, [v.astype(dtype) for v in values], order, compiled)
    function = expected_loss if order == 1 else expected_squares
    for index, gradient in enumerate(found):
        assert gradient.shape == values[index].shape
        for seed in (7, 8):
            direction = draw(values[index].shape, seed, 0.0, 1.0)
            expected = difference(function, values, index, direction)
            size = np.sum(np.abs(gradient * direction)) + np.abs(expected)
            tolerance = 1e-6 if dtype == "float64" else 1e-4
            assert np.sum(gradient * direction) == pytest.approx(expected, abs=tolerance * size)


def numpy_gradients(reference, x, gamma, beta, upstream, epsilon, axis, mask, group):
    """Of sum(upstream * y^2), from the chain rule by hand."""
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    y = reference(x, gamma, beta, epsilon, axis, mask, group)
    standardized = reference(x, np.ones_like(gamma), 0 * beta, epsilon, axis, mask, group)
    to_y = 2 * upstream * y
    to_x = np.empty_like(x)
    size = group or len(x)
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        kept = np.ones(x.shape, bool) if mask is None else np.broadcast_to(mask[..., None], x.shape)
        kept = kept[part]
        n = kept.sum(others, keepdims=True)
        masked = np.ma.array(x[part], mask=~kept)
        scale = 1 / np.sqrt(np.asarray(masked.var(others, keepdims=True)) + epsilon)
        to_standardized = to_y[part] * column(gamma, x.ndim, axis)
        total = to_standardized.sum(others, keepdims=True)
        weighted = (to_standardized * standardized[part]).sum(others, keepdims=True)
        to_x[part] = scale * (to_standardized - kept * (total + standardized[part] * weighted) / n)
    return to_x, (to_y * standardized).sum(others), to_y.sum(others)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow's own tape")
@pytest.mark.parametrize("jit_compile", [None, False, True])
def test_jacobian_is_that_of_keras(jit_compile):
    import tensorflow as tf

    x = tf.constant(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"))

    def jacobian(layer):
        layer.build(x.shape)

        def function():
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
            return tape.jacobian(y, x)

        if jit_compile is None:
            return function()
        return tf.function(function, jit_compile=jit_compile)()

    np.testing.assert_allclose(
        jacobian(kt.layers.BatchNormalization()),
        jacobian(keras.layers.BatchNormalization()),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("order", [1, 2])
def test_half_precision_gradients(dtype, order):
    x, gamma, beta, upstream = (v.astype("float32") for v in problem((8, 3, 3, 2), -1))
    found = []
    for policy in (dtype, "float32"):
        layer = built(x.shape, -1, dtype=policy, epsilon=0.5)

        def loss(x, gamma, beta, layer=layer):
            y = normalized(layer, keras.ops.cast(x, layer.compute_dtype), gamma, beta)
            squares = keras.ops.square(keras.ops.cast(y, "float32"))
            return keras.ops.sum(squares * keras.ops.convert_to_tensor(upstream))

        found.append(gradients(loss, [x, gamma, beta], order))
    for gradient, expected in zip(*found, strict=True):
        assert gradient.dtype == np.float32
        # Products of a few halves, each rounded in its eighth (eleventh) bit.
        np.testing.assert_allclose(
            gradient, expected, rtol=0.05, atol=0.05 * np.abs(expected).max()
        )
