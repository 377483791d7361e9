import math

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special

from kerastricks.theory import gain, rectifier_gain
from kerastricks.theory._activations import NAMED
from kerastricks.theory._gaussian import normal_response


def density(z):
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def upper_mass(z):
    return math.erfc(z / math.sqrt(2)) / 2


# Moments (E[f^2], E[f]^2, E[f'^2]) in closed form.
CLOSED_FORMS = {
    "linear": (1, 0, 1),
    "relu": (1 / 2, 1 / (2 * math.pi), 1 / 2),
    "gelu": (1 / 3 + 1 / (2 * math.pi * math.sqrt(3)), 1 / (4 * math.pi), None),
    "exponential": (math.exp(2), math.e, math.exp(2)),
    "hard_shrink": (
        2 * (0.5 * density(0.5) + upper_mass(0.5)),
        0,
        2 * upper_mass(0.5),
    ),
    "hard_tanh": (
        (1 - 2 * upper_mass(1)) - 2 * density(1) + 2 * upper_mass(1),
        0,
        1 - 2 * upper_mass(1),
    ),
    "soft_shrink": (2 * (1.25 * upper_mass(0.5) - 0.5 * density(0.5)), 0, 2 * upper_mass(0.5)),
    "sparse_sigmoid": (None, 1 / 4, (1 - 2 * upper_mass(1)) / 4),
    "relu6": (None, None, 1 / 2 - upper_mass(6)),
    "hard_sigmoid": (None, 1 / 4, (1 - 2 * upper_mass(3)) / 36),
    # E[(x + sqrt(x^2 + 4))^2] / 4 = (2 + 4) / 4, the mixed term being odd.
    "squareplus": (3 / 2, None, None),
    "selu": (1, 0, None),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_moments_equal_their_closed_forms(name):
    second_moment, squared_mean, slope = CLOSED_FORMS[name]
    response = normal_response(NAMED[name])
    if second_moment is not None:
        assert response.second_moment == pytest.approx(second_moment, rel=1e-12)
        assert gain(name) == pytest.approx(1 / math.sqrt(second_moment), rel=1e-12)
    if squared_mean is not None:
        assert response.mean**2 == pytest.approx(squared_mean, rel=1e-12, abs=1e-30)
    if slope is not None:
        assert response.slope_second_moment == pytest.approx(slope, rel=1e-9)
        assert gain(name, direction="backward") == pytest.approx(slope**-0.5, rel=1e-9)


# Golden values, 4 digits, from an independent numpy integration over 2000 points.
@pytest.mark.parametrize(
    ("name", "forward", "backward"),
    [
        ("tanh", 1.5925, 1.4674),
        ("sigmoid", 1.8462, 4.7226),
        ("softsign", 2.3375, 2.0958),
        ("elu", 1.2452, 1.2234),
        ("selu", 1.0, 0.9660),
        ("gelu", 1.5335, 1.4811),
        ("silu", 1.6765, 1.6233),
        ("softplus", 1.0419, 1.8462),
        ("mish", 1.4868, 1.4448),
    ],
)
def test_gain_golden(name, forward, backward):
    assert gain(name) == pytest.approx(forward, abs=5e-5)
    assert gain(name, direction="backward") == pytest.approx(backward, abs=5e-5)


# Golden values: the gammas in timm's models/nfnet.py, after deepmind-research/nfnets. They are
# estimates from random samples, too large by up to 1e-3, as the ReLU's closed form below shows.
@pytest.mark.parametrize(
    ("name", "gamma"),
    [
        ("relu", 1.7139588594436646),
        ("gelu", 1.7015043497085571),
        ("silu", 1.7881293296813965),
        ("softplus", 1.9203323125839233),
        ("sigmoid", 4.803835391998291),
        ("softsign", 2.338853120803833),
        ("tanh", 1.5939117670059204),
        ("selu", 1.0008515119552612),
    ],
)
def test_variance_gain_golden(name, gamma):
    assert gain(name, preserve="variance") == pytest.approx(gamma, rel=1e-3)


def test_variance_gain_of_the_relu_in_closed_form():
    expected = math.sqrt(2 / (1 - 1 / math.pi))
    assert gain("relu", preserve="variance") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_activations_integrate_as_scipy_does(name):
    def integrand(z):
        return float(NAMED[name](np.array([z]))[0]) ** 2 * density(z)

    kinks = [-6, -3, -1, -0.5, 0, 0.5, 1, 3, 6]
    expected, error = scipy.integrate.quad(
        integrand, -12, 12, points=kinks, epsabs=1e-13, epsrel=1e-12, limit=200
    )
    assert abs(normal_response(NAMED[name]).second_moment - expected) <= error + 1e-12 * expected


@pytest.mark.parametrize("name", sorted(NAMED))
def test_names_are_keras_functions_which_compute_in_single_precision(name):
    def in_single(x):
        tensor = keras.ops.convert_to_tensor(x, dtype="float32")
        return keras.ops.convert_to_numpy(keras.activations.get(name)(tensor))

    assert in_single(np.ones(3)).dtype == np.float32
    for preserve in ("second_moment", "variance"):
        assert gain(in_single, preserve) == pytest.approx(gain(name, preserve), rel=1e-5)
    assert gain(in_single, direction="backward") == pytest.approx(
        gain(name, direction="backward"), rel=1e-5
    )


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0, 2.0])
def test_gain_of_a_leaky_rectifier_is_he(slope):
    def leaky(x):
        return np.where(x > 0, x, slope * x)

    assert gain(leaky) == pytest.approx(rectifier_gain(slope), rel=1e-12)
    assert gain(leaky, direction="backward") == pytest.approx(rectifier_gain(slope), rel=1e-9)


@pytest.mark.parametrize("threshold", [0.3, 0.777, math.sqrt(2)])
@pytest.mark.parametrize(("dtype", "accuracy"), [("float64", 1e-7), ("float32", 1e-5)])
def test_kinks_and_steps_may_lie_anywhere(threshold, dtype, accuracy):
    def step(x):
        x = x.astype(dtype)
        return np.where(np.abs(x) > threshold, x, 0)

    def kink(x):
        x = x.astype(dtype)
        return x - np.clip(x, -threshold, threshold)

    tails = 2 * upper_mass(threshold)
    stepped, kinked = normal_response(step), normal_response(kink)
    expected = tails + 2 * threshold * density(threshold)
    assert stepped.second_moment == pytest.approx(expected, rel=accuracy)
    assert stepped.slope_second_moment == pytest.approx(tails, rel=accuracy)
    expected = (1 + threshold**2) * tails - 2 * threshold * density(threshold)
    assert kinked.second_moment == pytest.approx(expected, rel=accuracy)
    assert kinked.slope_second_moment == pytest.approx(tails, rel=accuracy)


def test_moments_follow_the_scale_of_the_input():
    # E[sin(s z)^2] = (1 - exp(-2 s^2)) / 2, E[cos(s z)^2] = (1 + exp(-2 s^2)) / 2.
    for stddev in (1e-3, 0.5, 1.0, 7.0):
        response = normal_response(np.sin, stddev)
        assert response.second_moment == pytest.approx(-math.expm1(-2 * stddev**2) / 2, rel=1e-10)
        slope = (1 + math.exp(-2 * stddev**2)) / 2
        assert response.slope_second_moment == pytest.approx(slope, rel=1e-9)


def test_the_gain_undoes_the_activation():
    # Standard error of a mean of n squares y^2 is std(y^2) / sqrt(n).
    z = np.random.default_rng(0).standard_normal(200_000)
    for name in ("tanh", "mish", "relu6"):
        squares = (gain(name) * NAMED[name](z)) ** 2
        assert abs(squares.mean() - 1) < 4 * squares.std() / math.sqrt(z.size)
        centered = gain(name, preserve="variance") * NAMED[name](z)
        assert abs(centered.var() - 1) < 4 * np.std((centered - centered.mean()) ** 2) / math.sqrt(
            z.size
        )


def test_backward_has_one_gain():
    both = {gain("gelu", preserve, "backward") for preserve in ("second_moment", "variance")}
    assert len(both) == 1


def test_gelu_is_exact():
    def gelu(x):
        return x * scipy.special.ndtr(x)

    assert gain("gelu") == pytest.approx(gain(gelu), rel=1e-13)


@pytest.mark.parametrize(
    ("activation", "error", "match"),
    [
        (3, TypeError, r"must be a name or a callable.*Received: activation=3 \(of type int\)"),
        (None, TypeError, "must be a name or a callable"),
        ("rulu", ValueError, "Unknown activation. Received: activation='rulu'.*relu6"),
        ("leaky_relu", ValueError, "0.3 in the Keras layer.*rectifier_gain"),
        ("threshold", ValueError, "no default threshold"),
        ("softmax", ValueError, "each element alone.*'softmax'"),
        (lambda x: x[:-1], ValueError, "it returned shape"),
        (lambda x: x.sum(), ValueError, r"it returned shape \(\)"),
        (lambda x: x + 1j, TypeError, "real numbers.*complex128"),
        (lambda x: x.astype(str), TypeError, "real numbers"),
        (lambda x: np.where(x > 3, np.nan, x), ValueError, "must be finite.*x=3"),
        (lambda x: 1 / np.maximum(x, 0), ValueError, "must be finite"),
        (scipy.special.softmax, ValueError, "depends on its neighbors"),
        (np.cumsum, ValueError, "depends on its neighbors"),
        (lambda x: (x - x.mean()) / x.std(), ValueError, "depends on its neighbors"),
        (lambda x: x.astype(np.float16), ValueError, "too rough.*float32"),
        (lambda x: np.sin(1e5 * x), ValueError, "too rough"),
        (np.zeros_like, ValueError, "no gain: the activation is zero.*shift"),
        (lambda x: np.maximum(x - 20, 0), ValueError, "no gain: the activation is zero"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_activations_without_a_gain_are_refused(activation, error, match):
    with pytest.raises(error, match=match):
        gain(activation)


def test_chance_is_refused():
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="or on chance"):
        gain(lambda x: x * generator.uniform(0.1, 0.3, x.shape))


def test_a_direction_in_which_nothing_comes_through_is_refused():
    def constant(x):
        return np.full_like(x, 1 / 3)

    assert gain(constant) == pytest.approx(3)
    with pytest.raises(ValueError, match="it is constant"):
        gain(constant, preserve="variance")
    for step in (constant, np.sign, lambda x: (x > 0.3).astype(float)):
        with pytest.raises(ValueError, match=r"no gradient returns.*Use direction"):
            gain(step, direction="backward")
    assert gain(np.sign) == pytest.approx(1, rel=1e-12)


def test_conventions_are_spelled_out():
    with pytest.raises(ValueError, match=r"`preserve` must be.*Received: preserve='mean'"):
        gain("relu", preserve="mean")
    with pytest.raises(ValueError, match=r"`direction` must be.*Received: direction='both'"):
        gain("relu", direction="both")
