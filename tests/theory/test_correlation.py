import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerastricks.theory import correlation as module
from kerastricks.theory import (
    correlation_map,
    correlation_through_depth,
    rectifier_gain,
    tailored_slope,
)

# Golden values, 4 digits: C composed L times in numpy and solved by bisection, independently.
GOLDEN = {
    5: (0.7359, 0.2824, None, None, None),
    10: (0.8715, 0.4501, 0.1477, None, None),
    20: (0.9484, 0.5838, 0.3488, 0.1814, None),
    30: (0.9720, 0.6487, 0.4449, 0.3027, 0.1502),
    50: (0.9879, 0.7179, 0.5483, 0.4305, 0.3083),
    100: (0.9964, 0.7927, 0.6620, 0.5704, 0.4763),
    200: (0.9990, 0.8491, 0.7501, 0.6796, 0.6067),
    500: (0.9998, 0.9020, 0.8350, 0.7862, 0.7352),
    1000: (1.0000, 0.9297, 0.8806, 0.8444, 0.8060),
}


@pytest.mark.parametrize("depth", GOLDEN)
def test_golden_table(depth):
    largest, *slopes = GOLDEN[depth]
    assert correlation_through_depth(depth)[-1] == pytest.approx(largest, abs=5e-5)
    for eta, slope in zip((0.5, 0.8, 0.9, 0.95), slopes, strict=True):
        if slope is None:
            with pytest.raises(ValueError, match=f"No negative slope reaches eta={eta}"):
                tailored_slope(depth, eta)
        else:
            assert tailored_slope(depth, eta) == pytest.approx(slope, abs=5e-5)


# Golden values: as above, to 16 digits.
@pytest.mark.parametrize(
    ("depth", "eta", "slope"),
    [
        (1, 0.3, 0.028784932615247227),
        (3, 0.5, 0.13201079127359622),
        (50, 0.9, 0.4305229485024038),
        (1000, 0.99, 0.7020679023092126),
        (1000, 0.01, 0.9920735250955539),
    ],
)
def test_few_passes_through_the_network_suffice(depth, eta, slope):
    passes = 0

    def chain(layer):
        nonlocal passes
        passes += 1
        correlation = 0.0
        for _ in range(depth):
            correlation = layer(correlation)
        return correlation

    assert tailored_slope(network=chain, eta=eta) == pytest.approx(slope, abs=1e-12)
    # Bisection down to one ulp takes 53, and more for slopes near 0.
    assert passes < 20


def test_a_chain_is_solved_once(monkeypatch):
    slope = tailored_slope(61, 0.77)

    def solved_again(reached, eta):
        raise AssertionError

    monkeypatch.setattr(module, "_solved_slope", solved_again)
    assert tailored_slope(np.int64(61), np.float64(0.77)) == slope


def test_a_modified_resnet_as_dks_solves_it():
    # Golden value: tests/test_activation_transform.py of google-deepmind/dks, whose own bisection
    # stops within 1e-8.
    def resnet(layer):
        correlation, shared = 0.0, 0.6**2
        branch = layer(layer(layer(0.0)))
        for blocks in (3, 4, 23, 3):
            for block in range(blocks):
                shortcut = layer(correlation) if block == 0 else correlation
                residual = layer(layer(layer(correlation)))
                correlation = shared * shortcut + (1 - shared) * residual
        return max(layer(correlation), branch)

    slope = tailored_slope(network=resnet, eta=0.75)
    assert slope == pytest.approx(0.6291800290346146, abs=1e-8)
    assert rectifier_gain(slope) == pytest.approx(1.196996549778802, abs=1e-8)


@given(depth=st.integers(1, 60), share=st.floats(0.01, 0.999))
def test_the_slope_reaches_its_eta(depth, share):
    eta = share * correlation_through_depth(depth)[-1]
    slope = tailored_slope(depth, eta)
    assert 0 < slope < 1
    # One ulp of slope moves C_f(0) by at most the sum over layers of dC/da <= 2.
    assert correlation_through_depth(depth, slope)[-1] == pytest.approx(eta, abs=depth * 1e-14)


def test_a_chain_is_a_network():
    def chain(layer):
        correlation = 0.0
        for _ in range(40):
            correlation = layer(correlation)
        return correlation

    assert tailored_slope(network=chain) == tailored_slope(40)


@given(c=st.floats(-1, 1), slope=st.floats(-3, 3))
def test_inputs_only_grow_more_alike(c, slope):
    after = correlation_map(c, slope)
    assert -1 <= after <= 1
    assert after >= c - 4e-16
    assert correlation_map(1.0, slope) == pytest.approx(1, abs=4e-16)
    assert correlation_map(c, 1.0) == pytest.approx(c, abs=4e-16)


@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("c", [-0.7, 0.0, 0.6])
def test_the_map_is_the_expectation_it_stands_for(c, slope):
    # A mean of n products has the standard error std / sqrt(n).
    first, noise = np.random.default_rng(2).standard_normal((2, 200_000))
    second = c * first + math.sqrt(1 - c * c) * noise
    leaky = [rectifier_gain(slope) * np.where(x > 0, x, slope * x) for x in (first, second)]
    products = leaky[0] * leaky[1]
    error = products.std() / math.sqrt(products.size)
    assert abs(products.mean() - correlation_map(c, slope)) < 4 * error


def test_random_layers_end_at_eta():
    # Orthogonal inputs through normal layers. A network's cosine deviates by about 1 / sqrt(width),
    # the mean over networks by their spread over the root of their number, plus order 1 / width.
    depth, width, eta = 20, 200, 0.9
    slope = tailored_slope(depth, eta)
    generator = np.random.default_rng(3)
    cosines = []
    for _ in range(20):
        x = np.eye(2, width) * math.sqrt(width)
        for _ in range(depth):
            x = x @ generator.standard_normal((width, width)) / math.sqrt(width)
            x = rectifier_gain(slope) * np.where(x > 0, x, slope * x)
        cosines.append(x[0] @ x[1] / np.linalg.norm(x[0]) / np.linalg.norm(x[1]))
    spread = np.std(cosines, ddof=1)
    assert abs(np.mean(cosines) - eta) < 4 * spread / math.sqrt(20) + 1 / width
    assert spread < 1 / math.sqrt(width)


@pytest.mark.parametrize("convert", [np.asarray, np.ndarray.tolist])
def test_arrays_are_mapped_elementwise(convert):
    c = convert(np.linspace(-1, 1, 6).reshape(2, 3))
    mapped = correlation_map(c, 0.2)
    assert mapped.shape == (2, 3)
    assert mapped.tolist() == [[correlation_map(float(x), 0.2) for x in row] for row in c]
    assert correlation_map(convert(np.array([], dtype=float))).shape == (0,)
    assert type(correlation_map(np.float32(0.5))) is float


def test_too_shallow_says_why_and_the_ways_out():
    with pytest.raises(
        ValueError,
        match=r"correlation of 0\.9484 here.*sufficiently nonlinear. Use an eta below 0\.9484, or "
        "make the network deeper",
    ):
        tailored_slope(20, 0.95)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: tailored_slope(), ValueError, "Give either `depth`"),
        (lambda: tailored_slope(5, network=lambda layer: 0.0), ValueError, "Give either `depth`"),
        (lambda: tailored_slope(0), ValueError, "`depth` must be a positive whole number"),
        (lambda: tailored_slope(5.0), TypeError, "`depth` must be.*of type float"),
        (lambda: tailored_slope(True), TypeError, "`depth` must be.*of type bool"),
        (lambda: tailored_slope(50, 0.0), ValueError, r"`eta` must be a number in \(0, 1\)"),
        (lambda: tailored_slope(50, 1.0), ValueError, r"`eta` must be a number in \(0, 1\)"),
        (lambda: tailored_slope(50, math.nan), ValueError, "`eta` must be"),
        (lambda: tailored_slope(network=3), TypeError, "`network` must be a function"),
        (lambda: tailored_slope(network=lambda f: 2.0), ValueError, r"`network\(C\)` must be"),
        (lambda: tailored_slope(network=lambda f: None), TypeError, r"`network\(C\)` must be"),
        (lambda: correlation_map(1.01), ValueError, r"`correlation` must be a number in \[-1, 1\]"),
        (lambda: correlation_map("0"), TypeError, "`correlation` must be"),
        (lambda: correlation_map(np.array([0, np.nan])), ValueError, r"must lie in \[-1, 1\]"),
        (
            lambda: correlation_map([0.5, 1.5]),
            ValueError,
            r"in \[-1, 1\]. Received values from 0.5",
        ),
        (lambda: correlation_map(np.array(["a"])), TypeError, "or an array or list of such"),
        (lambda: correlation_map([None]), TypeError, r"`correlation` must be.*of type list"),
        (lambda: tailored_slope(network=lambda f: 0.95), ValueError, "which returns 0.95 for"),
        (lambda: correlation_map(0.0, math.inf), ValueError, "`negative_slope` must be"),
        (lambda: correlation_through_depth(0), ValueError, "`depth` must be"),
        (lambda: correlation_through_depth(3, 0.0, 2.0), ValueError, "`correlation` must be"),
    ],
)
def test_arguments_are_checked(call, error, match):
    with pytest.raises(error, match=match):
        call()
