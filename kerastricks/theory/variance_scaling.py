"""The standard deviations of weights that keep the scale of signals through depth."""

import math

from kerastricks.theory._checks import checked_number

TRUNCATED_NORMAL_STDDEV = 0.87962566103423978
"""Standard deviation of a standard normal cut at 2 sigma: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1))."""


def rectifier_gain(negative_slope: float = 0.0) -> float:
    """Computes the factor by which weights must grow to make up for a leaky rectifier.

    For a zero-mean, symmetric input x the rectifier f(x) = max(x, 0) + a min(x, 0) leaves
    E[f(x)^2] = (1 + a^2) / 2 of E[x^2], so weights scaled by

        gain = sqrt(2 / (1 + negative_slope^2))

    keep the second moment, forward and backward. a = 0 is the ReLU, a = 1 a linear unit (gain 1).
    "Gain" is used for other factors too: this one preserves the second moment E[f(x)^2], as He et
    al. and PyTorch's `calculate_gain("leaky_relu", a)` do, not the variance of f(x).

    Args:
        negative_slope: The slope a on the negative side. Any finite number; unitless.

    Returns:
        The gain, in (0, sqrt(2)].

    Raises:
        TypeError: If `negative_slope` is not a number.
        ValueError: If it is NaN or infinite.

    Example:
    >>> import kerastricks as kt
    >>> round(kt.theory.rectifier_gain(), 4), round(kt.theory.rectifier_gain(1 / 3), 4)
    (1.4142, 1.3416)

    Reference:
        He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, eq. 15.
    """
    a = checked_number(negative_slope, "negative_slope", "(any finite slope)", lambda slope: True)
    return math.sqrt(2.0 / (1.0 + a * a))


def he_stddev(fan_in: float, negative_slope: float = 0.0) -> float:
    """Computes the weight scale that keeps activations' second moment behind a leaky rectifier.

        stddev = sqrt(2 / ((1 + negative_slope^2) * fan_in))

    Args:
        fan_in: Number of terms in each unit's sum; positive.
        negative_slope: The slope a of the rectifier before this layer. Any finite number.

    Returns:
        The standard deviation of the weights.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If `fan_in` is not positive or an argument is NaN or infinite.

    Example:
    >>> import kerastricks as kt
    >>> round(kt.theory.he_stddev(50), 4)
    0.2

    Reference:
        He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, eq. 10 (a = 0) and 15.
    """
    fan_in = checked_number(fan_in, "fan_in", "above 0", lambda fan: fan > 0)
    return rectifier_gain(negative_slope) / math.sqrt(fan_in)


def xavier_stddev(fan_in: float, fan_out: float) -> float:
    """Computes the weight scale between the one for activations and the one for gradients.

    Activations through linear units keep their variance at 1 / fan_in, gradients theirs at
    1 / fan_out. The compromise is the inverse of the mean of both:

        stddev = sqrt(2 / (fan_in + fan_out))

    Args:
        fan_in: Number of terms in each unit's sum, forward; positive.
        fan_out: Number of terms in each sum, backward; positive.

    Returns:
        The standard deviation of the weights.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is not positive, NaN or infinite.

    Example:
    >>> import kerastricks as kt
    >>> round(kt.theory.xavier_stddev(20, 30), 4)
    0.2

    Reference:
        Glorot, Bengio (2010), Understanding the difficulty of training deep feedforward neural
        networks, eq. 12.
    """
    fan_in = checked_number(fan_in, "fan_in", "above 0", lambda fan: fan > 0)
    fan_out = checked_number(fan_out, "fan_out", "above 0", lambda fan: fan > 0)
    return math.sqrt(2.0 / (fan_in + fan_out))


def lecun_stddev(fan_in: float) -> float:
    """Computes the weight scale that keeps the variance of activations through linear units.

        stddev = sqrt(1 / fan_in)

    Right for SELU units too, and for tanh units near zero. Uniform weights within
    1 / sqrt(fan_in) of 0, a common heuristic, have only a third of that variance.

    Args:
        fan_in: Number of terms in each unit's sum; positive.

    Returns:
        The standard deviation of the weights.

    Raises:
        TypeError: If `fan_in` is not a number.
        ValueError: If it is not positive, NaN or infinite.

    Example:
    >>> import kerastricks as kt
    >>> kt.theory.lecun_stddev(25)
    0.2

    Reference:
        LeCun, Bottou, Orr, Mueller (1998), Efficient BackProp, section 4.6.
    """
    return 1.0 / math.sqrt(checked_number(fan_in, "fan_in", "above 0", lambda fan: fan > 0))


def asymmetric_stddev(fan_in: float) -> float:
    """Computes the scale of the normal weights in randomized asymmetric initialization.

    There each unit's weights and bias are drawn from N(0, stddev^2), except one entry, chosen at
    random, from the Beta(2, 1) distribution, which is positive (the square root of a uniform
    number). As inputs behind a ReLU are positive too, few units are born dead.

        stddev = s / sqrt(fan_in),   s = -2 sqrt(2) / (3 sqrt(pi)) + sqrt(1 + 8 / (9 pi)) = 0.6007

    s keeps the second moment from growing, whatever the inputs: behind a ReLU a unit's output has
    at most the mean square of the inputs (with a 1 among them for the bias) times the left side of

        s^2 / 2 + sqrt(2 / pi) E[B] s + E[B^2] = 1,   B ~ Beta(2, 1), E[B] = 2/3, E[B^2] = 1/2

    Args:
        fan_in: Number of inputs of each unit, without the bias; positive.

    Returns:
        The standard deviation of the normal weights and biases.

    Raises:
        TypeError: If `fan_in` is not a number.
        ValueError: If it is not positive, NaN or infinite.

    Example:
    >>> import kerastricks as kt
    >>> round(kt.theory.asymmetric_stddev(1), 4), round(kt.theory.asymmetric_stddev(100), 5)
    (0.6007, 0.06007)

    Reference:
        Lu, Shin, Su, Karniadakis (2020), Dying ReLU and Initialization: Theory and Numerical
        Examples, on randomized asymmetric initialization.
    """
    linear = 2.0 * math.sqrt(2.0) / (3.0 * math.sqrt(math.pi))
    return (math.sqrt(1.0 + linear * linear) - linear) * lecun_stddev(fan_in)
