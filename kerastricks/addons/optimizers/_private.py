"""Private attributes of Keras' optimizers: the one file of this room that touches them."""

from typing import Any


def place_of(optimizer: Any, variable: Any) -> int:
    """The number of a variable among those that an optimizer was built with.

    Raises:
        KeyError: If it is none of them.
    """
    return int(optimizer._get_variable_index(variable))


def moments_of(optimizer: Any, place: int) -> tuple[Any, Any]:
    """The first and the second moment that Adam, or an optimizer like it, keeps of a variable."""
    return optimizer._momentums[place], optimizer._velocities[place]
