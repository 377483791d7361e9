"""Calls of TensorFlow's threads into Python, of which none must be under way when it ends.

A thread that calls while Python ends never comes back, and whoever lets go of the iterator then
waits for it for ever.
"""

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from functools import cache, wraps
from queue import SimpleQueue
from typing import Any

import tensorflow as tf

from kerastricks.augment.kernels import Tensor

_QUIET = 0.1
"""Seconds in which nobody calls any more: who was let through calls within microseconds."""
_PATIENCE = 30.0
"""Seconds to wait for calls under way, which may compile."""

ending = threading.Event()
"""Is set when Python ends."""
closed_at_end: "weakref.WeakSet[Any]" = weakref.WeakSet()
"""What others may wait for; it has a method `close`, which ends that."""


class _Calls:
    """Count the calls under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._changed = 0.0
        self.were_made = False

    def __enter__(self) -> None:
        with self._lock:
            self._under_way += 1
            self.were_made = True

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._under_way -= 1
            self._changed = time.monotonic()

    def wait(self, quiet: float, patience: float) -> None:
        """Wait until there were none for some seconds, and no longer than others."""
        begin = self._changed = time.monotonic()
        while (now := time.monotonic()) < begin + patience:
            if not self._under_way and now >= self._changed + quiet:
                return
            time.sleep(0.01)


_calls = _Calls()


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let Python end only when a function that TensorFlow calls has returned."""

    @wraps(function)
    def call(*args: Any) -> Any:
        with _calls:
            return function(*args)

    return call


def host_call(function: Callable[..., Any], inputs: Sequence[Tensor], dtypes: Any) -> Any:
    """Do as `tf.py_function` on the CPU, until Python ends: then an error comes, without Python."""
    go_on = tf.raw_ops.ReadVariableOp(resource=_goes_on(), dtype=tf.bool)
    check = tf.raw_ops.Assert(condition=go_on, data=["Python ends"])
    with tf.control_dependencies([check]):
        return tf.py_function(counted(_on_own_thread(function)), inputs, dtypes)


class _Worker:
    """A thread that makes calls, one after the other."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Any] = SimpleQueue()
        # No thread that Python waits for before it ends: calls are waited for, and these go on.
        threading.Thread(target=self._run, name="kerastricks", daemon=True).start()

    def _run(self) -> None:
        while True:
            function, args, answer = self._calls.get()
            try:
                with tf.device("CPU:0"):
                    answer.put((function(*args), None))
            except BaseException as error:  # raised again where the call was asked for
                answer.put((None, error))
            del function, args, answer

    def call(self, function: Callable[..., Any], args: Any) -> Any:
        answer: SimpleQueue[Any] = SimpleQueue()
        self._calls.put((function, args, answer))
        found, error = answer.get()
        if error is None:
            return found
        try:
            raise error
        finally:
            del error  # its traceback has this frame, which would keep it


_idle: list[_Worker] = []
"""Threads without a call, that which had one last at the end."""


def _on_own_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """Call on the thread that had a call last, and not on whichever of TensorFlow's is free.

    An allocator keeps what is freed for the thread that had asked for it: with many threads that is
    several batches.
    """

    def call(*args: Any) -> Any:
        try:
            worker = _idle.pop()
        except IndexError:
            worker = _Worker()
        try:
            return worker.call(function, args)
        finally:
            _idle.append(worker)

    unconverted: Callable[..., Any] = tf.autograph.experimental.do_not_convert(call)
    return unconverted


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # which has none of these threads


@cache
def _goes_on() -> Tensor:
    """A resource that says whether Python goes on, for graphs to read.

    No `tf.Variable`, which a distribution strategy would make several of.
    """
    with tf.init_scope(), tf.device("CPU:0"):
        handle = tf.raw_ops.VarHandleOp(
            dtype=tf.bool, shape=(), shared_name="kerastricks_python_goes_on"
        )
        tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(True))
    return handle


@atexit.register
def _end() -> None:
    """Let nobody call any more, and nobody wait for what cannot come."""
    ending.set()
    if _goes_on.cache_info().currsize:
        with tf.device("CPU:0"):
            tf.raw_ops.AssignVariableOp(resource=_goes_on(), value=tf.constant(False))
    for each in list(closed_at_end):
        each.close()
    if _calls.were_made:
        _calls.wait(_QUIET, _PATIENCE)
