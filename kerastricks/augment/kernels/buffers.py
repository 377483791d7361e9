"""Arrays that numpy writes and TensorFlow reads, without a copy in between.

The memory is TensorFlow's own. Were it numpy's, whoever lets go of a tensor last would need Python,
which TensorFlow's threads no longer get while a program ends.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerastricks.augment.kernels import Tensor


class _Room(np.ndarray[Any, Any]):
    """An array over the memory of a tensor."""

    tensor: Tensor = None


def empty(shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Give an array that `handed_over` need not copy, with anything in it."""
    shape = tuple(int(length) for length in shape)
    if 0 in shape:
        return np.empty(shape, dtype)
    with tf.device("CPU:0"):
        tensor = tf.raw_ops.Empty(shape=shape, dtype=tf.as_dtype(dtype), init=False)
    address = np.asarray(tensor).ctypes.data
    count = int(np.prod(shape, dtype="int64")) * np.dtype(dtype).itemsize
    room = (ctypes.c_char * count).from_address(address)
    room.tensor = tensor  # lives as long as any view of its memory
    out: _Room = np.frombuffer(room, "uint8").view(dtype).reshape(shape).view(_Room)
    out.tensor = tensor
    return out


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
    if tensor is None:
        with tf.device("CPU:0"):
            return tf.convert_to_tensor(array)
    return tensor
