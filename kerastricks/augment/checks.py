"""Read arguments, or say what was received, what was expected, and how to fix it."""

import math


def is_number(value: object) -> bool:
    """Tell whether a value is a finite real number; booleans are not."""
    if isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


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
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_number, value)):
        low, high = float(value[0]), float(value[1])
        if -limit <= low <= high <= limit:
            return low, high
    raise ValueError(
        f"{name}: `{argument}` is a number f from 0 to {limit:g}, meaning the range (-f, f), or a "
        f"pair (low, high) with {-limit:g} <= low <= high <= {limit:g}. "
        f"Received: {argument}={value!r}"
    )
