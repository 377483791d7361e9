"""Read arguments, or say what was received, what was expected, and how to fix it."""

import math

import numpy as np

LONGEST = 1 << 16
"""No image is longer, in pixels, and nothing is counted further."""
_STRONGEST = 1000.0
"""No factor is larger: products of a few still lie within what float32 holds."""


def is_number(value: object) -> bool:
    """Tell whether a value is a finite real number; booleans are not."""
    if isinstance(value, (bool, np.bool_)):
        return False
    try:
        return math.isfinite(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False


def _as_pair(value: object) -> tuple[float, float] | None:
    """Give a pair of numbers as floats, None where it is none."""
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_number, value)):
        return float(value[0]), float(value[1])
    return None


def check_probability(name: str, probability: object) -> float:
    """Return a probability as a float, or say what is wrong with it.

    >>> check_probability("RandomFlip", 1)
    1.0
    """
    if not is_number(probability) or not 0 <= float(probability) <= 1:  # type: ignore[arg-type]
        raise ValueError(
            f"{name}: `probability` is the share of samples to transform, a number from 0 to 1. "
            f"Received: probability={probability!r}"
        )
    return float(probability)  # type: ignore[arg-type]


def check_range(name: str, argument: str, value: object, limit: float) -> tuple[float, float]:
    """Read a number f as (-f, f) and a pair as itself.

    >>> check_range("RandomRotation", "degrees", 15, 360)
    (-15.0, 15.0)
    >>> check_range("RandomRotation", "degrees", (90, 90), 360)
    (90.0, 90.0)
    """
    if is_number(value) and 0 <= float(value) <= limit:  # type: ignore[arg-type]
        return -float(value), float(value)  # type: ignore[arg-type]
    pair = _as_pair(value)
    if pair and -limit <= pair[0] <= pair[1] <= limit:
        return pair
    raise ValueError(
        f"{name}: `{argument}` is a number f from 0 to {limit:g}, meaning the range (-f, f), or a "
        f"pair (low, high) with {-limit:g} <= low <= high <= {limit:g}. "
        f"Received: {argument}={value!r}"
    )


def check_limits(
    name: str, argument: str, value: object, within: tuple[float, float]
) -> tuple[float, float]:
    """Read a number as the range of itself alone and a pair as itself.

    >>> check_limits("RandomSolarize", "threshold", 0.5, (0, 1))
    (0.5, 0.5)
    """
    pair = _as_pair((value, value)) or _as_pair(value)
    if pair and within[0] <= pair[0] <= pair[1] <= within[1]:
        return pair
    raise ValueError(
        f"{name}: `{argument}` is a number from {within[0]:g} to {within[1]:g}, or a pair (low, "
        f"high) of such numbers to draw from. Received: {argument}={value!r}"
    )


def check_factor(name: str, argument: str, value: object) -> tuple[float, float]:
    """Read a number f as (1 - f, 1 + f) and a pair as itself.

    >>> check_factor("RandomBrightness", "factor", 0.25)
    (0.75, 1.25)
    >>> check_factor("RandomBrightness", "factor", (0.5, 0.5))
    (0.5, 0.5)
    """
    if is_number(value) and 0 <= float(value) <= 1:  # type: ignore[arg-type]
        return 1.0 - float(value), 1.0 + float(value)  # type: ignore[arg-type]
    pair = _as_pair(value)
    if pair and 0 <= pair[0] <= pair[1] <= _STRONGEST:
        return pair
    raise ValueError(
        f"{name}: `{argument}` is a number f from 0 to 1, meaning factors (1 - f, 1 + f), or a "
        f"pair (low, high) of factors with 0 <= low <= high <= {_STRONGEST:g}. "
        f"Received: {argument}={value!r}"
    )


def check_scale(name: str, argument: str, value: object, least: float) -> tuple[float, float]:
    """Read a number f as (1 - f, 1 + f) and a pair as itself, within (least, 1 / least).

    >>> check_scale("RandomZoom", "scale", 0.25, 0.01)
    (0.75, 1.25)
    """
    low, high = check_factor(name, argument, value)
    if low < least or high > 1.0 / least:
        raise ValueError(
            f"{name}: `{argument}` lies from {least:g} to {1.0 / least:g} throughout. "
            f"Received: {argument}={value!r}"
        )
    return low, high


def check_positive_limits(
    name: str, argument: str, value: object, most: float = math.inf
) -> tuple[float, float]:
    """Read a number as the range of itself alone and a pair as itself, all above zero.

    >>> check_positive_limits("MixUp", "alpha", 0.2)
    (0.2, 0.2)
    """
    pair = _as_pair((value, value)) or _as_pair(value)
    if pair and 0 < pair[0] <= pair[1] <= most:
        return pair
    above = "above 0" if most == math.inf else f"above 0 and at most {most:g}"
    raise ValueError(
        f"{name}: `{argument}` is a number {above}, or a pair (low, high) of such numbers to draw "
        f"from. Received: {argument}={value!r}"
    )


def check_reach(name: str, argument: str, value: object, most: float) -> tuple[float, float]:
    """Read a number f as (0, f) and a pair as itself.

    >>> check_reach("AugMix", "severity", 0.3, 1)
    (0.0, 0.3)
    """
    pair = _as_pair((0, value)) or _as_pair(value)
    if pair and 0 <= pair[0] <= pair[1] <= most:
        return pair
    raise ValueError(
        f"{name}: `{argument}` is a number f from 0 to {most:g}, meaning the range (0, f), or a "
        f"pair (low, high) with 0 <= low <= high <= {most:g}. Received: {argument}={value!r}"
    )


def check_size(name: str, argument: str, value: object, unit: str = "number of pixels") -> int:
    """Return a whole number from 1 to 65536, or say what is wrong with it."""
    whole = is_number(value) and float(value) == int(value)  # type: ignore[arg-type, call-overload]
    if not whole or not 1 <= int(value) <= LONGEST:  # type: ignore[call-overload]
        raise ValueError(
            f"{name}: `{argument}` is a whole {unit}, from 1 to {LONGEST}. "
            f"Received: {argument}={value!r}"
        )
    return int(value)  # type: ignore[call-overload, no-any-return]
