"""Arrays that numpy writes and TensorFlow reads, without a copy in between.

Small ones lie in memory of TensorFlow's own, large ones in blocks that are used again when nobody
reads them any more. An allocator may keep what it is given back, several batches of it, for the
threads that had asked for it; and to ask for pages anew takes longer than to fill them.
"""

import ctypes
import time
import weakref
from collections import Counter, deque
from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerastricks.augment.kernels import Tensor

LARGE = 1 << 22
"""Bytes from which memory is used again."""
_WORTH_A_PAUSE = 1 << 23
"""Bytes from which it takes longer to fill a block than to wait for one."""
_PAUSE = 0.001
"""Seconds in which whoever asked for the next batch lets go of the last."""
_KEPT_OF_A_SIZE = 2
"""Free blocks: the next batch may have another size, and the one after that the same."""
_ALIGNED = 64
"""Bytes that addresses are multiples of, or else TensorFlow copies."""

_free: deque[NDArray[np.uint8]] = deque(maxlen=8)
"""Blocks that nobody reads, the latest last; older ones go back to the allocator."""
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
    memory = (ctypes.c_char * bytes_).from_address(block.ctypes.data + begin)
    weakref.finalize(memory, _free.append, block).atexit = False
    return memory


def _taken(bytes_: int) -> NDArray[np.uint8] | None:
    """Take a free block of that size, by steps that other threads cannot come between."""
    found, others = None, []
    of_a_size: Counter[int] = Counter()
    while True:
        try:
            block = _free.pop()
        except IndexError:
            break
        if found is None and len(block) == bytes_ + _ALIGNED:
            found = block
        elif of_a_size[len(block)] < _KEPT_OF_A_SIZE:
            others.append(block)
            of_a_size[len(block)] += 1
    _free.extendleft(others)
    return found


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
        with tf.device("CPU:0"):
            return tf.convert_to_tensor(array)
    number = next(_numbers)
    _handed[number] = array
    return _reader(array.dtype.name)(tf.constant(number, tf.int64))


@cache
def _reader(dtype: str) -> Any:
    """Make a tensor of what was handed over under a number.

    TensorFlow lets go of such an array without Python, which its threads no longer get while a
    program ends, and Python is told later.
    """

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((), tf.int64)])
    def read(number: Tensor) -> Tensor:
        return tf.numpy_function(lambda number: _handed.pop(int(number)), [number], dtype)

    return read.get_concrete_function()
