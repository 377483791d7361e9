import itertools
import math

import numpy as np
import pytest

from kerastricks.theory import gain, variance_through_depth


def simulated(widths, stddev, activation, networks, inputs, bias_variance=0.0):
    """Mean square of every layer's sums in each of many networks, at an input of mean square 1."""
    generator = np.random.default_rng(1)
    x = np.tile(inputs, (networks, 1))
    squares = []
    for fan_in, fan_out in itertools.pairwise(widths):
        weights = stddev * generator.standard_normal((networks, fan_in, fan_out))
        biases = math.sqrt(bias_variance) * generator.standard_normal((networks, fan_out))
        sums = np.einsum("ni,nio->no", x, weights) + biases
        squares.append((sums**2).mean(axis=1))
        x = activation(sums)
    return np.array(squares)


@pytest.mark.parametrize(
    ("name", "activation"), [("linear", lambda x: x), ("relu", lambda x: np.maximum(x, 0))]
)
def test_linear_and_rectified_networks_of_any_width_agree(name, activation):
    # Means over networks, so the standard error is that of their spread.
    widths, stddev = (4, 12, 8, 16), 0.35
    inputs = np.array([0.0, 2.0, 0.0, 0.0])
    squares = simulated(widths, stddev, activation, 20_000, inputs, bias_variance=0.1)
    expected = variance_through_depth(widths, stddev, name, bias_variance=0.1)
    error = squares.std(axis=1) / math.sqrt(squares.shape[1])
    assert np.all(np.abs(squares.mean(axis=1) - expected) < 4 * error)


def test_wide_tanh_networks_agree():
    # Wide: the bias of order 1 / 400 that finite width leaves is allowed for on top.
    widths, stddev = (400,) * 5, math.sqrt(2 / 400)
    squares = simulated(widths, stddev, np.tanh, 30, np.ones(400))
    expected = variance_through_depth(widths, stddev, "tanh")
    error = squares.std(axis=1) / math.sqrt(squares.shape[1])
    assert np.all(np.abs(squares.mean(axis=1) - expected) < 4 * error + expected * 2 / 400)


def test_the_rule_of_linear_units():
    # Var(x) [n Var(w)], layer by layer.
    stddevs = [0.1, 0.2, 0.3]
    expected = 2.5 * np.cumprod([50 * 0.1**2, 20 * 0.2**2, 10 * 0.3**2])
    actual = variance_through_depth((50, 20, 10, 7), stddevs, input_variance=2.5)
    assert actual == pytest.approx(expected, rel=1e-12)


def test_schemes_keep_what_they_promise():
    widths = (300,) * 30
    layers = len(widths) - 1
    ones = np.ones(layers)
    assert variance_through_depth(widths, "lecun") == pytest.approx(ones, rel=1e-11)
    assert variance_through_depth(widths, "xavier") == pytest.approx(ones, rel=1e-11)
    assert variance_through_depth(widths, "he", "relu") == pytest.approx(2 * ones, rel=1e-11)
    halves = 2.0 ** -np.arange(layers)
    assert variance_through_depth(widths, "xavier", "relu") == pytest.approx(halves, rel=1e-11)
    # Glorot and Bengio's heuristic, U(-1/sqrt(n), 1/sqrt(n)), divides by 3 in each layer.
    thirds = variance_through_depth(widths, math.sqrt(1 / (3 * 300)))
    assert thirds == pytest.approx(3.0 ** -(1 + np.arange(layers)), rel=1e-11)


def test_xavier_counts_both_fans():
    assert variance_through_depth((10, 30), "xavier") == pytest.approx([10 * 2 / 40])
    assert variance_through_depth((10, 30), "he") == pytest.approx([2])


@pytest.mark.parametrize("name", ["tanh", "gelu", "sigmoid"])
def test_one_is_a_fixed_point_of_the_gain(name):
    stddev = [0.1] + [gain(name) / 10] * 4
    assert variance_through_depth((100,) * 6, stddev, name) == pytest.approx(np.ones(5), rel=1e-9)


def test_zeros_and_overflow_are_answers():
    assert variance_through_depth((9, 9, 9), 0, "sigmoid").tolist() == [0, 0]
    after = variance_through_depth((9, 9, 9, 9), [0, 1, 1], "sigmoid")
    assert after[:2].tolist() == [0, 9 / 4]
    exploded = variance_through_depth((100,) * 301, 100.0, "relu")
    assert np.isinf(exploded[-1])
    assert np.all(np.diff(exploded[np.isfinite(exploded)]) > 0)
    vanished = variance_through_depth((100,) * 301, 0.001, "relu")
    assert vanished[-1] == 0


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((5, "he"), TypeError, "`widths` must be a sequence"),
        (((5, 2.5), "he"), TypeError, "`widths` must be a sequence.*whole numbers"),
        (((5,), "he"), ValueError, "two entries at least"),
        (((5, 0), "he"), ValueError, "`widths` must be a positive whole number"),
        (((5, 5), "kaiming"), ValueError, '"he", "lecun", "xavier".*kaiming'),
        (((5, 5), [0.1, 0.2]), ValueError, "each of the 1 layers.*Received 2"),
        (((5, 5), -0.1), ValueError, "`stddev` must be a number of at least 0"),
        (((5, 5), [math.nan]), ValueError, "`stddev` must be a number of at least 0"),
        (((5, 5), None), TypeError, "`stddev` must be a number"),
        (((5, 5), "he", "rulu"), ValueError, "Unknown activation"),
        (((5, 5), "he", "relu", -1), ValueError, "`input_variance` must be"),
        (((5, 5), "he", "relu", 1, math.inf), ValueError, "`bias_variance` must be"),
    ],
)
def test_arguments_are_checked(arguments, error, match):
    with pytest.raises(error, match=match):
        variance_through_depth(*arguments)
