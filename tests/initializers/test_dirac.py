import keras
import numpy as np
import pytest

import kerastricks as kt


def made(initializer, shape):
    return keras.ops.convert_to_numpy(initializer(shape))


def images(channels):
    return np.random.default_rng(0).normal(size=(2, 6, 5, channels)).astype("float32")


def convolved(layer, channels, **arguments):
    layer = layer(padding="same", use_bias=False, **arguments)
    return keras.ops.convert_to_numpy(layer(images(channels)))


@pytest.mark.parametrize("size", [1, 2, 3, 4, (3, 2), (4, 5)])
def test_a_convolution_reproduces_its_input(size):
    y = convolved(
        keras.layers.Conv2D,
        4,
        filters=4,
        kernel_size=size,
        kernel_initializer=kt.initializers.Dirac(),
    )
    np.testing.assert_array_equal(y, images(4))


@pytest.mark.parametrize("size", [2, 3])
def test_a_transposed_convolution_reproduces_its_input(size):
    y = convolved(
        keras.layers.Conv2DTranspose,
        3,
        filters=5,
        kernel_size=size,
        kernel_initializer=kt.initializers.Dirac(kernel="transposed"),
    )
    np.testing.assert_array_equal(y[..., :3], images(3))
    assert (y[..., 3:] == 0).all()


def test_a_depthwise_convolution_reproduces_each_channel_followed_by_zeros():
    y = convolved(
        keras.layers.DepthwiseConv2D,
        3,
        kernel_size=3,
        depth_multiplier=2,
        depthwise_initializer=kt.initializers.Dirac(kernel="depthwise"),
    )
    np.testing.assert_array_equal(y[..., ::2], images(3))
    assert (y[..., 1::2] == 0).all()


def test_each_group_reproduces_its_own_channels():
    y = convolved(
        keras.layers.Conv2D,
        4,
        filters=6,
        kernel_size=3,
        groups=2,
        kernel_initializer=kt.initializers.Dirac(groups=2),
    )
    np.testing.assert_array_equal(y[..., [0, 1, 3, 4]], images(4))
    assert (y[..., [2, 5]] == 0).all()


@pytest.mark.parametrize(("filters", "kept"), [(2, 2), (7, 4)])
def test_rectangular_kernels_keep_what_fits(filters, kept):
    y = convolved(
        keras.layers.Conv2D,
        4,
        filters=filters,
        kernel_size=3,
        kernel_initializer=kt.initializers.Dirac(),
    )
    np.testing.assert_array_equal(y[..., :kept], images(4)[..., :kept])
    assert (y[..., kept:] == 0).all()


@pytest.mark.parametrize("receptive_field", [(3,), (5, 3), (3, 1, 5)])
@pytest.mark.parametrize(("n_in", "n_out"), [(4, 4), (2, 6), (6, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_equals_torch_for_odd_sizes(receptive_field, n_in, n_out, groups):
    torch = pytest.importorskip("torch")
    theirs = torch.empty(n_out, n_in, *receptive_field)
    torch.nn.init.dirac_(theirs, groups)
    ours = made(kt.initializers.Dirac(groups=groups), (*receptive_field, n_in, n_out))
    np.testing.assert_array_equal(np.moveaxis(theirs.numpy(), (1, 0), (-2, -1)), ours)


def test_whole_numbers_will_do():
    values = kt.initializers.Dirac()((3, 2, 2), dtype="int32")
    assert keras.backend.standardize_dtype(values.dtype) == "int32"
    assert keras.ops.convert_to_numpy(values).sum() == 2


def test_matrices_have_no_center():
    with pytest.raises(ValueError, match=r"`shape` must have at least 3 axes.*Identity\(\)"):
        kt.initializers.Dirac()((4, 4))


def test_equations_have_no_center():
    with pytest.raises(ValueError, match=r'`kernel` must be "convolution", "depthwise" or "transp'):
        kt.initializers.Dirac(kernel="abc,cde->abde")


def test_groups_must_be_a_whole_number():
    with pytest.raises(TypeError, match=r"`groups` must be a whole number above 0. Received"):
        kt.initializers.Dirac(groups=2.0)
    with pytest.raises(ValueError, match=r"`groups` must divide .* of size 3. Received: groups=2"):
        kt.initializers.Dirac(groups=2)((3, 4, 3))
