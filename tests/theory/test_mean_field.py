import math

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

from kerastricks.theory import correlation_map, depth_scale, variance_through_depth


# Golden values for tanh, digits as given, from an independent numpy computation:
# chi_1, xi_c and, in the chaotic phase, c_star.
@pytest.mark.parametrize(
    ("weights", "chi", "xi", "c"),
    [
        (1.0, 0.759, 3.6, 1),
        (1.2, 0.845, 5.9, 1),
        (1.5, 0.939, 15.8, 1),
        (1.76, 0.9998, 4912, 1),
        (2.0, 1.048, 25, 0.744),
        (2.5, None, 11.8, None),
        (4.0, None, 7.0, None),
    ],
)
def test_tanh_golden(weights, chi, xi, c):
    scale = depth_scale("tanh", weights, 0.05)
    assert scale.xi_c == pytest.approx(xi, abs=0.5 if xi >= 25 else 0.05)
    if chi is not None:
        assert scale.chi_1 == pytest.approx(chi, abs=5e-4 if chi < 0.999 or chi > 1 else 5e-5)
    if c is not None:
        assert scale.c_star == pytest.approx(c, abs=5e-4)


def expectation(integrand):
    """E[integrand(z1, z2)] for independent standard normal numbers, by scipy."""

    def weighted(z2, z1):
        return integrand(z1, z2) * math.exp(-(z1 * z1 + z2 * z2) / 2) / (2 * math.pi)

    return scipy.integrate.dblquad(weighted, -9, 9, -9, 9, epsabs=1e-9, epsrel=1e-9)[0]


@pytest.mark.parametrize(("weights", "biases", "keep"), [(2.0, 0.05, 1.0), (1.76, 0.05, 0.9)])
def test_the_definitions_hold_by_two_dimensional_quadrature(weights, biases, keep):
    scale = depth_scale("tanh", weights, biases, keep)
    root, c = math.sqrt(scale.q_star), scale.c_star
    rest = math.sqrt(1 - c * c)

    def product(f):
        return expectation(lambda a, b: f(root * a) * f(root * (c * a + rest * b)))

    def slope(x):
        return 1 - math.tanh(x) ** 2

    variance = weights / keep * expectation(lambda a, b: math.tanh(root * a) ** 2) + biases
    assert variance == pytest.approx(scale.q_star, rel=1e-7)
    assert (weights * product(math.tanh) + biases) / scale.q_star == pytest.approx(c, rel=1e-7)
    assert scale.xi_c == pytest.approx(-1 / math.log(weights * product(slope)), rel=1e-6)


@pytest.mark.parametrize("name", ["tanh", "gelu", "hard_tanh"])
def test_the_variance_settles_at_the_rate_of_xi_q(name):
    scale = depth_scale(name, 1.2, 0.1)
    widths = (100,) * 14
    path = variance_through_depth(widths, math.sqrt(1.2 / 100), name, 1.0, 0.1)
    gaps = np.abs(path - scale.q_star)
    # The gap shrinks by exp(-1 / xi_q) a layer, up to terms of the gap's own relative size.
    last = 8
    ratio = gaps[last] / gaps[last - 1]
    assert gaps[last] > 1e-9
    assert ratio == pytest.approx(math.exp(-1 / scale.xi_q), abs=10 * gaps[last - 1] + 1e-5)


# Without dropout a ReLU's variance map is linear, and its correlation map the arc-cosine kernel.
def test_relu_in_closed_form():
    weights, biases = 1.5, 0.1
    scale = depth_scale("relu", weights, biases)
    assert scale.q_star == pytest.approx(biases / (1 - weights / 2), rel=1e-12)
    assert scale.chi_1 == pytest.approx(weights / 2, rel=1e-9)
    assert scale.c_star == 1
    assert scale.xi_c == pytest.approx(-1 / math.log(weights / 2), rel=1e-8)
    assert scale.xi_q == pytest.approx(scale.xi_c, rel=1e-8)


def test_relu_with_dropout_in_closed_form():
    weights, biases, keep = 1.5, 0.1, 0.9
    scale = depth_scale("relu", weights, biases, keep)
    q = biases / (1 - weights / keep / 2)

    def after(c):
        return (weights * q / 2 * correlation_map(c) + biases) / q

    c = scipy.optimize.brentq(lambda x: after(x) - x, 0, 1, xtol=1e-14)
    slope = weights / 2 * (1 - math.acos(c) / math.pi)
    assert scale.q_star == pytest.approx(q, rel=1e-12)
    assert scale.c_star == pytest.approx(c, rel=1e-10)
    assert scale.xi_c == pytest.approx(-1 / math.log(slope), rel=1e-9)


@pytest.mark.parametrize("activation", ["relu", lambda x: np.maximum(x, 0).astype(np.float32)])
def test_he_initialization_is_critical(activation):
    scale = depth_scale(activation, 2.0)
    assert scale.chi_1 == pytest.approx(1, rel=1e-5)
    assert (scale.q_star, scale.c_star, scale.xi_q, scale.xi_c) == (1, 1, math.inf, math.inf)


def test_tanh_without_biases():
    vanishing = depth_scale("tanh", 0.5)
    assert vanishing.q_star == 0
    assert math.isnan(vanishing.c_star)
    assert vanishing.xi_c == vanishing.xi_q == pytest.approx(1 / math.log(2), rel=1e-8)
    assert depth_scale("tanh", 1.0).xi_c == math.inf
    chaotic = depth_scale("tanh", 3.0)
    assert chaotic.chi_1 > 1
    # The map is odd, so orthogonal inputs stay so, and all others become so.
    assert chaotic.c_star == pytest.approx(0, abs=1e-30)


def test_dropout_destroys_criticality():
    critical = depth_scale("tanh", 1.76, 0.05)
    dropped = depth_scale("tanh", 1.76, 0.05, keep=0.99)
    assert dropped.c_star < 1
    assert dropped.xi_c < 20 < 1000 < critical.xi_c


def test_the_scale_is_seen_in_random_networks():
    # Two inputs through wide tanh layers: the gap to c_star = 1 shrinks by chi_1 a layer. Fitted
    # over networks; the standard error is that of the fits' mean.
    scale = depth_scale("tanh", 1.2, 0.05)
    generator = np.random.default_rng(5)
    width, slopes = 400, []
    for _ in range(12):
        x = np.stack([np.ones(width), np.where(np.arange(width) < 0.95 * width, 1.0, -1.0)])
        x *= math.sqrt(scale.q_star)
        gaps = []
        for _ in range(12):
            weights = generator.standard_normal((width, width)) * math.sqrt(1.2 / width)
            x = np.tanh(x) @ weights + generator.standard_normal(width) * math.sqrt(0.05)
            gaps.append(1 - x[0] @ x[1] / np.linalg.norm(x[0]) / np.linalg.norm(x[1]))
        slopes.append(np.polyfit(np.arange(4, 12), np.log(gaps[4:]), 1)[0])
    error = np.std(slopes, ddof=1) / math.sqrt(len(slopes))
    assert abs(np.mean(slopes) + 1 / scale.xi_c) < 4 * error + 1 / width


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("relu", 2.5), ValueError, "grows with depth without bound.*weight_variance=2.5"),
        (("relu", 2.0, 0.1), ValueError, "without bound"),
        (("relu", 2.0, 0.0, 0.9), ValueError, "without bound"),
        (("exponential", 1.0), ValueError, "without bound"),
        (("hard_shrink", 0.9, 0.1), ValueError, "has a step.*'hard_shrink'"),
        ((np.sign, 1.0, 0.1), ValueError, "has a step"),
        (("rulu", 1.0), ValueError, "Unknown activation"),
        ((1, 1.0), TypeError, "`activation` must be"),
        (("tanh", 0.0), ValueError, "`weight_variance` must be a number above 0"),
        (("tanh", math.nan), ValueError, "`weight_variance` must be"),
        (("tanh", "1"), TypeError, "`weight_variance` must be"),
        (("tanh", 1.0, -0.1), ValueError, "`bias_variance` must be"),
        (("tanh", 1.0, 0.1, 0.0), ValueError, r"`keep` must be a number in \(0, 1\]"),
        (("tanh", 1.0, 0.1, 1.1), ValueError, "`keep` must be"),
    ],
)
def test_arguments_are_checked(arguments, error, match):
    with pytest.raises(error, match=match):
        depth_scale(*arguments)
