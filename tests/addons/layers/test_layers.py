"""Stochastic depth, noisy dense, pooling, and normalizations: what each does."""

import keras
import numpy as np
import pytest
from keras import ops

import kerastricks.addons as tfa

L = tfa.layers


def array(x):
    return ops.convert_to_numpy(x)


def samples(*shape):
    return np.random.default_rng(len(shape)).normal(1.0, 2.0, size=shape).astype("float32")


def test_stochastic_depth_draws_once_for_the_batch():
    layer = L.StochasticDepth(0.3)
    shortcut, residual = np.ones((4, 3), "float32"), np.full((4, 3), 2.0, "float32")
    kept = 0
    for _ in range(300):
        y = array(layer([shortcut, residual], training=True))
        assert len(np.unique(y)) == 1
        assert y[0, 0] in (1.0, 3.0)
        kept += y[0, 0] == 3.0
    # Five standard errors of 300 draws.
    assert abs(kept / 300 - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 300)
    np.testing.assert_allclose(array(layer([shortcut, residual])), 1.6, rtol=1e-6)


def test_stochastic_depth_is_drop_path():
    import kerastricks as kt

    shortcut, residual = samples(4, 3), samples(4, 3) + 1
    path = kt.layers.DropPath(keep=0.3, per="batch", scaling="classic")
    expected = shortcut + array(path(residual))
    actual = array(L.StochasticDepth(0.3)([shortcut, residual]))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_a_branch_that_is_left_out_leaves_no_nan():
    y = L.StochasticDepth(0.0)(
        [np.ones(3, "float32"), np.full(3, np.nan, "float32")], training=True
    )
    np.testing.assert_array_equal(array(y), 1)


@pytest.mark.parametrize("factorised", [True, False])
@pytest.mark.parametrize("use_bias", [True, False])
def test_noise_is_drawn_reset_and_removed(factorised, use_bias):
    layer = L.NoisyDense(40, use_factorised=factorised, use_bias=use_bias)
    layer.build((None, 50))
    noise = array(layer.eps_kernel)
    # Both kinds have mean 0 and, for f(z) = sign(z) sqrt(|z|), variance (2 / pi) or 1.
    variance = 2 / np.pi if factorised else 1.0
    assert abs(noise.var() - variance) < (0.5 if factorised else 0.15)
    assert np.linalg.matrix_rank(noise) == (1 if factorised else 40)
    layer.reset_noise()
    assert (array(layer.eps_kernel) != noise).all()
    if use_bias and factorised:
        # Kernel and bias share the outputs' draws: each row is a multiple of the bias'.
        rows = array(layer.eps_kernel) / array(layer.eps_bias)
        np.testing.assert_allclose(rows, rows[:, :1] * np.ones((1, 40)), rtol=1e-3)
    layer.remove_noise()
    x = samples(3, 50)
    expected = x @ array(layer.mu_kernel) + (array(layer.mu_bias) if use_bias else 0)
    np.testing.assert_allclose(array(layer(x)), expected, rtol=1e-4, atol=1e-5)


def test_noise_starts_with_the_bias_sharing_the_draws():
    layer = L.NoisyDense(4)
    layer.build((None, 3))
    rows = array(layer.eps_kernel) / array(layer.eps_bias)
    np.testing.assert_allclose(rows, rows[:, :1] * np.ones((1, 4)), rtol=1e-4)


def test_noise_stays_in_training():
    layer = L.NoisyDense(2)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile("sgd", "mse")
    before, mu = array(layer.eps_kernel), array(layer.mu_kernel)
    model.fit(samples(8, 3), np.zeros((8, 2)), verbose=0)
    np.testing.assert_array_equal(array(layer.eps_kernel), before)
    assert (array(layer.mu_kernel) != mu).any()


def test_noise_follows_the_seed_of_the_program():
    noise = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        layer = L.NoisyDense(2)
        layer.build((None, 3))
        layer.reset_noise()
        noise.append(array(layer.eps_kernel))
    np.testing.assert_array_equal(*noise)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Average", "Max"])
def test_pooling_to_one_window_is_global(kind, rank):
    x = samples(2, *(4, 6, 3)[:rank], 5)
    one = getattr(L, f"Adaptive{kind}Pooling{rank}D")(1)(x)
    whole = getattr(keras.layers, f"Global{kind}Pooling{rank}D")()(x)
    np.testing.assert_allclose(array(one).reshape(2, 5), array(whole), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["Average", "Max"])
def test_pooling_to_equal_windows_is_keras_pooling(kind):
    x = samples(2, 6, 8, 3)
    ours = getattr(L, f"Adaptive{kind}Pooling2D")((3, 2))(x)
    keras_own = getattr(keras.layers, f"{kind}Pooling2D")((2, 4))(x)
    np.testing.assert_allclose(array(ours), array(keras_own), rtol=1e-5, atol=1e-6)


def test_a_pyramid_cuts_what_is_left_over():
    x = samples(2, 5, 7, 3)
    y = array(L.SpatialPyramidPooling2D([1, (2, 3)])(x))
    np.testing.assert_allclose(y[:, 0], x.mean((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[:, 1], x[:, :2, :2].mean((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[:, 6], x[:, 2:4, 4:6].mean((1, 2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [-1, -2, 1, 2, 3])
def test_instances_have_mean_0_and_variance_1(axis):
    y = array(L.InstanceNormalization(axis=axis, epsilon=1e-7)(samples(3, 8, 9, 10)))
    y = np.moveaxis(y, axis, -1)
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2)), 1, atol=1e-4)


def test_instance_normalization_does_not_read_the_groups_of_its_config():
    layer = L.InstanceNormalization(groups=2)
    layer.build((None, 3, 4))
    assert layer.get_config()["groups"] == 4
    again = L.InstanceNormalization.from_config(layer.get_config())
    again.build((None, 3, 6))
    assert again.groups == 6


def test_filter_responses_have_mean_square_1():
    x = samples(3, 8, 9, 2)
    layer = L.FilterResponseNormalization()
    y = array(layer(x))
    np.testing.assert_allclose((y**2).mean((1, 2)), 1, rtol=1e-4)
    assert np.abs(y.mean((1, 2))).max() > 0.1
    names = [w.name for w in L.FilterResponseNormalization(learned_epsilon=True).weights]
    assert names == ["learned_epsilon"]


def test_filter_responses_in_half_precision_do_not_overflow():
    x = ops.cast(np.full((1, 2, 2, 1), 600.0), "float16")
    layer = L.FilterResponseNormalization(dtype="mixed_float16")
    np.testing.assert_allclose(array(layer(x)), 1, rtol=1e-3)


def test_thresholds():
    layer = L.TLU(affine=True, tau_initializer="ones", alpha_initializer="ones")
    x = samples(3, 4)
    np.testing.assert_allclose(array(layer(x)), x + 1, rtol=1e-6)
    assert [w.name for w in layer.weights] == ["tau", "alpha"]


def test_maxout_takes_every_n_th_feature():
    x = samples(3, 2, 6)
    expected = x.reshape(3, 2, 3, 2).max(2)
    np.testing.assert_array_equal(array(L.Maxout(2)(x)), expected)


def test_crossing_starts_with_different_factors():
    layer = L.PolynomialCrossing(2)
    layer.build([(None, 4), (None, 4)])
    u, v = (array(w) for w in layer.weights[:2])
    assert np.abs(np.sort(u.ravel()) - np.sort(v.ravel())).max() > 1e-3
