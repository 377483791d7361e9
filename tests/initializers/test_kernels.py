"""The fans of every kind of kernel against what Keras' layers really sum."""

import math
from functools import partial

import keras
import numpy as np
import pytest

import kerastricks as kt

# A layer, the shape of one sample, and what `compute_fans` has to be told.
LAYERS = {
    "Dense": (partial(keras.layers.Dense, 5), (4,), {}),
    "Dense-sequence": (partial(keras.layers.Dense, 5), (3, 4), {}),
    "Conv1D": (partial(keras.layers.Conv1D, 5, 3), (8, 4), {}),
    "Conv2D": (partial(keras.layers.Conv2D, 6, (3, 2)), (6, 5, 4), {}),
    "Conv2D-pointwise": (partial(keras.layers.Conv2D, 6, 1), (2, 2, 4), {}),
    "Conv2D-dilated": (partial(keras.layers.Conv2D, 3, 2, dilation_rate=2), (6, 6, 2), {}),
    "Conv2D-grouped": (partial(keras.layers.Conv2D, 6, 3, groups=2), (6, 6, 4), {"groups": 2}),
    "Conv3D": (partial(keras.layers.Conv3D, 3, 2), (3, 4, 3, 2), {}),
    "DepthwiseConv1D": (partial(keras.layers.DepthwiseConv1D, 3), (6, 4), {"kernel": "depthwise"}),
    "DepthwiseConv2D": (
        partial(keras.layers.DepthwiseConv2D, 3, depth_multiplier=2),
        (6, 6, 3),
        {"kernel": "depthwise"},
    ),
    "Conv1DTranspose": (
        partial(keras.layers.Conv1DTranspose, 5, 3),
        (6, 2),
        {"kernel": "transposed"},
    ),
    "Conv2DTranspose": (
        partial(keras.layers.Conv2DTranspose, 5, 3),
        (6, 6, 2),
        {"kernel": "transposed"},
    ),
    "EinsumDense": (
        partial(keras.layers.EinsumDense, "ab,bc->ac", 5),
        (4,),
        {"kernel": "ab,bc->ac"},
    ),
    "EinsumDense-ellipsis": (
        partial(keras.layers.EinsumDense, "...x,xy->...y", 5),
        (2, 3, 4),
        {"kernel": "...x,xy->...y"},
    ),
    "EinsumDense-into-heads": (
        partial(keras.layers.EinsumDense, "abc,cde->abde", (None, 3, 4)),
        (2, 5),
        {"kernel": "abc,cde->abde"},
    ),
    "EinsumDense-out-of-heads": (
        partial(keras.layers.EinsumDense, "abcd,cde->abe", (None, 5)),
        (2, 3, 4),
        {"kernel": "abcd,cde->abe"},
    ),
    "EinsumDense-blocks": (
        partial(keras.layers.EinsumDense, "abc,bcd->abd", (3, 5)),
        (3, 4),
        {"kernel": "abc,bcd->abd"},
    ),
}


def jacobian(layer, shape):
    """The derivative of each output (column) by each input (row) of a linear layer."""
    size = math.prod(shape)
    basis = np.eye(size, dtype="float32").reshape(size, *shape)
    return keras.ops.convert_to_numpy(layer(basis)).reshape(size, -1)


def kernel_of(layer):
    (kernel,) = layer.weights
    return kernel


def without_bias(make, **arguments):
    # EinsumDense has no bias unless told, and no such argument.
    if make.func is not keras.layers.EinsumDense:
        arguments["use_bias"] = False
    return make(**arguments)


@pytest.mark.parametrize(("make", "shape", "arguments"), LAYERS.values(), ids=list(LAYERS))
def test_fans_count_the_connections_of_a_unit_inside(make, shape, arguments):
    layer = without_bias(make)
    layer.build((None, *shape))
    kernel = kernel_of(layer)
    kernel.assign(np.ones(kernel.shape))
    connected = jacobian(layer, shape) != 0
    fan_in, fan_out = kt.theory.compute_fans(kernel.shape, **arguments)
    # Units at the border have fewer connections than those inside.
    assert connected.sum(axis=0).max() == fan_in
    assert connected.sum(axis=1).max() == fan_out


@pytest.mark.parametrize(
    ("make", "kernel", "divided"),
    [
        (partial(keras.layers.Conv2D, 3, 4), "convolution", "fan_out"),
        (partial(keras.layers.Conv2DTranspose, 3, 4), "transposed", "fan_in"),
    ],
)
def test_strides_divide_one_fan_on_average(make, kernel, divided):
    shape = (12, 12, 2)
    layer = make(strides=2, use_bias=False)
    layer.build((None, *shape))
    kernel_of(layer).assign(np.ones(layer.kernel.shape))
    connected = jacobian(layer, shape) != 0
    counts = {"fan_in": connected.sum(axis=0), "fan_out": connected.sum(axis=1)}
    fans = dict(zip(counts, kt.theory.compute_fans(layer.kernel.shape, kernel), strict=True))
    # 4 taps at stride 2 reach every position inside 2 times in each direction.
    assert counts[divided].max() == fans.pop(divided) / 2**2
    ((other, fan),) = fans.items()
    assert counts[other].max() == fan


def test_attention_projects_by_the_fans_of_its_equations():
    attention = keras.layers.MultiHeadAttention(num_heads=3, key_dim=4, use_bias=False)
    attention.build((None, 2, 6), (None, 2, 6))
    projections = {
        "query_dense": ("abc,cde->abde", (2, 6), (6, 12)),
        "key_dense": ("abc,cde->abde", (2, 6), (6, 12)),
        "value_dense": ("abc,cde->abde", (2, 6), (6, 12)),
        "output_dense": ("abcd,cde->abe", (2, 3, 4), (12, 6)),
    }
    for name, (equation, shape, fans) in projections.items():
        layer = getattr(attention, name)
        assert layer.equation == equation
        assert kt.theory.compute_fans(layer.kernel.shape, kernel=layer.equation) == fans
        layer.kernel.assign(np.ones(layer.kernel.shape))
        connected = jacobian(layer, shape) != 0
        assert (connected.sum(axis=0) == fans[0]).all()
        assert (connected.sum(axis=1) == fans[1]).all()


def test_attention_kernels_can_be_given_their_scale():
    attention = keras.layers.MultiHeadAttention(
        8, 8, kernel_initializer=kt.initializers.LeCun(kernel="abc,cde->abde")
    )
    attention.build((None, 5, 64), (None, 5, 64))
    # One argument serves two kinds of kernels, so that out of the heads is set afterwards.
    out = attention.output_dense
    out.kernel.assign(kt.initializers.LeCun(kernel=out.equation)(out.kernel.shape))
    for layer in (attention.query_dense, attention.value_dense, out):
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        assert abs(kernel.std() * 8 - 1) < 5 / math.sqrt(2 * kernel.size)


def test_a_separable_convolution_keeps_the_variance():
    layer = keras.layers.SeparableConv2D(
        64,
        3,
        depth_multiplier=4,
        use_bias=False,
        depthwise_initializer=kt.initializers.LeCun(seed=1, kernel="depthwise"),
        pointwise_initializer=kt.initializers.LeCun(seed=2),
    )
    shape = (3, 3, 16)
    layer.build((None, *shape))
    # The sum of squares of a column is the variance of that output for white inputs; over the
    # draws the mean of the columns varies as the squares of normal weights do.
    variance = np.mean(np.sum(jacobian(layer, shape) ** 2, axis=0))
    spread = sum(math.sqrt(2 / math.prod(weight.shape)) for weight in layer.weights)
    assert abs(variance - 1) < 5 * spread < 0.5


@pytest.mark.parametrize("name", ["Conv2D-grouped", "DepthwiseConv2D", "Conv2DTranspose"])
@pytest.mark.parametrize(
    ("initializer", "mean_square"),
    [
        (kt.initializers.LeCun, lambda fan_in, fan_out: 1 / fan_in),
        (kt.initializers.He, lambda fan_in, fan_out: 2 / fan_in),
        (partial(kt.initializers.ForActivation, "relu"), lambda fan_in, fan_out: 2 / fan_in),
        (kt.initializers.Xavier, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        (kt.initializers.Orthogonal, None),
    ],
    ids=["LeCun", "He", "ForActivation", "Xavier", "Orthogonal"],
)
def test_initializers_take_the_fans_of_their_kernel(name, initializer, mean_square):
    _, _, arguments = LAYERS[name]
    shape = (5, 5, 24, 32)
    fans = kt.theory.compute_fans(shape, **arguments)
    if mean_square is None:
        fan_in, _ = fans
        units = {"Conv2D-grouped": 16, "DepthwiseConv2D": 32, "Conv2DTranspose": 24}[name]
        expected = 1 / max(fan_in, units)
    else:
        expected = mean_square(*fans)
        if initializer is not kt.initializers.Xavier:
            arguments = {key: value for key, value in arguments.items() if key != "groups"}
    values = keras.ops.convert_to_numpy(initializer(seed=3, **arguments)(shape))
    assert abs(np.mean(values**2) / expected - 1) < 5 * math.sqrt(2 / values.size)
