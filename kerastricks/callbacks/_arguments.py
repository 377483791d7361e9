"""Checks of arguments that several callbacks share."""


def checked_fraction(name: str, value: float) -> float:
    """Return a fraction in (0, 1], or say what is wrong with it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError(
            f"Argument `{name}` must be a fraction above 0 and at most 1, such as 0.5. "
            f"Received: {name}={value!r}"
        )
    return float(value)
