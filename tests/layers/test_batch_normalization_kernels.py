"""What every way to compute the batch's normalization keeps: values, masks, types, shapes."""

import keras
import numpy as np
import pytest

import kerastricks as kt

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}


def array(value):
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value))


def draw(shape, seed=0, mean=2.0, scale=3.0):
    return np.random.default_rng(seed).normal(mean, scale, size=shape)


def column(values, rank, axis):
    shape = [1] * rank
    shape[axis] = -1
    return np.reshape(values, shape)


def built(shape, axis, **arguments):
    layer = kt.layers.BatchNormalization(axis, **arguments)
    layer.build(shape)
    return layer


def problem(shape, axis):
    size = shape[axis]
    return draw(shape), draw((size,), 1, 1.0, 0.5), draw((size,), 2), draw(shape, 3, 0.0, 1.0)


# --- Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [1e-3, 1e-7, 0.0])
@pytest.mark.parametrize("center", [True, False])
def test_values(layout, epsilon, center, reference):
    shape, axis = layout
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


def test_inference_values(layout):
    shape, axis = layout
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


def test_unknown_batch_sizes(layout):
    shape, axis = layout
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


# --- Masks ---------------------------------------------------------------------------------------


def test_masked_values(layout, reference):
    shape, axis = layout
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
def test_half_precision(dtype, layout):
    shape, axis = layout
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


def test_float64(reference):
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
