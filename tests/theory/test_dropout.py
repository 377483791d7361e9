import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerastricks.theory import dropout_variance_shift

SAMPLES = 400_000


def simulated_shift(keep, inputs, weights=None):
    """Ratio of variances, inference over training, and its standard error."""
    mask = np.random.default_rng(7).random(inputs.shape) < keep
    training, inference = inputs * mask / keep, inputs
    if weights is not None:
        training, inference = training @ weights, inference @ weights
    squares = [(x - x.mean()) ** 2 for x in (inference, training)]
    ratio = squares[0].mean() / squares[1].mean()
    # Of a quotient of means over the same samples (delta method).
    residual = (squares[0] - ratio * squares[1]) / squares[1].mean()
    return ratio, residual.std() / math.sqrt(len(residual))


@pytest.mark.parametrize("keep", [0.5, 0.8])
@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.4, 0.34), (-2.0, 3.0)])
def test_directly_behind_dropout(keep, mean, variance):
    inputs = mean + math.sqrt(variance) * np.random.default_rng(6).standard_normal(SAMPLES)
    ratio, error = simulated_shift(keep, inputs)
    assert abs(ratio - dropout_variance_shift(keep, mean, variance)) < 4 * error


@pytest.mark.parametrize("correlation", [0.0, 0.3])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (0.5, -2.0, 1.0, 1.5), (1, -1, 1, -1)])
def test_through_weights(correlation, weights):
    weights = np.array(weights, dtype=float)
    generator = np.random.default_rng(8)
    samples = SAMPLES // 4
    shared, own = generator.standard_normal((samples, 1)), generator.standard_normal((samples, 4))
    inputs = 0.7 + 1.3 * (math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own)
    ratio, error = simulated_shift(0.6, inputs, weights)
    expected = dropout_variance_shift(0.6, 0.7, 1.3**2, weights=weights, correlation=correlation)
    assert abs(ratio - expected) < 4 * error


@given(keep=st.floats(0.01, 1), mean=st.floats(-1e3, 1e3), variance=st.floats(1e-6, 1e6))
def test_inference_never_varies_more(keep, mean, variance):
    shift = dropout_variance_shift(keep, mean, variance)
    assert 0 < shift <= keep * (1 + 1e-12)
    assert dropout_variance_shift(1, mean, variance) == 1


@given(keep=st.floats(0.01, 1), variance=st.floats(1e-6, 1e6))
def test_centered_inputs_shift_by_keep(keep, variance):
    assert dropout_variance_shift(keep, 0, variance) == pytest.approx(keep, rel=1e-12)


def test_weights_matter_only_with_correlation():
    weights = np.random.default_rng(9).standard_normal((20, 3))
    direct = dropout_variance_shift(0.7, 0.5, 2)
    assert dropout_variance_shift(0.7, 0.5, 2, weights=weights) == pytest.approx(
        np.full(3, direct), rel=1e-12
    )
    units = dropout_variance_shift(0.7, 0.5, 2, weights=weights, correlation=0.2)
    single = [
        dropout_variance_shift(0.7, 0.5, 2, weights=column, correlation=0.2) for column in weights.T
    ]
    assert units.tolist() == pytest.approx(single, rel=1e-12)
    scaled = dropout_variance_shift(0.7, 0.5, 2, weights=1e200 * weights, correlation=0.2)
    assert scaled == pytest.approx(units, rel=1e-12)


def test_wide_layers_of_aligned_weights_hide_the_shift():
    shifts = [
        dropout_variance_shift(0.5, weights=np.ones(width), correlation=0.1)
        for width in (1, 10, 100, 1000)
    ]
    assert shifts == sorted(shifts)
    assert shifts[0] == pytest.approx(0.5)
    assert shifts[-1] > 0.99


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"keep": 0}, ValueError, r"`keep` must be a number in \(0, 1\]"),
        ({"keep": 1.5}, ValueError, "`keep` must be"),
        ({"keep": "0.5"}, TypeError, "`keep` must be"),
        ({"keep": 0.5, "mean": math.inf}, ValueError, "`mean` must be"),
        ({"keep": 0.5, "variance": 0}, ValueError, "`variance` must be a number above 0"),
        ({"keep": 0.5, "correlation": 0.5}, ValueError, "give `weights` too"),
        (
            {"keep": 0.5, "weights": np.ones(3), "correlation": 2},
            ValueError,
            r"`correlation` must be a number in \[-1, 1\]",
        ),
        (
            {"keep": 0.5, "weights": np.ones(5), "correlation": -0.3},
            ValueError,
            r"at least -1 / \(fan_in - 1\) = -0.25",
        ),
        (
            {"keep": 0.5, "weights": np.ones(5), "correlation": -0.25},
            ValueError,
            "constant at inference",
        ),
        ({"keep": 0.5, "weights": np.ones((2, 2, 2))}, ValueError, r"Received shape \(2, 2, 2\)"),
        ({"keep": 0.5, "weights": np.zeros((3, 0))}, ValueError, "none of them 0"),
        ({"keep": 0.5, "weights": [[0, 1], [0, 1]]}, ValueError, "all zero"),
        ({"keep": 0.5, "weights": [1.0, math.nan]}, ValueError, "must be finite"),
        ({"keep": 0.5, "weights": ["a"]}, TypeError, "real numbers"),
    ],
)
def test_arguments_are_checked(arguments, error, match):
    with pytest.raises(error, match=match):
        dropout_variance_shift(**arguments)
