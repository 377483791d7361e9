import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerastricks.theory import born_dead_probability


def dead_share(widths, networks, inputs):
    """Share of networks without biases, of normal weights, that are zero for all these inputs."""
    generator = np.random.default_rng(4)
    x = np.tile(inputs, (networks, 1, 1))
    for width in widths:
        x = np.maximum(x @ generator.standard_normal((networks, x.shape[-1], width)), 0)
    return np.mean(~x.any(axis=(1, 2)))


# A line has two rays: x > 0 and x < 0. A share of n networks has the error sqrt(p (1 - p) / n).
@pytest.mark.parametrize(
    ("depth", "width"),
    [(3, 2), (3, 3), (5, 2), (5, 3), (10, 2), (10, 3), (10, 5), (4, (5, 2, 3)), (5, (1, 2, 2, 4))],
)
def test_simulated_networks_lie_between_the_bounds(depth, width):
    widths = [width] * (depth - 1) if isinstance(width, int) else width
    lower, upper = born_dead_probability(depth, width)
    share = dead_share(widths, 20_000, [[1.0], [-1.0]])
    error = math.sqrt(share * (1 - share) / 20_000)
    assert lower - 4 * error <= share <= upper + 4 * error


@pytest.mark.parametrize("widths", [(2, 2), (3, 3), (2, 4), (4, 2), (1, 3)])
def test_the_lower_bound_is_exact_for_two_hidden_layers(widths):
    lower, _ = born_dead_probability(3, widths)
    share = dead_share(widths, 40_000, [[1.0], [-1.0]])
    assert abs(share - lower) < 4 * math.sqrt(lower * (1 - lower) / 40_000)


def test_the_lower_bound_that_circulates_is_none():
    # Of networks with one input and two layers of 2 units: with both rays through the first layer
    # (1/2) both die in the second (1/16), with one (1/2) that one does (1/4).
    exact = 1 / 2 * 1 / 16 + 1 / 2 * 1 / 4
    assert born_dead_probability(3, 2).lower == exact == 0.15625
    weight = (1 - 1 / 2) * (1 - 1 / 4) / (1 + (2 - 1) * 2.0 ** (1 - 2))
    circulating = 1 - 3 / 4 + weight * (7 / 16 - 3 / 4)
    assert circulating == 0.171875 > exact


def test_the_upper_bound_holds_for_a_plane_and_is_exact_for_a_ray():
    widths = (3, 2, 3)
    _, upper = born_dead_probability(4, widths)
    error = math.sqrt(upper * (1 - upper) / 20_000)
    angles = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    plane = dead_share(widths, 20_000, np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert plane < upper + 4 * error
    assert abs(dead_share(widths, 20_000, [[1.0, 0.5]]) - upper) < 4 * error


# Golden values: the closed form 1 - prod(1 - 2^-N).
@pytest.mark.parametrize(
    ("depth", "width", "upper"),
    [(5, 2, 0.6836), (10, 3, 0.6993), (10, 10, 0.0088), (20, 5, 0.4530), (20, 10, 0.0184)],
)
def test_upper_golden(depth, width, upper):
    assert born_dead_probability(depth, width).upper == pytest.approx(upper, abs=5e-5)


@given(depth=st.integers(3, 30), width=st.integers(2, 12))
def test_the_lower_bound_of_equal_widths_has_a_closed_form(depth, width):
    # The solution of the chain's linear recursion.
    one = 1 - 2.0**-width
    two = 1 - 2.0 ** (1 - width) - (width - 1) * 4.0**-width
    weight = (1 - 2.0 ** (1 - width)) * one / (1 + (width - 1) * 2.0**-width)
    steps = depth - 2
    expected = 1 - one**steps + weight * (two**steps - one**steps)
    assert born_dead_probability(depth, width).lower == pytest.approx(expected, abs=depth * 4e-16)


@given(st.lists(st.integers(1, 8), max_size=30))
def test_bounds_are_ordered_and_grow_with_depth(widths):
    lower, upper = born_dead_probability(len(widths) + 1, widths)
    assert 0 <= lower <= upper + 1e-15 <= 1 + 1e-15
    deeper = born_dead_probability(len(widths) + 2, [*widths, 3])
    assert deeper.lower >= lower
    assert deeper.upper >= upper


def test_every_network_dies_in_the_end_and_none_without_hidden_layers():
    assert born_dead_probability(1, 3) == (0, 0)
    assert born_dead_probability(2, 3) == (0, 1 / 8)
    assert born_dead_probability(1000, 2).lower > 1 - 1e-12
    assert born_dead_probability(3, np.array([2, 2])) == born_dead_probability(3, np.int64(2))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (
            (0, 3),
            ValueError,
            "`depth` must be a positive whole number of layers. Received: depth=0",
        ),
        ((2.0, 3), TypeError, "`depth` must be.*of type float"),
        ((5, 0), ValueError, "`width` must be a positive whole number"),
        ((5, 2.5), TypeError, "`width` must be.*or a sequence"),
        ((5, "22"), TypeError, "`width` must be"),
        ((5, [2, 2]), ValueError, "one entry for each hidden layer: depth - 1 = 4. Received 2"),
        ((3, [2, -1]), ValueError, "`width` must be"),
        ((3, [2, math.nan]), TypeError, "`width` must be"),
    ],
)
def test_arguments_are_checked(arguments, error, match):
    with pytest.raises(error, match=match):
        born_dead_probability(*arguments)
