import math

import keras
import numpy as np
import pytest

import kerastricks as kt

FORMATS = pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])


def array(value):
    return keras.ops.convert_to_numpy(value)


def masks(layer, height, width, maps=(40, 50)):
    """Booleans of the shape (maps, height, width), True where an entry was kept."""
    shape = (maps[0], height, width, maps[1])
    if layer.data_format == "channels_first":
        shape = (*maps, height, width)
    kept = array(layer(np.ones(shape, "float32"), training=True)) != 0
    if layer.data_format == "channels_last":
        kept = np.moveaxis(kept, -1, 1)
    return kept.reshape(-1, height, width)


def expected_share(rate, size, height, width):
    """The exact mean of the mask: an entry stays if none of the corners drawn reaches it."""

    def reaching(length):
        at = np.arange(length)
        return np.minimum(at, length - size) - np.maximum(0, at - size + 1) + 1

    gamma = rate * height * width / (size**2 * (height - size + 1) * (width - size + 1))
    return np.mean((1 - gamma) ** np.outer(reaching(height), reaching(width)))


@FORMATS
@pytest.mark.parametrize(
    ("size", "height", "width"), [(1, 6, 5), (3, 9, 8), (4, 8, 11), (7, 14, 14), (5, 5, 8)]
)
def test_share_that_stays(data_format, size, height, width):
    layer = kt.layers.DropBlock2D(0.2, size, 1, data_format=data_format)
    shares = masks(layer, height, width).mean(axis=(1, 2))
    standard_error = shares.std() / math.sqrt(len(shares))  # maps are independent
    assert abs(shares.mean() - expected_share(0.2, size, height, width)) < 5 * standard_error


@FORMATS
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_what_is_dropped_is_made_of_whole_blocks(data_format, size):
    layer = kt.layers.DropBlock2D(0.2, size, 2, data_format=data_format)
    dropped = ~masks(layer, 9, 12, maps=(4, 5))
    windows = np.lib.stride_tricks.sliding_window_view(dropped, (size, size), axis=(1, 2))
    covered = np.zeros_like(dropped)
    for sample, row, column in np.argwhere(windows.all(axis=(-2, -1))):
        covered[sample, row : row + size, column : column + size] = True
    assert dropped.any()
    np.testing.assert_array_equal(covered, dropped)


def test_a_block_as_large_as_the_map_drops_whole_maps():
    kept = masks(kt.layers.DropBlock2D(0.3, 5, 3), 5, 5).reshape(-1, 25)
    assert (kept.all(axis=1) | ~kept.any(axis=1)).all()
    assert abs(kept.mean() - 0.7) < 5 * math.sqrt(0.7 * 0.3 / len(kept))


@FORMATS
@pytest.mark.parametrize("size", [1, 3, 4])
def test_the_sum_over_a_constant_stays(data_format, size):
    layer = kt.layers.DropBlock2D(0.3, size, 4, data_format=data_format)
    y = array(layer(np.full((4, 8, 8, 8), 2.0, "float32"), training=True)).astype("float64")
    assert (y == 0).any()
    np.testing.assert_allclose(y.mean(), 2, rtol=1e-6)
    assert len(np.unique(y)) == 2


def test_samples_channels_and_calls_differ():
    layer = kt.layers.DropBlock2D(0.3, 3, 5)
    one, other = (array(layer(np.ones((2, 9, 9, 2), "float32"), training=True)) for _ in range(2))
    assert (one != other).any()
    assert (one[0] != one[1]).any()
    assert (one[..., 0] != one[..., 1]).any()


def test_gradient_passes_where_the_input_does(gradients):
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype("float32")
    layer, same = (kt.layers.DropBlock2D(0.3, 3, 6) for _ in range(2))
    (gradient,) = gradients(lambda x: keras.ops.sum(layer(x, training=True)), x)
    np.testing.assert_allclose(gradient, array(same(np.ones_like(x), training=True)), rtol=1e-6)


def test_dropping_everything_leaves_zeros():
    layer = kt.layers.DropBlock2D(0.999, 4, 1)
    np.testing.assert_array_equal(array(layer(np.ones((1, 4, 4, 1), "float32"), training=True)), 0)


@pytest.mark.parametrize("arguments", [{"rate": 0.5, "training": False}, {"rate": 0}], ids=str)
def test_the_identity(arguments):
    x = np.random.default_rng(2).normal(size=(2, 8, 8, 3)).astype("float32")
    layer = kt.layers.DropBlock2D(arguments["rate"])
    np.testing.assert_array_equal(array(layer(x, training=arguments.get("training", True))), x)


@pytest.mark.parametrize("samples", [0, 1])
def test_small_batches(samples):
    y = array(kt.layers.DropBlock2D(0.2, 3)(np.ones((samples, 6, 6, 2), "float32"), training=True))
    assert y.shape == (samples, 6, 6, 2)
    assert np.isfinite(y).all()


def test_sizes_unknown_until_the_call():
    inputs = keras.Input((None, None, 4))
    pooled = keras.layers.GlobalAveragePooling2D()(kt.layers.DropBlock2D(0.2, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(pooled))
    model.compile("sgd", "mse")
    for height, width in ((6, 8), (9, 5)):
        assert np.isfinite(model.train_on_batch(np.ones((5, height, width, 4)), np.ones((5, 1))))


@pytest.mark.parametrize("shape", [(2, 6, 6, 2), (2, 4, 5, 2), (2, 9, 6, 2), (2, 6, 9, 2)], ids=str)
@FORMATS
def test_a_block_must_fit_sizes_unknown_to_build(shape, data_format):
    layer = kt.layers.DropBlock2D(0.2, data_format=data_format)
    unknown = (None, None, 2) if data_format == "channels_last" else (2, None, None)
    model = keras.Model(inputs := keras.Input(unknown), layer(inputs))
    small, large = np.ones(shape, "float32"), np.ones((2, 8, 8, 2), "float32")
    if data_format == "channels_first":
        small, large = np.moveaxis(small, -1, 1), np.moveaxis(large, -1, 1)
    with pytest.raises(ValueError, match=r"7 x 7 pixels does not fit.*at most [46]\."):
        model(small, training=True)
    np.testing.assert_array_equal(array(model(small, training=False)), small)
    assert tuple(model(large, training=True).shape) == large.shape


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow's graphs")
@pytest.mark.parametrize("shape", [(2, 6, 6, 2), (2, 4, 5, 2), (2, 9, 6, 2)], ids=str)
def test_a_block_must_fit_sizes_unknown_to_the_graph(shape):
    import tensorflow as tf

    layer = kt.layers.DropBlock2D(0.2)
    signature = [tf.TensorSpec((None, None, None, 2), tf.float32)]
    call = tf.function(lambda x: layer(x, training=True), input_signature=signature)
    assert call(np.ones((2, 7, 8, 2), "float32")).shape == (2, 7, 8, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="7 x 7 pixels does not fit"):
        call(np.ones(shape, "float32"))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow's graphs")
def test_share_of_a_map_of_unknown_size():
    import tensorflow as tf

    layer = kt.layers.DropBlock2D(0.2, 3, 1)
    signature = [tf.TensorSpec((None, None, None, None), tf.float32)]
    call = tf.function(lambda x: layer(x, training=True), input_signature=signature)
    shares = (array(call(np.ones((40, 6, 8, 50), "float32"))) != 0).mean(axis=(1, 2))
    standard_error = shares.std() / math.sqrt(shares.size)
    assert abs(shares.mean() - expected_share(0.2, 3, 6, 8)) < 5 * standard_error


@FORMATS
def test_a_block_must_fit(data_format):
    shape = (2, 6, 8, 3) if data_format == "channels_last" else (2, 3, 6, 8)
    layer = kt.layers.DropBlock2D(0.1, data_format=data_format)
    with pytest.raises(ValueError, match=r"7 x 7 pixels does not fit.*`block_size` of at most 6"):
        layer(np.ones(shape, "float32"))


@pytest.mark.parametrize("size", [0, -1])
def test_block_sizes_must_be_positive(size):
    with pytest.raises(ValueError, match=r"`block_size` must be a positive whole number.*Received"):
        kt.layers.DropBlock2D(0.1, size)


@pytest.mark.parametrize("size", [3.0, "3", True, (3, 3)])
def test_block_sizes_must_be_whole_numbers(size):
    with pytest.raises(TypeError, match=r"`block_size` must be a positive whole number.*of type"):
        kt.layers.DropBlock2D(0.1, size)


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match="Give either `rate`"):
        kt.layers.DropBlock2D()
    with pytest.raises(ValueError, match=r'"channels_last" or "channels_first".*data_format'):
        kt.layers.DropBlock2D(0.1, data_format="NCHW")
    assert kt.layers.DropBlock2D(keep=0.9).rate == 0.1
