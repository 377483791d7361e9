"""How likely a deep, narrow ReLU network is dead before training begins."""

from collections.abc import Iterable
from typing import NamedTuple

from kerastricks.theory._checks import checked_integer


class BornDeadProbability(NamedTuple):
    """Bounds of a probability.

    Attributes:
        lower: It is at least this, for networks with one input.
        upper: It is at most this, for any number of inputs.
    """

    lower: float
    upper: float


def born_dead_probability(depth: int, width: int | Iterable[int]) -> BornDeadProbability:
    """Bounds the probability that a ReLU network is constant from the start, and stays so.

    Use it before choosing a deep and narrow ReLU network, such as a small regressor. A layer all
    of whose units are off for every input sends nothing on, and gets no gradient: training cannot
    revive it. Leaky rectifiers, shortcuts or `RandomizedAsymmetric` weights avoid it. The bounds
    do not hold with biases or with normalization.

    For a ray of inputs each unit is off with probability 1/2, so that a layer of N units lets a
    living ray through with probability 1 - 2^-N. With `depth` = L layers, the last without a
    ReLU, and hidden widths N_1 to N_(L-1):

        upper = 1 - prod(1 - 2^-N_l, l = 1 ... L-1)

    With one input there are two rays, x > 0 and x < 0. The lower bound is the probability that
    both are dead in the chain in which rays stay orthogonal until they merge, because one unit
    alone is on, and on for both. With N units, from layer to layer:

        P(two rays stay two)  = 1 - 2^(1-N) - (N - 1) 4^-N
        P(two rays both die)  = 4^-N
        P(one ray dies)       = 2^-N

    and in the first layer P(two rays live) = 1 - 2^(1-N_1), else one does. Rays at a smaller angle
    die and merge together more often, which makes it a bound. For L = 3 it is exact.

    Args:
        depth: Number of weight layers L, the output layer included; at least 1.
        width: Units in every hidden layer, or a sequence of L - 1 widths. At least 1.

    Returns:
        The named tuple `(lower, upper)`.

    Raises:
        TypeError: If an argument is no whole number (or sequence of such).
        ValueError: If one is below 1, or the sequence has not `depth - 1` entries.

    Example:
    >>> import kerastricks as kt
    >>> lower, upper = kt.theory.born_dead_probability(depth=10, width=3)
    >>> round(lower, 3), round(upper, 3)
    (0.513, 0.699)
    >>> round(kt.theory.born_dead_probability(depth=10, width=20).upper, 6)
    9e-06

    Reference:
        Lu, Shin, Su, Karniadakis (2020), Dying ReLU and Initialization: Theory and Numerical
        Examples (weights symmetric about zero, biases zero).

    Differs from the paper in the lower bound, which is derived above for weights from a normal
    distribution, and allows for layers of different widths. For equal ones it is

        lower = 1 - b^(L-2) + (1 - 2^(1-N)) b / (1 + (N - 1) 2^-N) * (c^(L-2) - b^(L-2)),
        b = 1 - 2^-N,  c = 1 - 2^(1-N) - (N - 1) 4^-N

    The formula circulates with the denominator 1 + (N - 1) 2^(1-N), with which it is no lower
    bound: for L = 3, N = 2 it gives 0.171875, where the exact probability is 0.15625.
    """
    layers = checked_integer(depth, "depth", "a positive whole number of layers")
    widths = _checked_widths(width, layers - 1)
    survival = 1.0
    for units in widths:
        survival *= 1.0 - 2.0**-units
    if not widths:
        return BornDeadProbability(0.0, 0.0)
    two = 1.0 - 2.0 ** (1 - widths[0])
    one = 1.0 - two
    dead = 0.0
    for units in widths[1:]:
        both_die, one_dies = 4.0**-units, 2.0**-units
        stay_two = 1.0 - 2.0 * one_dies - (units - 1) * both_die
        become_one = 2.0 * one_dies + (units - 2) * both_die
        dead += one * one_dies + two * both_die
        one = one * (1.0 - one_dies) + two * become_one
        two *= stay_two
    return BornDeadProbability(dead, 1.0 - survival)


def _checked_widths(width: int | Iterable[int], hidden: int) -> list[int]:
    if isinstance(width, Iterable) and not isinstance(width, str):
        widths = [
            checked_integer(units, "width", "a positive whole number of units, in every entry")
            for units in width
        ]
        if len(widths) != hidden:
            raise ValueError(
                "Argument `width` must have one entry for each hidden layer: depth - 1 = "
                f"{hidden}. Received {len(widths)}: width={width!r}."
            )
        return widths
    return [
        checked_integer(
            width, "width", "a positive whole number of units, or a sequence of such numbers"
        )
    ] * hidden
