import math

import keras
import numpy as np
import pytest

import kerastricks as kt


def array(value):
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("shape", [(3000,), (3000, 2), (3000, 1, 2, 3)], ids=str)
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_whole_samples_are_kept_or_dropped(shape, scaling):
    x = np.random.default_rng(0).uniform(1, 2, shape).astype("float32")
    y = array(kt.layers.DropPath(0.3, seed=1, scaling=scaling)(x, training=True))
    kept = (y.reshape(len(y), -1) != 0).all(axis=1)
    dropped = (y.reshape(len(y), -1) == 0).all(axis=1)
    assert (kept | dropped).all()
    # The share 0.7 is drawn to within 2^-17, and the outputs are scaled by what is drawn.
    factor = 1 / 0.7 if scaling == "inverted" else 1
    np.testing.assert_allclose(y[kept], x[kept] * factor, rtol=2**-17 / 0.7 + 1e-6)
    assert abs(kept.mean() - 0.7) < 5 * math.sqrt(0.7 * 0.3 / len(y))


@pytest.mark.compiling
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_one_draw_for_the_batch(scaling):
    x = np.ones((5, 3), "float32")
    layer = kt.layers.DropPath(0.5, "batch", 1, scaling=scaling)
    outputs = [array(layer(x, training=True)) for _ in range(200)]
    assert all(len(np.unique(y)) == 1 for y in outputs)
    share = np.mean([y.any() for y in outputs])
    assert abs(share - 0.5) < 5 * math.sqrt(0.25 / 200)


@pytest.mark.compiling
@pytest.mark.parametrize("per", ["sample", "batch"])
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_the_mean_in_training_is_the_output_at_inference(per, scaling):
    x = np.full((20, 3), 2.0, "float32")
    layer = kt.layers.DropPath(keep=0.8, per=per, seed=2, scaling=scaling)
    inferred = array(layer(x, training=False))
    np.testing.assert_allclose(inferred, 2 if scaling == "inverted" else 1.6, rtol=1e-6)
    draws = np.stack([array(layer(x, training=True))[:, 0] for _ in range(200)])
    independent = draws.size if per == "sample" else len(draws)
    standard_error = inferred[0, 0] * math.sqrt(0.2 / 0.8 / independent)
    assert abs(draws.mean() - inferred[0, 0]) < 5 * standard_error


def test_the_draws_differ_among_samples_and_calls():
    layer = kt.layers.DropPath(0.5, seed=1)
    one, other = (array(layer(np.ones((64, 1), "float32"), training=True)) for _ in range(2))
    assert len(np.unique(one)) == 2
    assert (one != other).any()


def test_gradient_passes_where_the_branch_does(gradients):
    x = np.random.default_rng(1).normal(size=(12, 3)).astype("float32")
    layer, same = (kt.layers.DropPath(0.5, seed=4) for _ in range(2))
    (gradient,) = gradients(lambda x: keras.ops.sum(layer(x, training=True)), x)
    np.testing.assert_array_equal(gradient, array(same(np.ones_like(x), training=True)))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("per", ["sample", "batch"])
def test_a_dropped_branch_is_zero_even_where_it_is_not_finite(per, dtype):
    x = np.tile(np.array([np.nan, np.inf, 1.0], "float32"), (12, 1))
    layer = kt.layers.DropPath(0.5, per, seed=1, dtype=dtype)
    dropped = 0
    for _ in range(8):
        y = array(keras.ops.cast(layer(x, training=True), "float32"))
        dropped += np.sum(y[:, 2] == 0)
        expected = np.where(y[:, 2:] == 0, 0, np.array([np.nan, np.inf, 2]))
        np.testing.assert_array_equal(y, expected)
    assert 0 < dropped < 96


def test_what_comes_back_into_a_dropped_branch_is_zero(gradients):
    x = np.ones((12, 3), "float32")
    layer, same = (kt.layers.DropPath(0.5, seed=1) for _ in range(2))
    upstream = keras.ops.full((12, 3), np.inf)
    (gradient,) = gradients(lambda x: keras.ops.sum(layer(x, training=True) * upstream), x)
    kept = array(same(x, training=True)) != 0
    np.testing.assert_array_equal(gradient, np.where(kept, np.inf, 0))


@pytest.mark.parametrize("training", [True, False])
def test_keeping_all_is_the_identity(training):
    x = np.random.default_rng(2).normal(size=(4, 5)).astype("float32")
    for scaling in ("inverted", "classic"):
        layer = kt.layers.DropPath(0, scaling=scaling)
        np.testing.assert_array_equal(array(layer(x, training=training)), x)


def test_samples_of_unknown_number_and_size():
    inputs = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(kt.layers.DropPath(0.5, seed=1)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(pooled))
    model.compile("sgd", "mse")
    for size in (4, 7):
        assert np.isfinite(model.train_on_batch(np.ones((6, size, 5, 3)), np.ones((6, 1))))


def test_scalars_have_no_samples():
    with pytest.raises(ValueError, match=r"along their first axis.*Received: a scalar"):
        kt.layers.DropPath(0.5)(keras.ops.ones(()))


def test_per_must_be_known():
    with pytest.raises(ValueError, match=r'"sample".*"batch".*Received: per=\'row\''):
        kt.layers.DropPath(0.5, per="row")


def test_rates_are_checked_as_in_dropout():
    with pytest.raises(ValueError, match="Give either `rate`"):
        kt.layers.DropPath()
    with pytest.raises(ValueError, match=r"`keep` must be a number in \(0, 1\]"):
        kt.layers.DropPath(keep=0)
    with pytest.raises(ValueError, match=r'"inverted".*"classic"'):
        kt.layers.DropPath(0.5, scaling="paper")
    assert kt.layers.DropPath(keep=0.8).rate == 0.2
