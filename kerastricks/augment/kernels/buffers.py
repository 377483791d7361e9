"""Arrays that numpy writes and TensorFlow reads, without a copy in between.

Small ones lie in memory of TensorFlow's own, large ones in blocks that are used again when nobody
reads them any more; the last few stay. An allocator may keep what it is given back, several batches
of it, for the threads that had asked for it; or the system clears pages that it gives out anew,
which takes longer than to fill them. Where there is an accelerator too, this is for code within
`tf.device("CPU:0")`, as host calls are.
"""

import ctypes
import sys
import time
import weakref
from collections import Counter, deque
from collections.abc import Sequence
from functools import cache
from itertools import count
from threading import Lock
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerastricks.augment.kernels import Tensor

LARGE = 1 << 22
"""Bytes from which memory is used again."""
_WORTH_A_PAUSE = 1 << 23
"""Bytes from which it takes longer to clear a new block than to wait for one."""
_PAUSE = 0.001
"""Seconds in which whoever was given the next batch lets go of the last."""
_KEPT_OF_A_SIZE = 2
"""Free blocks: the next batch may have another size, and the one after that the same."""
_ALIGNED = 64
"""Bytes that addresses are multiples of, or else TensorFlow copies."""

_MOST_KEPT = 8
_returned: deque[NDArray[np.uint8]] = deque(maxlen=_MOST_KEPT)
"""Blocks that nobody reads any more; any thread adds to them, whatever it is at."""
_free: list[NDArray[np.uint8]] = []
"""Those that were seen to have come back, the latest last."""
_lock = Lock()
_handed: dict[int, NDArray[Any]] = {}
_numbers = count()


class _Room(np.ndarray[Any, Any]):
    """An array over memory that TensorFlow may read."""

    tensor: Tensor = None
    """The tensor of the same memory, where it is TensorFlow's."""


def empty(shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Give an array that `handed_over` need not copy, with anything in it."""
    shape = tuple(int(length) for length in shape)
    if 0 in shape:
        return np.empty(shape, dtype)
    bytes_ = int(np.prod(shape, dtype="int64")) * np.dtype(dtype).itemsize
    if bytes_ >= LARGE:
        return _shaped(_recycled(bytes_), shape, dtype)
    tensor = tf.raw_ops.Empty(shape=shape, dtype=tf.as_dtype(dtype), init=False)
    if not tensor.device.endswith("CPU:0"):
        with tf.device("CPU:0"):
            tensor = tf.raw_ops.Empty(shape=shape, dtype=tf.as_dtype(dtype), init=False)
    memory = (ctypes.c_char * bytes_).from_address(np.asarray(tensor).ctypes.data)
    memory.tensor = tensor  # lives as long as any view of its memory
    out = _shaped(memory, shape, dtype)
    out.tensor = tensor
    return out


def _shaped(memory: Any, shape: Sequence[int], dtype: Any) -> _Room:
    out: _Room = np.frombuffer(memory, "uint8").view(dtype).reshape(shape).view(_Room)
    return out


def _recycled(bytes_: int) -> Any:
    """Give memory that is used again when the last view of it is gone."""
    block = _taken(bytes_)
    if block is None and bytes_ >= _WORTH_A_PAUSE:
        time.sleep(_PAUSE)
        block = _taken(bytes_)
    if block is None:
        block = np.empty(bytes_ + _ALIGNED, "uint8")
    begin = -block.ctypes.data % _ALIGNED
    memory: Any = (ctypes.c_char * bytes_).from_address(block.ctypes.data + begin)
    memory.block = block  # it stays where Python ends, and TensorFlow does not yet
    weakref.finalize(memory, _returned.append, block).atexit = False
    return memory


def _taken(bytes_: int) -> NDArray[np.uint8] | None:
    """Take the latest free block of that size, and keep some of the others."""
    with _lock:
        while _returned:
            _free.append(_returned.popleft())
        found, kept = None, []
        of_a_size: Counter[int] = Counter()
        for block in reversed(_free):
            if found is None and len(block) == bytes_ + _ALIGNED:
                found = block
            elif of_a_size[len(block)] < _KEPT_OF_A_SIZE:
                kept.append(block)
                of_a_size[len(block)] += 1
        _free[:] = reversed(kept[:_MOST_KEPT])
        return found


def give_back() -> None:
    """Let the system have what an allocator keeps of memory that a compiler is done with.

    The C library of most Linux systems keeps tens of MiB of it.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim.argtypes = [ctypes.c_size_t]
    return trim


def cast(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Do as `array.astype(dtype)`, into an array of `empty`."""
    out = empty(array.shape, dtype)
    out[...] = array
    return out


def handed_over(array: NDArray[Any]) -> Tensor:
    """Make a tensor of an array, which must not be written to any more.

    `tf.convert_to_tensor` copies, once or twice: it cannot know that.
    """
    tensor = getattr(array, "tensor", None)
    if tensor is not None:
        return tensor
    if not isinstance(array, _Room) or array.nbytes < LARGE:
        return tf.convert_to_tensor(array)
    number = next(_numbers)
    _handed[number] = array
    try:
        return _reader(array.dtype.name)(tf.constant(number, tf.int64))
    finally:
        _handed.pop(number, None)


@cache
def _reader(dtype: str) -> Any:
    """Make a tensor of what was handed over under a number.

    TensorFlow lets go of such an array without Python, which its threads no longer get while a
    program ends, and Python is told later.
    """

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((), tf.int64)])
    def read(number: Tensor) -> Tensor:
        return tf.numpy_function(lambda number: _handed[int(number)], [number], dtype)

    return read.get_concrete_function()
