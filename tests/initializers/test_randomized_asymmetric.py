import math

import keras
import numpy as np
import pytest

import kerastricks as kt

RandomizedAsymmetric = kt.initializers.RandomizedAsymmetric
SIGMA = 0.6007
"""To the digits that the paper gives."""


def array(value):
    return keras.ops.convert_to_numpy(value)


def special_entries(weights):
    """Beta(2, 1) entries, told from normal ones that are as thin as fan_in = 10,000 makes them."""
    return weights > 6 * SIGMA / 100


# --- One entry of each unit ----------------------------------------------------------------------


def test_each_unit_has_one_special_weight():
    weights = array(RandomizedAsymmetric(seed=1)((10_000, 400)))
    special = special_entries(weights)
    # Beta(2, 1) has the distribution function x^2: it stays hidden among the normal ones with
    # probability 0.036^2.
    missing = 0.06 * SIGMA
    count = special.sum(axis=0)
    assert set(count) <= {0, 1}
    assert (count == 0).mean() < missing**2 + 5 * math.sqrt(missing**2 / 400)
    rest = weights[~special]
    stddev = SIGMA / math.sqrt(10_000)
    # 5e-5 is the rounding of the golden value.
    assert abs(rest.std() / stddev - 1) < 5 / math.sqrt(2 * rest.size) + 5e-5 / SIGMA
    assert abs(rest.mean()) < 5 * stddev / math.sqrt(rest.size)


def test_special_weights_follow_beta_and_fall_anywhere():
    start = RandomizedAsymmetric(seed=1)
    weights = array(start((10_000, 400)))
    places, units = np.nonzero(special_entries(weights))
    values = weights[places, units]
    # Beta(2, 1): mean 2/3, variance 1/18.
    assert abs(values.mean() - 2 / 3) < 5 * math.sqrt(1 / 18 / values.size)
    assert values.max() <= 1
    # Uniform over the inputs: variance 1/12 of the range.
    assert abs(places.mean() / 9_999 - 0.5) < 5 * math.sqrt(1 / 12 / places.size)


def test_the_second_moment_of_rectified_outputs_does_not_grow():
    # The property that sigma is solved from, for inputs that are not negative.
    x = np.maximum(np.random.default_rng(0).normal(size=(200, 300)), 0)
    outputs = np.maximum(x @ array(RandomizedAsymmetric(seed=1)((300, 500))), 0)
    per_unit = np.mean(outputs**2, axis=0)
    spread = per_unit.std() / math.sqrt(per_unit.size)
    assert np.mean(per_unit) < np.mean(x**2) + 5 * spread
    assert np.mean(per_unit) > 0.5 * np.mean(x**2)


@pytest.mark.parametrize(
    ("kernel", "shape", "units"),
    [
        ("convolution", (3, 3, 2, 500), (0, 1, 2)),
        ("depthwise", (3, 3, 500, 2), (0, 1)),
        ("transposed", (3, 3, 500, 2), (0, 1, 3)),
        ("abc,cde->abde", (18, 50, 10), (0,)),
    ],
)
def test_units_are_those_of_the_kernel(kernel, shape, units):
    weights = array(RandomizedAsymmetric(seed=1, kernel=kernel)(shape))
    fan_in, _ = kt.theory.compute_fans(shape, kernel)
    # E[sum over a unit] is the mean of its one special entry, E of Beta(2, 1) = 2/3.
    sums = weights.sum(axis=units)
    assert abs(sums.mean() - 2 / 3) < 5 * sums.std() / math.sqrt(sums.size)
    squares = (weights**2).sum(axis=units)
    # One of fan_in entries is not normal: E[B^2] = 1/2.
    expected = 0.5 + SIGMA**2 * (fan_in - 1) / fan_in
    assert abs(squares.mean() - expected) < 5 * squares.std() / math.sqrt(squares.size)


# --- With the bias -------------------------------------------------------------------------------


def test_the_entry_falls_on_the_bias_as_often_as_on_any_weight():
    start = RandomizedAsymmetric(bias=True, seed=1)
    units = 4000
    kernel, bias = array(start((3, units))), array(start((units,)))
    together = np.concatenate([kernel, bias[None]])
    # Four alike entries a unit: none has more of the special ones than the others.
    assert np.abs(together.mean(axis=1) - 2 / 3 / 4).max() < 5 * together.std() / math.sqrt(units)
    # Exactly one of them is special: E[sum] = 2/3, Var[sum] = 1/18 + 3 sigma^2 / 3.
    spread = math.sqrt((1 / 18 + SIGMA**2) / units)
    assert abs(together.sum(axis=0).mean() - 2 / 3) < 5 * spread
    sums = together.sum(axis=0)
    variance_error = sums.var() * math.sqrt(2 / units)
    assert abs(sums.var() - (1 / 18 + SIGMA**2)) < 5 * variance_error


def test_layers_pair_kernel_and_bias():
    start = RandomizedAsymmetric(bias=True, seed=3)
    layers = [
        keras.layers.Dense(2000, kernel_initializer=start, bias_initializer=start) for _ in range(2)
    ]
    keras.Sequential([keras.Input((1,)), layers[0], keras.layers.Dropout(0.5), layers[1]])
    for layer in layers:
        assert (array(layer.bias) != 0).all()
    kernel, bias = array(layers[0].kernel)[0], array(layers[0].bias)
    # With one input, one of the two is positive; both are with probability 1/2.
    assert (np.maximum(kernel, bias) > 0).all()
    assert abs(np.mean((kernel > 0) & (bias > 0)) - 0.5) < 5 * math.sqrt(0.25 / 2000)


def test_depthwise_layers_pair_kernel_and_bias():
    start = RandomizedAsymmetric(bias=True, seed=3, kernel="depthwise")
    layer = keras.layers.DepthwiseConv1D(
        1, depth_multiplier=2, depthwise_initializer=start, bias_initializer=start
    )
    layer.build((None, 5, 300))
    kernel = array(layer.weights[0]).reshape(-1)
    assert (np.maximum(kernel, array(layer.bias)) > 0).all()


def test_saved_layers_stay_paired(tmp_path):
    start = RandomizedAsymmetric(bias=True, seed=3)
    layer = keras.layers.Dense(4, kernel_initializer=start, bias_initializer=start)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").layers[0]
    np.testing.assert_array_equal(array(again.bias), array(layer.bias))
    assert again.kernel_initializer is again.bias_initializer


def test_a_bias_without_its_kernel_is_zero():
    start = RandomizedAsymmetric(bias=True, seed=3)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, kernel_initializer=start, bias_initializer=start),
        ]
    )
    kernel, bias = keras.models.clone_model(model).get_weights()
    np.testing.assert_array_equal(kernel, model.get_weights()[0])
    assert (bias == 0).all()


def test_a_bias_is_given_once():
    start = RandomizedAsymmetric(bias=True, seed=3)
    start((2, 5))
    assert (array(start((5,))) != 0).all()
    assert (array(start((5,))) == 0).all()


# --- Born dead -----------------------------------------------------------------------------------


def shares_born_dead(start, networks, width, bias):
    """Shares of random ReLU networks of 10 layers, from one input, whose last hidden layer is zero.

    Returns the share that is zero everywhere, and the share that is constant: a layer that is zero
    hands on what the biases behind it make of zero. The blocks of an einsum kernel are networks.
    """
    signal = np.linspace(-math.sqrt(3), math.sqrt(3), 21)[None, :, None].repeat(networks, 0)
    constant = np.zeros(networks, bool)
    for _ in range(9):
        kernel = array(start((networks, signal.shape[-1], width)))
        shift = array(start((networks, width)))[:, None] if bias else 0
        signal = np.maximum(signal @ kernel + shift, 0)
        zero = (signal == 0).all(axis=(1, 2))
        constant |= zero
    return zero.mean(), constant.mean()


@pytest.mark.parametrize(
    ("width", "he", "zero", "constant"),
    # He: 200,000 networks. Randomized asymmetric: 20,000 networks of the paper's rule. Both were
    # drawn by numpy alone.
    [
        (2, 0.8793, 0.0455, 0.2337),
        (3, 0.5784, 0.0127, 0.0624),
        (5, 0.1286, 0.0011, 0.0037),
    ],
)
def test_fewer_networks_are_born_dead(width, he, zero, constant):
    networks, equation = 1500, "bx,bxy->by"

    def assert_close(share, golden, simulated):
        error = math.sqrt(golden * (1 - golden) * (1 / networks + 1 / simulated))
        assert abs(share - golden) < 5 * error

    # Without biases a network that dies anywhere is zero everywhere behind.
    he_start = kt.initializers.He(seed=1, kernel=equation)
    ours_zero, ours_constant = shares_born_dead(he_start, networks, width, bias=False)
    assert ours_zero == ours_constant
    assert_close(ours_zero, he, 200_000)

    paired = RandomizedAsymmetric(bias=True, seed=1, kernel=equation)
    ours_zero, ours_constant = shares_born_dead(paired, networks, width, bias=True)
    assert_close(ours_zero, zero, 20_000)
    assert_close(ours_constant, constant, 20_000)

    alone = RandomizedAsymmetric(seed=1, kernel=equation)
    _, ours_constant = shares_born_dead(alone, networks, width, bias=False)
    assert ours_constant < he / 3


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [1, None, "zeros"])
def test_bias_must_be_a_boolean(bias):
    with pytest.raises(TypeError, match=r"`bias` must be True.*Received: bias="):
        RandomizedAsymmetric(bias=bias)


def test_vectors_are_no_kernels():
    with pytest.raises(ValueError, match="`shape` must have at least 2 axes"):
        RandomizedAsymmetric()((4,))


def test_a_bias_must_fit_its_kernel():
    start = RandomizedAsymmetric(bias=True)
    start((3, 5))
    with pytest.raises(ValueError, match=r"bias of 5 units.*Received: shape=\(4,\)"):
        start((4,))
