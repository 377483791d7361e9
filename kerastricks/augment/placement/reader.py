"""Read what a data service's workers make, element by element as it is asked for."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import tensorflow as tf

from kerastricks.augment.placement.order import Ahead, ShareLostError, in_order
from kerastricks.augment.placement.shares import distributed

PATIENCE = 300.0
"""Seconds to wait for an element: workers read, and compile at first, for minutes at most."""
_KEPT = 2
"""Rows of epochs that workers are kept at: one for this iteration, one for another beside it."""
_TRIES = 3
"""Rows that are begun for an element when shares get lost, as they do when a worker falls out."""

Place: TypeAlias = tuple[int, int]
"""An element's epoch, and its number in it."""


class Reader:
    """Give what workers make, by (epoch, number in the epoch).

    Workers go on from epoch to epoch. When an element is asked for that is not the next one of
    those that they are at, they begin anew there.

    Args:
        service: The dispatcher's address.
        dealt: Gives the workers' data set, by the place that it begins at and their number.
        length: The number of elements of an epoch, or TensorFlow's sign for an unknown or infinite
            one.
    """

    def __init__(self, service: str, dealt: Callable[[Place, int], Any], length: int) -> None:
        self._service = service
        self._dealt = dealt
        self._length = length
        self._rows: list[_Row] = []
        self._lock = threading.Lock()

    def is_there(self, epoch: Any, number: Any) -> bool:
        """Whether an epoch has an element of this number."""
        place = int(epoch), int(number)
        if self._length != tf.data.UNKNOWN_CARDINALITY:
            return self._length < 0 or place[1] < self._length
        with self._lock:
            found: Place = self._asked(place, _Row.look)[1]
            return found == place

    def element(self, epoch: Any, number: Any) -> list[Any]:
        """Give the tensors of an element.

        Raises:
            RuntimeError: It did not come.
        """
        with self._lock:
            row, element = self._asked((int(epoch), int(number)), _Row.take)
            if row.next == (int(epoch), self._length):
                row.next = int(epoch) + 1, 0
            parts: list[Any] = tf.nest.flatten(element)
            return parts

    def _asked(self, place: Place, what: Callable[["_Row"], Any]) -> tuple["_Row", Any]:
        """Ask the row that has an element next; where a share of it was lost, another row."""
        for tries_left in reversed(range(_TRIES)):
            row = self._row_at(place)
            try:
                return row, what(row)
            except Exception as error:
                self._rows.remove(row)
                if not (tries_left and isinstance(error, ShareLostError)):
                    raise RuntimeError(
                        f"Element {place[1]} of epoch {place[0]} did not come back from the data "
                        f"service at {self._service}: {error}. Where a worker has ended, start it "
                        "again at its address, or the dispatcher with those that are left. Then "
                        "read the data set again, or restore an iterator."
                    ) from error
        raise AssertionError("the last try returns or raises")

    def _row_at(self, place: Place) -> "_Row":
        """Find the row that has an element next, or begin one."""
        epoch, number = place
        begins = number == 0
        for row in list(self._rows):
            # An epoch of unknown length that was left at its end has ended.
            if begins and row.next[0] == epoch - 1 and self._length < 0 and row.next[1] > 0:
                try:
                    row.look()
                except Exception:  # this row's; another is begun
                    self._rows.remove(row)
        found = [row for row in self._rows if row.next == place]
        if found and begins and found[0].joined.is_set():
            self._rows.remove(found.pop())  # with as many workers as there are now
        if not found:
            found = [_Row(self._service, self._dealt, place)]
        others = [row for row in self._rows if row is not found[0]]
        self._rows = [*others, found[0]][-_KEPT:]
        return found[0]


class _Row:
    """One row of epochs that workers make, in order.

    Attributes:
        next: The place of the next element, as far as it is known.
        joined: Is set when a worker has joined, and has no share of its own.
    """

    def __init__(self, service: str, dealt: Callable[[Place, int], Any], place: Place) -> None:
        self.next = place
        self.joined = joined = threading.Event()

        def source() -> Iterator[Any]:
            with tf.device("CPU:0"):
                workers, elements = distributed(service, lambda count: dealt(place, count))
                pairs = ((int(row), rest) for row, *rest in elements)
                yield from in_order(pairs, workers, joined)

        self._ahead = Ahead(source, PATIENCE)

    def look(self) -> Place:
        """Wait for the next element, and give its place."""
        epoch, number, _ = self._ahead.peek()
        self.next = int(epoch), int(number)
        return self.next

    def take(self) -> Any:
        """Give the next element."""
        wanted = self.next
        if self.look() != wanted:
            raise RuntimeError(f"element {self.next[1]} of epoch {self.next[0]} came instead")
        *_, element = self._ahead.take()
        self.next = wanted[0], wanted[1] + 1
        return element
