"""The interval of the functions that shrink."""


def check_bounds(lower: float, upper: float) -> None:
    """Raises a ValueError if the interval that is mapped to 0 is none."""
    if not lower <= upper:
        raise ValueError(
            "Argument `lower` must not be higher than `upper`: what lies between them becomes 0. "
            f"Received: lower={lower!r}, upper={upper!r}."
        )
