"""What every way to compute the batch's normalization keeps: values, gradients, types, shapes."""

from functools import partial

import keras
import numpy as np
import pytest

import kerastricks as kt

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
SHAPES = {
    "rows": ((8, 3), -1),
    "sequence": ((4, 5, 3), -1),
    "sequence-first": ((4, 3, 5), 1),
    "images": ((4, 3, 5, 2), -1),
    "images-first": ((4, 2, 3, 5), 1),
    "images-middle": ((4, 3, 2, 5), 2),
    "images-negative": ((4, 3, 2, 5), -2),
    "volumes": ((3, 2, 3, 2, 4), -1),
    "batch-axis": ((3, 5, 4), 0),
    "one-channel": ((4, 5, 1), -1),
}
every_shape = pytest.mark.parametrize(("shape", "axis"), SHAPES.values(), ids=list(SHAPES))


def array(value):
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value))


def draw(shape, seed=0, mean=2.0, scale=3.0):
    return np.random.default_rng(seed).normal(mean, scale, size=shape)


def column(values, rank, axis):
    shape = [1] * rank
    shape[axis] = -1
    return np.reshape(values, shape)


def reference(x, gamma, beta, epsilon, axis, mask=None, group=None):
    """The formula in float64, as numpy writes it."""
    size = group or len(x)
    y = np.empty_like(x)
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        kept = np.ones(x.shape, bool) if mask is None else np.broadcast_to(mask[..., None], x.shape)
        masked = np.ma.array(x[part], mask=~kept[part])
        others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
        mean, variance = (
            column(np.asarray(v), x.ndim, axis) for v in (masked.mean(others), masked.var(others))
        )
        y[part] = (x[part] - mean) / np.sqrt(variance + epsilon)
    return y * column(gamma, x.ndim, axis) + column(beta, x.ndim, axis)


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


# --- Values --------------------------------------------------------------------------------------


@every_shape
@pytest.mark.parametrize("epsilon", [1e-3, 1e-7, 0.0])
@pytest.mark.parametrize("center", [True, False])
def test_values(shape, axis, epsilon, center):
    x, gamma, beta, _ = problem(shape, axis)
    layer = built(shape, axis, epsilon=epsilon, center=center, scale=center, alpha=1.0)
    if center:
        layer.gamma.assign(gamma)
        layer.beta.assign(beta)
    else:
        gamma, beta = np.ones_like(gamma), np.zeros_like(beta)
    y = array(layer(x.astype("float32"), training=True))
    np.testing.assert_allclose(y, reference(x, gamma, beta, epsilon, axis), rtol=1e-4, atol=1e-4)
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    np.testing.assert_allclose(array(layer.moving_mean), x.mean(others), **FLOAT32)
    np.testing.assert_allclose(array(layer.moving_variance), x.var(others), **FLOAT32)


@every_shape
def test_inference_values(shape, axis):
    x, gamma, beta, _ = problem(shape, axis)
    layer = built(shape, axis)
    mean, variance = draw(gamma.shape, 5), draw(gamma.shape, 6) ** 2
    layer.set_weights([gamma, beta, mean, variance])
    mean, variance, gamma, beta = (column(v, x.ndim, axis) for v in (mean, variance, gamma, beta))
    expected = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    y = array(layer(x.astype("float32")))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_large_mean_does_not_drown_the_variance(jit_compile):
    # mean(x^2) - mean(x)^2 would lose all of it: 1e8 in float32 is known up to 8.
    x = draw((64, 8), mean=1e4, scale=1.0).astype("float32")
    layer = built(x.shape, -1, alpha=1.0)
    model = keras.Sequential([layer])
    model.compile("sgd", "mse", jit_compile=jit_compile and keras.backend.backend() != "torch")
    model.fit(x, x, batch_size=64, verbose=0)
    # The mean is known up to a few of its last bits, 1e-3, and the variance up to its square.
    np.testing.assert_allclose(array(layer.moving_variance), x.astype("float64").var(0), rtol=1e-4)


@every_shape
def test_unknown_batch_sizes(shape, axis):
    if axis == 0:
        pytest.skip("channels need a known size")
    x = draw(shape).astype("float32")
    layers = [built(shape, axis, alpha=1.0, unbiased_variance=True) for _ in range(2)]
    model = keras.Sequential([keras.Input(shape[1:]), layers[0]])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    model.fit(x, x, batch_size=len(x), verbose=0, shuffle=False)
    layers[1](x, training=True)
    for weight, expected in zip(*(one.get_weights() for one in layers), strict=True):
        np.testing.assert_allclose(weight, expected, **FLOAT32)


# --- Gradients -----------------------------------------------------------------------------------


@every_shape
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("kind", ["float32", "float64", "masked", "groups"])
def test_gradients_equal_finite_differences(shape, axis, order, kind):
    if kind == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has float64 only by a flag of the whole process")
    if kind == "groups" and (axis == 0 or shape[0] % 2):
        pytest.skip("the batch has no halves")
    check_gradients(shape, axis, order, kind)


@pytest.mark.parametrize("name", ["rows", "images", "images-first"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("jit_compile", [pytest.param(True, marks=pytest.mark.slow), False])
def test_compiled_gradients_equal_finite_differences(name, order, jit_compile):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow computes otherwise when it compiles")
    import tensorflow as tf

    compiled = partial(tf.function, autograph=False, jit_compile=jit_compile)
    check_gradients(*SHAPES[name], order, "float32", compiled)


def check_gradients(shape, axis, order, kind, compiled=lambda run: run):
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
        return numpy_gradients(*values, upstream, 0.5, axis, mask, group)

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


def numpy_gradients(x, gamma, beta, upstream, epsilon, axis, mask, group):
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


# --- Masks ---------------------------------------------------------------------------------------


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


@every_shape
def test_masked_values(shape, axis):
    x, gamma, beta, _ = problem(shape, axis)
    mask = np.random.default_rng(4).random(shape[:-1]) < 0.7
    layer = built(shape, axis, alpha=1.0)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    y = array(layer(x.astype("float32"), training=True, mask=mask))
    expected = reference(x, gamma, beta, 1e-3, axis, mask)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def test_what_is_masked_does_not_show_even_if_it_is_nan():
    x, mask = draw((4, 5, 3)).astype("float32"), np.arange(5) < np.array([[1], [3], [5], [2]])
    poisoned = np.where(mask[..., None], x, np.nan).astype("float32")
    layer, other = built(x.shape, -1), built(x.shape, -1)
    y, expected = layer(x, training=True, mask=mask), other(poisoned, training=True, mask=mask)
    np.testing.assert_array_equal(array(y)[mask], array(expected)[mask])
    for weight, same in zip(layer.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_a_full_mask_is_no_mask():
    x = draw((4, 5, 3)).astype("float32")
    layer, other = built(x.shape, -1), built(x.shape, -1)
    np.testing.assert_allclose(
        array(layer(x, training=True, mask=np.ones((4, 5), bool))),
        array(other(x, training=True)),
        **FLOAT32,
    )


def test_a_mask_comes_along_from_the_layer_before():
    x = draw((4, 5, 3)).astype("float32")
    x[:, 3:] = 0.0
    layer = kt.layers.BatchNormalization(alpha=1.0)
    keras.Sequential([keras.layers.Masking(), layer])(x, training=True)
    np.testing.assert_allclose(array(layer.moving_mean), x[:, :3].mean((0, 1)), **FLOAT32)


@pytest.mark.parametrize("shape", [(4,), (4, 5, 3)])
def test_a_mask_of_another_rank_is_refused(shape):
    layer = kt.layers.BatchNormalization()
    with pytest.raises(ValueError, match=r"`mask` must have one axis less"):
        layer(np.ones((4, 5, 3), "float32"), training=True, mask=np.ones(shape, bool))


# --- Types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
@every_shape
def test_half_precision(dtype, shape, axis):
    # The statistics and averages are those of the rounded inputs in float32: 70000 ** 2 and even
    # the sum of the entries overflow a float16.
    layer, wide = built(shape, axis, dtype=dtype), built(shape, axis)
    x = keras.ops.cast(draw(shape, mean=0.0, scale=1e4), layer.compute_dtype)
    y, expected = layer(x, training=True), wide(keras.ops.cast(x, "float32"), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    rounding = 2.0**-8 if "bfloat16" in dtype else 2.0**-10
    np.testing.assert_allclose(
        array(keras.ops.cast(y, "float32")), array(expected), rtol=rounding, atol=rounding
    )
    if dtype.startswith("mixed"):
        for weight, same in zip(layer.get_weights(), wide.get_weights(), strict=True):
            assert weight.dtype == np.float32
            np.testing.assert_allclose(weight, same, rtol=1e-5, atol=1e-2)


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


def test_float64():
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has float64 only by a flag of the whole process")
    x, gamma, beta, _ = problem((4, 5, 3), -1)
    layer = built(x.shape, -1, dtype="float64", alpha=1.0)
    layer.set_weights([gamma, beta, beta, gamma])
    y = array(layer(x, training=True))
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, reference(x, gamma, beta, 1e-3, -1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(array(layer.moving_variance), x.var((0, 1)), rtol=1e-12)


def test_integers_are_numbers():
    layer = kt.layers.BatchNormalization(alpha=1.0)
    y = layer(keras.ops.convert_to_tensor([[1], [3]], dtype="int32"), training=True)
    np.testing.assert_allclose(array(y), [[-1.0], [1.0]], rtol=1e-3)


def test_nan_stays_in_its_channel():
    x = draw((8, 2)).astype("float32")
    x[0, 0] = np.nan
    layer = built(x.shape, -1)
    y = array(layer(x, training=True))
    assert np.isnan(y[:, 0]).all()
    assert np.isfinite(y[:, 1]).all()
    np.testing.assert_array_equal(np.isnan(array(layer.moving_mean)), [True, False])


# --- Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((3,), {}, r"a batch axis and one of channels.*shape \(3,\)"),
        ((4, 3), {"axis": 2}, r"no axis 2.*shape \(4, 3\)"),
        ((4, 3), {"axis": -3}, r"no axis -3"),
        ((4, 3, None), {}, r"size of the channels' axis must be known"),
        ((4, 0), {}, r"Only the batch may be of size 0.*shape \(4, 0\)"),
        ((4, 0, 3), {}, r"Only the batch may be of size 0"),
        ((4, 3), {"axis": 0, "virtual_batch_size": 2}, r"which is the channels' axis"),
        ((4, 3), {"virtual_batch_size": 1}, r"its own mean"),
        ((4, 1, 3), {"virtual_batch_size": 1}, r"its own mean"),
    ],
    ids=str,
)
def test_shapes_that_are_refused(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        kt.layers.BatchNormalization(**arguments).build(shape)


def test_complex_inputs_are_refused():
    layer = built((4, 3), -1)
    with pytest.raises(TypeError, match=r"must be real numbers.*complex64"):
        layer.call(keras.ops.convert_to_tensor(np.ones((4, 3), "complex64")))
