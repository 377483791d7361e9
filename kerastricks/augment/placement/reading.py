"""Leave out the elements of a data set that cannot be read, and say which."""

import warnings
from collections.abc import Iterator
from itertools import count
from typing import Any

import tensorflow as tf

from kerastricks._printable import printable
from kerastricks.augment.placement.host_calls import counted, ending

_UNREADABLE = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.DataLossError,
    tf.errors.UnknownError,
)
"""What damaged, missing and forbidden files raise, in TensorFlow and in Python."""
_NAMED = 10
"""Elements that the warning names."""
_IN_A_ROW = 100
"""Elements in a row after which nothing that can be read is expected any more."""


def readable(dataset: Any) -> Any:
    """Give the elements that can be read.

    After each iteration that met others a warning counts and names them.

    Args:
        dataset: A `tf.data.Dataset` whose elements fail one by one, as those of a `map` over names
            do. A source that fails, such as a file of records, ends there.

    Returns:
        A `tf.data.Dataset` of the same elements, of a length that is not known beforehand.

    Raises:
        tf.errors.UnknownError: When it is iterated over, no element can be read, or none of a
            hundred in a row.
    """
    iterations = count()

    def generate() -> Iterator[Any]:
        iteration, elements = next(iterations), iter(dataset)
        named: list[int] = []
        number = lost = in_a_row = 0
        reason = ""
        read = counted(lambda: next(elements))
        try:
            while not ending.is_set():
                try:
                    element = read()
                except StopIteration:
                    break
                except _UNREADABLE as error:
                    reason = reason or printable(error.message.strip().partition("\n")[0])
                    named += [number] if lost < _NAMED else []
                    number, lost, in_a_row = number + 1, lost + 1, in_a_row + 1
                    if in_a_row == _IN_A_ROW:
                        break
                else:
                    number, in_a_row = number + 1, 0
                    yield element
        finally:
            if lost and in_a_row < min(number, _IN_A_ROW):
                names = ", ".join(map(str, named)) + (", ..." if lost > _NAMED else "")
                warnings.warn(
                    f"In iteration {iteration} over the data {lost} of {number} elements could not "
                    f"be read and were left out: in the order of reading number {names}, counted "
                    f"from 0. The first one said: {reason}",
                    stacklevel=1,
                )
        if in_a_row and in_a_row == min(number, _IN_A_ROW):
            raise RuntimeError(
                f"None of {in_a_row} elements in a row could be read. The first one said: {reason}"
            )

    return tf.data.Dataset.from_generator(generate, output_signature=dataset.element_spec)
