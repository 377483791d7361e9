"""Arrays that numpy writes and TensorFlow reads, without a copy in between."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerastricks.augment.kernels import Tensor

_ALIGNMENT = 64
"""At multiples of so many bytes TensorFlow's loops expect an array to begin."""


def empty(shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Give an array that `handed_over` need not copy, with anything in it."""
    count = int(np.prod(shape, dtype="int64")) * np.dtype(dtype).itemsize
    room = np.empty(count + _ALIGNMENT, "uint8")
    first = -room.ctypes.data % _ALIGNMENT
    out: NDArray[Any] = room[first : first + count].view(dtype).reshape(shape)
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
    flags = array.flags
    if array.ctypes.data % _ALIGNMENT or not (flags.c_contiguous and flags.writeable):
        array = cast(array, array.dtype)
    if array.dtype.kind in "iuf":
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    # numpy has no name for bfloat16 that it could pass on.
    words = array.view(f"uint{8 * array.itemsize}")
    return tf.bitcast(tf.experimental.dlpack.from_dlpack(words.__dlpack__()), array.dtype)
