"""Which epoch an iteration over a data set is."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from kerastricks.augment.kernels import Tensor
from kerastricks.augment.placement.host_calls import host_call

FirstEpoch: TypeAlias = int | Callable[[], int]
"""The number of the first epoch, which the others follow, or a function that is asked for each."""

MOST = 1 << 30
"""Epochs are numbered below this, and counted on in int32."""


class Epochs:
    """Give each iteration its number: by counting, or by asking.

    Args:
        first: The number of the first, or a function of no arguments that gives that of the
            iteration which begins.

    Raises:
        ValueError: `first` is neither.
    """

    def __init__(self, first: FirstEpoch) -> None:
        whole = isinstance(first, (int, np.integer)) and not isinstance(first, bool)
        if not callable(first) and (not whole or not 0 <= first < MOST):
            raise ValueError(
                "`initial_epoch` is the number of the first epoch, from 0 to 2**30 - 1, or a "
                "function that gives the number of each as it begins. "
                f"Received: initial_epoch={first!r}"
            )
        self._asked = first if callable(first) else None
        with tf.device("CPU:0"):
            self._next = tf.Variable(
                0 if callable(first) else first, dtype=tf.int64, trainable=False
            )

    def begin(self) -> Tensor:
        """Give the number of the iteration that begins, an int32 scalar."""
        if self._asked is None:
            return tf.cast(self._next.assign_add(1) - 1, tf.int32)
        number = host_call(self._ask, [], tf.int32)
        return tf.ensure_shape(number, ())

    def _ask(self) -> Any:
        given = self._asked()  # type: ignore[misc]
        try:
            number = int(given)
            whole = not isinstance(given, bool) and bool(number == given)
        except (TypeError, ValueError, OverflowError):
            number, whole = -1, False
        if not whole or not 0 <= number < MOST:
            raise ValueError(
                "The function passed as `initial_epoch` gives the number of an epoch, from 0 to "
                f"2**30 - 1. Received from it: {given!r}"
            )
        return number

    def within(self, epoch: Tensor) -> Tensor:
        """Give the number back, and let the next iteration follow it.

        An iterator that goes on where another process ended brings its number along.
        """
        behind = tf.maximum(self._next.read_value(), tf.cast(epoch, tf.int64) + 1)
        with tf.control_dependencies([self._next.assign(behind)]):
            return tf.identity(epoch)
