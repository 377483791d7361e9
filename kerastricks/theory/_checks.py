"""The checks that numeric arguments pass where they enter."""

import math
import operator
from collections.abc import Callable
from numbers import Real

import numpy as np


def checked_number(
    value: object, name: str, expected: str, accept: Callable[[float], bool], hint: str = ""
) -> float:
    """Returns `value` as a float, or raises an error that names the argument and the way out.

    Args:
        value: What the caller passed.
        name: The argument's name.
        expected: The range in words; completes the sentence "must be a number ...".
        accept: Whether a finite number lies in that range. NaN and infinity never do.
        hint: A sentence that says how to fix it.

    Returns:
        The value as a Python float.

    Raises:
        TypeError: If `value` is no real number (a boolean is none either).
        ValueError: If it is NaN, infinite or out of range.
    """
    message = f"Argument `{name}` must be a number {expected}. Received: {name}={value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{message} (of type {type(value).__name__}). {hint}".rstrip())
    number = float(value)
    if not (math.isfinite(number) and accept(number)):
        raise ValueError(f"{message}. {hint}".rstrip())
    return number


def checked_integer(
    value: object, name: str, expected: str = "", least: int | None = 1, hint: str = ""
) -> int:
    """Returns `value` as an int, or raises an error that names the argument and the way out.

    Args:
        value: What the caller passed; any type of integer.
        name: The argument's name.
        expected: What it should be; completes the sentence "must be ...". Defaults to "an integer
            of at least `least`".
        least: The smallest that is accepted; None for any.
        hint: A sentence that says how to fix it.

    Returns:
        The value as a Python integer.

    Raises:
        TypeError: If `value` is no integer (a boolean is none either).
        ValueError: If it is below `least`.
    """
    expected = expected or f"an integer of at least {least}"
    message = f"Argument `{name}` must be {expected}. Received: {name}={value!r}"
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{message} (of type {type(value).__name__}). {hint}".rstrip()) from None
    if least is not None and number < least:
        raise ValueError(f"{message}. {hint}".rstrip())
    return number
