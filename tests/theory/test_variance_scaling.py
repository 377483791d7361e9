import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kerastricks
from kerastricks.theory import (
    TRUNCATED_NORMAL_STDDEV,
    asymmetric_stddev,
    he_stddev,
    lecun_stddev,
    rectifier_gain,
    xavier_stddev,
)


# Golden values: sqrt(2 / (1 + a^2)) with 4 digits, as PyTorch's `calculate_gain("leaky_relu", a)`.
@pytest.mark.parametrize(
    ("slope", "gain"),
    [(0, 1.4142), (0.01, 1.4141), (1 / 5.5, 1.3914), (1 / 3, 1.3416), (1, 1.0), (-1, 1.0)],
)
def test_rectifier_gain_golden(slope, gain):
    assert rectifier_gain(slope) == pytest.approx(gain, abs=5e-5)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0, 2.5])
def test_gain_preserves_the_second_moment_of_a_normal_input(slope):
    # The integrand vanishes at both ends and its kink lies on the grid, so a plain sum will do.
    z = np.linspace(-12.0, 12.0, 24_001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    rectified = np.where(z >= 0, z, slope * z)
    second_moment = np.sum(rectified**2 * density) * (z[1] - z[0])
    assert rectifier_gain(slope) ** 2 * second_moment == pytest.approx(1.0, rel=1e-6)


def test_truncated_normal_stddev_is_its_closed_form():
    density = math.exp(-2.0) / math.sqrt(2.0 * math.pi)
    inside = math.erf(math.sqrt(2.0))
    assert pytest.approx(math.sqrt(1.0 - 4.0 * density / inside), rel=1e-14) == (
        TRUNCATED_NORMAL_STDDEV
    )


@given(fan_in=st.integers(1, 10**6), fan_out=st.integers(1, 10**6))
def test_xavier_lies_between_forward_and_backward(fan_in, fan_out):
    variance = xavier_stddev(fan_in, fan_out) ** 2
    lower, upper = sorted((1 / fan_in, 1 / fan_out))
    assert lower * (1 - 1e-12) <= variance <= upper * (1 + 1e-12)


@given(fan_in=st.integers(1, 10**6), slope=st.floats(-5, 5))
def test_he_undoes_the_rectifier(fan_in, slope):
    # fan_in terms, each of which keeps (1 + a^2) / 2 of the input's second moment.
    kept = fan_in * he_stddev(fan_in, slope) ** 2 * (1 + slope**2) / 2
    assert kept == pytest.approx(1.0, rel=1e-12)


def test_lecun_keeps_linear_units_and_is_he_at_slope_one():
    assert lecun_stddev(16) == 0.25
    assert lecun_stddev(7) == pytest.approx(he_stddev(7, negative_slope=1), rel=1e-15)
    assert lecun_stddev(7) == pytest.approx(xavier_stddev(7, 7), rel=1e-15)


def test_asymmetric_scale_solves_its_condition():
    # Golden value 0.6007: Lu et al. (2020) and the implementations that follow them.
    s = asymmetric_stddev(1)
    assert s == pytest.approx(0.6007, abs=5e-5)
    assert asymmetric_stddev(50) == pytest.approx(s / math.sqrt(50), rel=1e-15)
    mean, square = 2 / 3, 1 / 2  # of Beta(2, 1), whose density is 2 x
    assert s * s / 2 + math.sqrt(2 / math.pi) * mean * s + square == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("inputs", [[1.0] * 8, [0.0] * 7 + [3.0], [0.2, 1.5] * 4])
def test_asymmetric_weights_do_not_let_the_second_moment_grow(inputs):
    # Units draw [weights, bias], one entry of which comes from Beta(2, 1).
    generator = np.random.default_rng(0)
    inputs, units = np.array([*inputs, 1.0]), 100_000
    weights = asymmetric_stddev(8) * generator.standard_normal((units, 9))
    weights[np.arange(units), generator.integers(9, size=units)] = generator.beta(2, 1, units)
    squares = np.maximum(weights @ inputs, 0) ** 2
    error = squares.std() / math.sqrt(units)
    assert squares.mean() < np.mean(inputs**2) + 4 * error
    # The bound is not slack by much where inputs are equal; He's scale would break it.
    if np.ptp(inputs) == 0:
        assert squares.mean() > 0.75 * np.mean(inputs**2)
        weights *= he_stddev(8) / asymmetric_stddev(8)
        assert np.mean(np.maximum(weights @ inputs, 0) ** 2) > 2 * np.mean(inputs**2)


@pytest.mark.parametrize("fan", [0, -3, math.nan, math.inf])
def test_fans_must_be_positive(fan):
    with pytest.raises(ValueError, match=r"`fan_in` must be a number above 0. Received: fan_in="):
        he_stddev(fan)
    with pytest.raises(ValueError, match=r"`fan_out` must be a number above 0"):
        xavier_stddev(3, fan)
    for one_fan in (lecun_stddev, asymmetric_stddev):
        with pytest.raises(ValueError, match=r"`fan_in` must be a number above 0"):
            one_fan(fan)


@pytest.mark.parametrize("slope", [math.nan, math.inf])
def test_slope_must_be_finite(slope):
    with pytest.raises(ValueError, match=r"`negative_slope` must be a number \(any finite slope\)"):
        rectifier_gain(slope)


@pytest.mark.parametrize("slope", ["0.1", None, True, 1j])
def test_slope_must_be_a_number(slope):
    with pytest.raises(TypeError, match=r"`negative_slope` must be a number.*of type"):
        rectifier_gain(slope)


def test_theory_needs_no_framework():
    # The package's own `__init__` imports Keras; an empty stand-in in its place does not.
    code = (
        "import sys, types\n"
        "package = sys.modules['kerastricks'] = types.ModuleType('kerastricks')\n"
        f"package.__path__ = {list(kerastricks.__path__)!r}\n"
        "import kerastricks.theory\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
