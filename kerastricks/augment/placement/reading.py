"""Leave out the elements of a data set that cannot be read, and say which."""

import warnings
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_UNREADABLE = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.DataLossError,
    tf.errors.OutOfRangeError,
)
"""What damaged, missing and forbidden files raise. An unknown error is none of the data's."""
_NAMED = 10
"""Elements that the warning names."""


def readable(dataset: Any) -> Any:
    """Give the elements that can be read.

    After each iteration over a data set with others a warning counts and names them.

    Args:
        dataset: A `tf.data.Dataset`.

    Returns:
        A `tf.data.Dataset` of the same elements, of a length that is not known beforehand.

    Raises:
        RuntimeError: When it is iterated over, no element can be read.
    """

    def generate() -> Iterator[Any]:
        elements, lost, number, reason = iter(dataset), [], 0, ""
        while True:
            try:
                element = next(elements)
            except StopIteration:
                break
            except _UNREADABLE as error:
                lost.append(number)
                reason = reason or error.message.strip().splitlines()[0]
            else:
                yield element
            number += 1
        if not lost:
            return
        if len(lost) == number:
            raise RuntimeError(f"None of {number} elements can be read. The first said: {reason}")
        names = ", ".join(map(str, lost[:_NAMED])) + (", ..." if len(lost) > _NAMED else "")
        warnings.warn(
            f"{len(lost)} of {number} elements cannot be read and are left out: number {names}, "
            f"from 0. The first said: {reason}",
            stacklevel=1,
        )

    return tf.data.Dataset.from_generator(generate, output_signature=dataset.element_spec)
