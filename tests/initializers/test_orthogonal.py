"""`Orthogonal` and `DeltaOrthogonal`: all singular values equal the gain."""

import math
from functools import partial

import keras
import numpy as np
import pytest

import kerastricks as kt

FLOAT32 = float(np.finfo("float32").eps)


def drawn(initializer, shape, dtype="float32"):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


def assert_all_singular_values_are(matrix, gain, eps=FLOAT32):
    values = np.linalg.svd(matrix, compute_uv=False)
    # Householder QR of n columns is orthogonal to a small multiple of n eps.
    np.testing.assert_allclose(values, gain, rtol=10 * max(matrix.shape) * eps)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (1, 5), (5, 1), (3, 3, 2, 7)])
@pytest.mark.parametrize("gain", [1.0, 0.25, math.sqrt(2)])
def test_all_singular_values_are_the_gain(shape, gain):
    weights = drawn(kt.initializers.Orthogonal(gain, seed=4), shape)
    assert_all_singular_values_are(weights.reshape(-1, shape[-1]), gain)


@pytest.mark.compiling
def test_dense_layers_keep_every_norm_through_a_hundred_layers():
    start = kt.initializers.Orthogonal(seed=0)
    layers = [keras.layers.Dense(16, kernel_initializer=start) for _ in range(100)]
    x = np.random.default_rng(0).normal(size=(8, 16)).astype("float32")
    y = keras.ops.convert_to_numpy(keras.Sequential([keras.Input((16,)), *layers])(x))
    norms = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(*norms, rtol=100 * 16 * FLOAT32)
    # He's keep it on average only: after as many layers the norms have drifted apart.
    weights = [drawn(kt.initializers.LeCun(seed=k), (16, 16)) for k in range(100)]
    ratio = np.linalg.norm(np.linalg.multi_dot([x, *weights]), axis=1) / norms[0]
    assert np.abs(np.log(ratio)).max() > 0.5


def test_transposed_kernels_are_orthogonal_from_inputs_to_outputs():
    weights = drawn(kt.initializers.Orthogonal(seed=4, kernel="transposed"), (3, 3, 5, 2))
    assert_all_singular_values_are(weights.swapaxes(-1, -2).reshape(18, 5), 1.0)


def test_depthwise_kernels_are_orthogonal_in_each_channel():
    weights = drawn(kt.initializers.Orthogonal(2.0, seed=4, kernel="depthwise"), (3, 3, 5, 4))
    for channel in range(5):
        assert_all_singular_values_are(weights[:, :, channel].reshape(9, 4), 2.0)


def test_grouped_kernels_are_orthogonal_in_each_group():
    weights = drawn(kt.initializers.Orthogonal(seed=4, groups=3), (3, 3, 2, 12))
    for group in range(3):
        assert_all_singular_values_are(weights[..., 4 * group : 4 * group + 4].reshape(18, 4), 1.0)
    assert np.abs(weights[..., :4] - weights[..., 4:8]).max() > 0.1


def test_einsum_kernels_are_orthogonal_from_letters_to_letters():
    into = drawn(kt.initializers.Orthogonal(seed=4, kernel="abc,cde->abde"), (12, 3, 4))
    assert_all_singular_values_are(into.reshape(12, 12), 1.0)
    odd = drawn(kt.initializers.Orthogonal(seed=4, kernel="abc,dcb->abd"), (7, 5, 3))
    for block in range(3):
        assert_all_singular_values_are(odd[:, :, block], 1.0)


def test_directions_are_uniform():
    # Of a matrix uniform over the orthogonal ones, the trace has mean 0 and variance 1. Without
    # the correction of signs Householder's reflections give the diagonal a sign of their own.
    start = kt.initializers.Orthogonal(seed=1)
    traces = [np.trace(drawn(start, (4, 4))) for _ in range(200)]
    assert abs(np.mean(traces)) < 5 / math.sqrt(200)


@pytest.mark.parametrize(("dtype", "eps"), [("float16", 2.0**-10), ("bfloat16", 2.0**-7)])
def test_half_precision(dtype, eps):
    weights = kt.initializers.Orthogonal(seed=2)((8, 8), dtype=dtype)
    weights = keras.ops.convert_to_numpy(keras.ops.cast(weights, "float32"))
    # Only the last rounding is coarse: by eps / 2 of each entry, sqrt(8) of which make a norm.
    assert_all_singular_values_are(weights, 1.0, eps / 20)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 by default")
def test_double_precision():
    weights = drawn(kt.initializers.Orthogonal(seed=2), (40, 40), "float64")
    assert_all_singular_values_are(weights, 1.0, float(np.finfo("float64").eps))


# --- DeltaOrthogonal -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(3,), (4,), (3, 5), (2, 3), (3, 3, 1)])
def test_everything_but_the_center_is_zero(size):
    weights = drawn(kt.initializers.DeltaOrthogonal(1.5, seed=1), (*size, 4, 6))
    center = tuple((n - 1) // 2 for n in size)
    assert_all_singular_values_are(weights[center], 1.5)
    weights[center] = 0
    assert (weights == 0).all()


@pytest.mark.parametrize("size", [1, 2, 3, 4, (3, 2)])
def test_convolutions_keep_the_norm_of_each_position(size):
    layers = [
        keras.layers.Conv2D(
            width,
            size,
            padding="same",
            use_bias=False,
            kernel_initializer=kt.initializers.DeltaOrthogonal(seed=width),
        )
        for width in (4, 4, 6, 9)
    ]
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype("float32")
    y = keras.ops.convert_to_numpy(keras.Sequential(layers)(x))
    np.testing.assert_allclose(
        np.linalg.norm(y, axis=-1), np.linalg.norm(x, axis=-1), rtol=100 * FLOAT32
    )


def test_circular_convolution_keeps_the_norm_of_each_image():
    weights = drawn(kt.initializers.DeltaOrthogonal(2.0, seed=1), (3, 3, 4, 5))
    x = np.random.default_rng(0).normal(size=(3, 6, 7, 4)).astype("float32")
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="wrap")
    y = keras.ops.convert_to_numpy(keras.ops.conv(padded, weights, padding="valid"))
    assert y.shape == (3, 6, 7, 5)
    norms = [np.linalg.norm(a.reshape(3, -1), axis=1) for a in (y, 2 * x)]
    np.testing.assert_allclose(*norms, rtol=100 * FLOAT32)


def test_the_transposed_convolution_keeps_norms_too():
    layer = keras.layers.Conv1DTranspose(
        6,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=kt.initializers.DeltaOrthogonal(seed=1, kernel="transposed"),
    )
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    y = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(
        np.linalg.norm(y, axis=-1), np.linalg.norm(x, axis=-1), rtol=100 * FLOAT32
    )


def test_grouped_convolutions_keep_the_norm_of_each_group():
    layer = keras.layers.Conv1D(
        6,
        3,
        padding="same",
        groups=2,
        use_bias=False,
        kernel_initializer=kt.initializers.DeltaOrthogonal(seed=1, groups=2),
    )
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    y = keras.ops.convert_to_numpy(layer(x))
    for group in range(2):
        before, after = x[..., 2 * group : 2 * group + 2], y[..., 3 * group : 3 * group + 3]
        norms = np.linalg.norm(after, axis=-1), np.linalg.norm(before, axis=-1)
        np.testing.assert_allclose(*norms, rtol=100 * FLOAT32)


def test_fewer_outputs_than_inputs_are_a_projection():
    weights = drawn(kt.initializers.DeltaOrthogonal(seed=1), (3, 6, 4))[1]
    assert_all_singular_values_are(weights, 1.0)
    np.testing.assert_allclose(weights.T @ weights, np.eye(4), atol=60 * FLOAT32)


# --- Bad input -----------------------------------------------------------------------------------

both = pytest.mark.parametrize(
    "make", [kt.initializers.Orthogonal, kt.initializers.DeltaOrthogonal]
)


@both
@pytest.mark.parametrize("gain", [0, -1, math.nan, math.inf])
def test_gain_must_be_positive(make, gain):
    with pytest.raises(ValueError, match=r"`gain` must be a number above 0. Received.*theory.gain"):
        make(gain)


@both
def test_gain_must_be_a_number(make):
    with pytest.raises(TypeError, match=r"`gain` must be a number.*of type str.*theory.gain"):
        make("relu")


@pytest.mark.parametrize("kernel", ["depthwise", "abc,cde->abde"])
def test_delta_orthogonal_needs_a_kernel_with_a_center(kernel):
    with pytest.raises(ValueError, match=r'`kernel` must be "convolution" or "transposed"'):
        kt.initializers.DeltaOrthogonal(kernel=kernel)


def test_matrices_have_no_center():
    with pytest.raises(ValueError, match=r"`shape` must have at least 3 axes.*Orthogonal\(\)"):
        kt.initializers.DeltaOrthogonal()((4, 4))


def test_vectors_are_not_orthogonal():
    with pytest.raises(ValueError, match=r"`shape` must have at least 2 axes.*shape=\(4,\)"):
        kt.initializers.Orthogonal()((4,))


@pytest.mark.parametrize("make", [partial(kt.initializers.Orthogonal, groups=3)])
def test_groups_must_divide(make):
    with pytest.raises(ValueError, match=r"`groups` must divide .* of size 4"):
        make()((3, 4, 4))
