"""Put in order what several workers give, within bounds of memory and of time."""

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from kerastricks.augment.placement.host_calls import closed_at_end, ending

_SLACK = 8
"""Elements that may wait for one that is due, for each share."""
_PAUSE = 0.25
"""Seconds between two elements while one that is due is late."""


class ShareLostError(RuntimeError):
    """No worker makes a share."""


def in_order(
    elements: Iterable[tuple[int, Any]],
    shares: int,
    joined: threading.Event | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Any]:
    """Give elements by their numbers, 0, 1, 2, ...

    Workers are read in turn, one element each, so that whoever is ahead waits for the others, and
    no more elements wait here than there are shares. A worker that begins late is waited for: what
    comes meanwhile is read slowly, and no more than eight elements for each share.

    Args:
        elements: Pairs (number, element). A number that came before is left out: a worker that
            joins in the middle repeats the share of another.
        shares: In how many shares the numbers were dealt out, one in so many each.
        joined: Is set when a number comes twice.
        pause: Waits for a number of seconds.

    Raises:
        ShareLostError: A share is missing.

    Example:
    >>> list(in_order([(1, "b"), (0, "a"), (2, "c"), (0, "a"), (3, "d")], shares=2))
    ['a', 'b', 'c', 'd']
    """
    waiting: dict[int, Any] = {}
    due = 0
    for number, element in elements:
        if number >= due and number not in waiting:
            waiting[number] = element
        elif joined is not None:
            joined.set()
        while due in waiting:
            yield waiting.pop(due)
            due += 1
        if len(waiting) >= _SLACK * shares:
            raise ShareLostError(
                f"{len(waiting)} elements wait for number {due}, which no worker makes: one of "
                f"{shares} shares was lost"
            )
        if len(waiting) > shares:
            pause(_PAUSE)


class Ahead:
    """Read an iterator in a thread of its own, one item ahead, and wait for it with a limit.

    Args:
        source: Makes the iterator, in that thread.
        patience: Seconds to wait for an item.
    """

    def __init__(self, source: Callable[[], Iterator[Any]], patience: float) -> None:
        self._patience = patience
        self._items: queue.Queue[Any] = queue.Queue(1)
        self._peeked: list[Any] = []
        stop = threading.Event()
        # The thread holds none of this object, whose end is its own.
        thread = threading.Thread(target=_feed, args=(source, self._items, stop), daemon=True)
        # A finalizer does nothing any more by the time that `host_calls` closes this.
        self.close = partial(_end, thread, stop, self._items)
        weakref.finalize(self, self.close).atexit = False
        closed_at_end.add(self)
        thread.start()

    def peek(self) -> Any:
        """Give the next item, and keep it.

        Raises:
            TimeoutError: It did not come in time.
            Exception: What the iterator raised; a RuntimeError where it ended.
        """
        if not self._peeked:
            if ending.is_set():
                raise RuntimeError("Python ends")
            try:
                self._peeked = [self._items.get(timeout=self._patience)]
            except queue.Empty:
                raise TimeoutError(f"Nothing came within {self._patience:g} seconds") from None
        item = self._peeked[0]
        if isinstance(item, Exception):
            raise item
        return item

    def take(self) -> Any:
        """Give the next item; raises as `peek` does."""
        item = self.peek()
        self._peeked = []
        return item


def _feed(source: Callable[[], Iterator[Any]], items: Any, stop: threading.Event) -> None:
    try:
        for item in source():
            _put(item, items, stop)
            if stop.is_set():
                return
        raise RuntimeError("There were no more elements")
    except Exception as error:
        _put(error, items, stop)


def _put(item: Any, items: Any, stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(queue.Full):
            items.put(item, timeout=0.1)
            return


def _end(thread: threading.Thread, stop: threading.Event, items: Any) -> None:
    stop.set()
    with suppress(queue.Full):
        items.put_nowait(RuntimeError("It was closed"))  # for who waits
    if thread is not threading.current_thread():
        thread.join(timeout=1)
