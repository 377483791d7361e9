import math

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.layers._kernels.dropout import random_mask

SHAPE = (200, 300)


def array(value):
    return keras.ops.convert_to_numpy(value)


def standard_error_of_the_share(keep, count):
    return math.sqrt(keep * (1 - keep) / count)


# Drawn from 8, 16 and 32 bits for each entry.
SHARES = [0.5, 0.25, 0.1, 0.8, 0.001, 0.998]


@pytest.mark.parametrize("keep", SHARES)
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_share_of_units_that_stays(keep, scaling):
    ones = np.ones(SHAPE, "float32")
    y = array(kt.layers.Dropout(keep=keep, scaling=scaling, seed=3)(ones, training=True))
    share = np.count_nonzero(y) / y.size
    # The share that is drawn may be off by a thousandth of itself, the outputs make up for it.
    assert abs(share - keep) < 5 * standard_error_of_the_share(keep, y.size) + 1e-3 * keep
    kept_value = 1 / keep if scaling == "inverted" else 1.0
    exact = (keep * 256).is_integer()
    np.testing.assert_allclose(y[y != 0], kept_value, rtol=1e-7 if exact else 1e-3)


@pytest.mark.parametrize("keep", SHARES)
def test_the_drawn_share_is_near_and_scales_the_outputs(keep):
    ones = keras.ops.ones((50, 70))
    mask = random_mask((50, 70), keep, keras.random.SeedGenerator(4), ones)
    assert abs(mask.share - keep) <= 1e-3 * min(keep, 1 - keep)
    y = array(kt.layers.Dropout(keep=keep, seed=4)(ones, training=True))
    np.testing.assert_allclose(y, array(mask.values) / mask.share, rtol=1e-6)


@pytest.mark.parametrize("keep", [0.5, 0.3, 0.002])
def test_entries_are_independent_of_their_neighbors(keep):
    # Several entries come from one random word; 131 is no multiple of their number.
    seeds = keras.random.SeedGenerator(5)
    mask = random_mask((2000, 131), keep, seeds, keras.ops.ones(1)).values
    centered = array(mask).astype("float64").ravel() - keep
    for distance in (1, 2, 3, 4, 131):
        correlation = np.mean(centered[distance:] * centered[:-distance]) / (keep * (1 - keep))
        assert abs(correlation) < 5 / math.sqrt(centered.size)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_the_mean_in_training_is_the_output_at_inference(keep, scaling):
    x = np.random.default_rng(0).normal(1.0, 1.0, SHAPE).astype("float32")
    layer = kt.layers.Dropout(keep=keep, scaling=scaling, seed=5)
    trained, inferred = array(layer(x, training=True)), array(layer(x, training=False))
    scale = 1 / keep if scaling == "inverted" else 1.0
    # The sum of independent x_i m_i has variance sum x_i^2 keep (1 - keep).
    standard_error = (
        scale
        * math.sqrt(keep * (1 - keep) * np.mean(x.astype("float64") ** 2))
        / (math.sqrt(x.size))
    )
    assert abs(trained.mean() - inferred.mean()) < 5 * standard_error


@pytest.mark.parametrize("noise_shape", [None, (None, 1)])
def test_classic_is_keep_times_inverted(noise_shape):
    x = np.random.default_rng(1).normal(size=(20, 30)).astype("float32")
    inverted = kt.layers.Dropout(0.3, noise_shape, 7)
    classic = kt.layers.Dropout(0.3, noise_shape, 7, scaling="classic")
    for training in (True, True, False):
        np.testing.assert_allclose(
            array(classic(x, training=training)),
            0.7 * array(inverted(x, training=training)),
            rtol=1e-6,
        )


@pytest.mark.parametrize("rate", [0.3, 0.5])
@pytest.mark.parametrize("noise_shape", [None, (None, 1)])
def test_same_seed_same_masks(rate, noise_shape):
    x = np.random.default_rng(2).normal(size=(20, 30)).astype("float32")
    one, same = (kt.layers.Dropout(rate, noise_shape, 11) for _ in range(2))
    other = kt.layers.Dropout(rate, noise_shape, 12)
    for _ in range(2):
        expected = array(one(x, training=True))
        np.testing.assert_array_equal(array(same(x, training=True)), expected)
        assert (array(other(x, training=True)) != expected).any()


def test_the_next_seed_starts_another_sequence():
    ones = np.ones((20, 30), "float32")
    one, other = kt.layers.Dropout(0.5, seed=1), kt.layers.Dropout(0.5, seed=2)
    one(ones, training=True)
    assert (array(one(ones, training=True)) != array(other(ones, training=True))).any()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow's graphs")
@pytest.mark.parametrize("rate", [0.3, 0.5, 0.999])
def test_same_masks_in_eager_mode_in_graphs_and_under_xla(rate):
    import tensorflow as tf

    x = np.random.default_rng(2).normal(size=(20, 31)).astype("float32")
    outputs = []
    for compiled in (
        lambda function: function,
        tf.function,
        tf.function(jit_compile=True),
        tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32)]),
    ):
        layer = kt.layers.Dropout(rate, seed=11)
        call = compiled(lambda x, layer=layer: layer(x, training=True))
        outputs.append(np.stack([array(call(x)) for _ in range(2)]))
    for other in outputs[1:]:
        np.testing.assert_allclose(other, outputs[0], rtol=1e-6)


@pytest.mark.parametrize("noise_shape", [None, (None, 1), (1, None)])
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_gradient_passes_where_the_input_does(noise_shape, scaling, gradients):
    x = np.random.default_rng(6).normal(size=(8, 30)).astype("float32")
    weights = np.random.default_rng(7).normal(size=(8, 30)).astype("float32")
    layer, same = (kt.layers.Dropout(0.4, noise_shape, 2, scaling=scaling) for _ in range(2))
    upstream = keras.ops.convert_to_tensor(weights)
    (gradient,) = gradients(lambda x: keras.ops.sum(layer(x, training=True) * upstream), x)
    np.testing.assert_allclose(gradient, array(same(np.ones_like(x), training=True)) * weights)


@pytest.mark.parametrize("noise_shape", [None, (None, 1), (1, None)])
def test_what_is_dropped_is_zero_even_where_the_input_is_not_finite(noise_shape):
    x = np.full((20, 30), np.nan, "float32")
    y = array(kt.layers.Dropout(0.5, noise_shape, seed=1)(x, training=True))
    assert set(np.unique(y[~np.isnan(y)])) == {0.0}
    assert np.isnan(y).any()


@pytest.mark.parametrize(
    ("short", "whole"),
    [((3, 1), (1, 3, 1)), ((None, 1), (1, None, 1)), ((None,), (1, 1, None)), ((), (1, 1, 1))],
    ids=str,
)
def test_a_short_noise_shape_is_broadcast(short, whole):
    x = np.random.default_rng(8).uniform(1, 2, (2, 3, 4)).astype("float32")
    one, same = (kt.layers.Dropout(0.5, noise_shape, 3) for noise_shape in (short, whole))
    for _ in range(4):
        y = array(one(x, training=True))
        np.testing.assert_array_equal(y, array(same(x, training=True)))
        assert y.shape == x.shape


@pytest.mark.parametrize("noise_shape", [(1, 2, 3, 4), (2, 1), (None, 3, 1, 1), (4, 1, 1)], ids=str)
def test_a_noise_shape_must_broadcast(noise_shape):
    message = r"must broadcast to the inputs.*noise_shape=\(.*shape \((2|None), 3, 4\)"
    layer = kt.layers.Dropout(0.5, noise_shape)
    with pytest.raises(ValueError, match=message):
        layer(np.ones((2, 3, 4), "float32"), training=True)
    if noise_shape != (4, 1, 1):  # the batch is not known yet
        with pytest.raises(ValueError, match=message):
            layer(keras.Input((3, 4)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow's graphs")
def test_a_noise_shape_must_broadcast_to_sizes_unknown_to_the_graph():
    import tensorflow as tf

    layer = kt.layers.Dropout(0.5, (2, 1))
    signature = [tf.TensorSpec((None, 3), tf.float32)]
    call = tf.function(lambda x: layer(x, training=True), input_signature=signature)
    assert call(np.ones((2, 3), "float32")).shape == (2, 3)
    for samples in (1, 4):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must broadcast to the inputs"):
            call(np.ones((samples, 3), "float32"))


@pytest.mark.parametrize("rarer", [1e-5, 1e-7, 1e-9, 1e-12])
def test_rare_shares_take_the_bits_that_they_need(rarer):
    ones = keras.ops.ones((3,))
    for share in (rarer, 1 - rarer):
        mask = random_mask((1000, 100), share, keras.random.SeedGenerator(4), ones)
        assert abs(mask.share - share) <= 1e-3 * rarer
        changed = np.mean(array(mask.values) != (share > 0.5))
        # More than 10 of 100000 * 1e-5 = 1 would come once in 10^8 draws (Poisson).
        assert changed * 1e5 <= 10


def test_both_words_of_64_bits_count(monkeypatch):
    from kerastricks.layers._kernels import dropout as kernel

    share = 3 * 2.0**-32 + 5 * 2.0**-64 + 2.0**-60  # 3 in the first word, 21 in the second
    words = iter(np.array([[2, 3, 3, 4], [9, 20, 21, 0]]) - 2**31)

    class Kernel:
        @staticmethod
        def random_integers(shape, bits, seeds, like):
            assert bits == 32
            return keras.ops.convert_to_tensor(next(words).astype("int32"))

    monkeypatch.setattr(kernel, "_kernel", lambda: Kernel)
    monkeypatch.setattr(kernel, "_bits_for", lambda share: 64)
    mask = random_mask((4,), share, None, None)
    np.testing.assert_array_equal(array(mask.values), [True, True, False, False])
    assert mask.share == share


@pytest.mark.parametrize("rate", [1e-17, 5e-17, 5e-324])
def test_shares_that_round_to_all_or_nothing_are_refused(rate):
    with pytest.raises(ValueError, match=r"`rate` must be.*1 - rate rounds to 1"):
        kt.layers.Dropout(rate)
    with pytest.raises(ValueError, match=r"`keep` must be.*1 - keep rounds to 1"):
        kt.layers.Dropout(keep=rate)


@pytest.mark.parametrize("rate", [1e-16, 1e-9, 1 - 2**-53])
def test_shares_next_to_all_or_nothing_survive_their_config(rate):
    for layer in (kt.layers.Dropout(rate), kt.layers.Dropout(keep=rate)):
        same = kt.layers.Dropout.from_config(layer.get_config())
        assert 0 < same.rate < 1
        assert (same.rate, same.keep) == (layer.rate, layer.keep)


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_any_shape(shape, rate):
    x = keras.ops.ones(shape)
    assert tuple(kt.layers.Dropout(rate)(x, training=True).shape) == shape


def test_inverted_is_the_identity_at_inference():
    x = np.random.default_rng(3).normal(size=(4, 5)).astype("float32")
    np.testing.assert_array_equal(array(kt.layers.Dropout(0.5)(x)), x)


@pytest.mark.parametrize("scaling", ["inverted", "classic"])
@pytest.mark.parametrize("training", [True, False])
def test_keeping_all_is_the_identity(scaling, training):
    x = np.random.default_rng(4).normal(size=(4, 5)).astype("float32")
    layer = kt.layers.Dropout(keep=1, scaling=scaling)
    np.testing.assert_array_equal(array(layer(x, training=training)), x)


@pytest.mark.parametrize("keep", [0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_rate_and_keep_say_the_same(keep):
    rate = round(1 - keep, 9)
    assert kt.layers.Dropout(keep=keep).rate == rate
    assert kt.layers.Dropout(rate).keep == keep
    by_keep, by_rate = (
        kt.layers.Dropout(keep=keep, seed=1, name="x"),
        kt.layers.Dropout(rate, seed=1, name="x"),
    )
    assert by_keep.get_config() == by_rate.get_config()


def test_masks_change_from_call_to_call():
    ones = np.ones((10, 10), "float32")
    layer = kt.layers.Dropout(0.5, seed=1)
    assert (array(layer(ones, training=True)) != array(layer(ones, training=True))).any()


@pytest.mark.parametrize("arguments", [{}, {"rate": 0.5, "keep": 0.5}], ids=str)
def test_exactly_one_of_rate_and_keep(arguments):
    with pytest.raises(ValueError, match=r"Give either `rate`.*or `keep`.*Received: rate="):
        kt.layers.Dropout(**arguments)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, math.nan, math.inf])
def test_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match=r"`rate` must be a number in \[0, 1\).*Received: rate="):
        kt.layers.Dropout(rate)


@pytest.mark.parametrize("keep", [-0.1, 0, 1.5, math.nan, math.inf])
def test_keep_out_of_range_is_refused(keep):
    with pytest.raises(ValueError, match=r"`keep` must be a number in \(0, 1\].*Received: keep="):
        kt.layers.Dropout(keep=keep)


@pytest.mark.parametrize("argument", ["rate", "keep"])
def test_shares_must_be_numbers(argument):
    with pytest.raises(TypeError, match=rf"`{argument}` must be a number.*of type str"):
        kt.layers.Dropout(**{argument: "0.5"})


def test_scaling_must_be_known():
    with pytest.raises(ValueError, match=r'"inverted".*"classic".*Received: scaling=\'paper\''):
        kt.layers.Dropout(0.5, scaling="paper")


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch has a dropout without seeds")
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
@pytest.mark.parametrize("entries", [2**10, 2**20])  # torch's own dropout, and ours
def test_without_a_seed_in_torch(scaling, entries):
    x = keras.ops.ones((entries,))
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        layer = kt.layers.Dropout(keep=0.25, scaling=scaling)
        draws.append(keras.ops.convert_to_numpy(layer(x, training=True)))
    np.testing.assert_array_equal(*draws)
    kept = 4.0 if scaling == "inverted" else 1.0
    assert sorted(set(draws[0].tolist())) == [0.0, kept]
    # The standard error of a share is sqrt(p (1 - p) / n).
    assert abs(np.mean(draws[0] > 0) - 0.25) < 5 * (0.25 * 0.75 / entries) ** 0.5
