"""The check that every count of layers or units passes where it enters."""

import operator


def checked_count(value: object, name: str, what: str) -> int:
    """Returns `value` as an integer of at least 1, or raises an error that names the argument.

    Args:
        value: What the caller passed; any type of integer.
        name: The argument's name.
        what: What is counted; completes the sentence "must be a positive whole number of ...".

    Returns:
        The count as a Python integer.

    Raises:
        TypeError: If `value` is no integer (a boolean is none either).
        ValueError: If it is below 1.
    """
    message = f"Argument `{name}` must be a positive whole number of {what}. Received: {value!r}"
    try:
        if isinstance(value, bool):
            raise TypeError
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{message} (of type {type(value).__name__}).") from None
    if count < 1:
        raise ValueError(f"{message}.")
    return count
