"""The part of `keras.ops` that augmentation uses, in numpy.

Names, arguments and rules are those of `kernels.tensorflow`, so that a transform's tables and
matrices need not know which of the two they are made by. For a few numbers a sample a call of a
compiled function takes longer than numpy does.
"""

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.kernels import Tensor

abs = np.abs  # noqa: A001 - the name it has in keras.ops
bitwise_and = np.bitwise_and
bitwise_or = np.bitwise_or
bitwise_xor = np.bitwise_xor
ceil = np.ceil
clip = np.clip
concatenate = np.concatenate
cos = np.cos
exp = np.exp
floor = np.floor
left_shift = np.left_shift
log = np.log
logical_and = np.logical_and
logical_not = np.logical_not
logical_or = np.logical_or
max = np.max  # noqa: A001 - the name it has in keras.ops
maximum = np.maximum
min = np.min  # noqa: A001 - the name it has in keras.ops
minimum = np.minimum
ones_like = np.ones_like
reshape = np.reshape
right_shift = np.right_shift
round = np.round  # noqa: A001 - the name it has in keras.ops
shape = np.shape
sqrt = np.sqrt
stack = np.stack
take = np.take
where = np.where
zeros_like = np.zeros_like


def arange(stop: int, dtype: str) -> NDArray[Any]:
    """Count from 0 up to, not including, `stop`."""
    return np.arange(stop, dtype=dtype)


def cast(x: Any, dtype: str) -> NDArray[Any]:
    """Give a number or an array another dtype."""
    return np.asarray(x).astype(dtype, copy=False)


def cumsum(x: Tensor, axis: int) -> NDArray[Any]:
    """Add up along one axis, in the dtype of what is added."""
    return np.cumsum(x, axis=axis, dtype=x.dtype)


def fori_loop(lower: int, upper: int, body: Callable[..., Tensor], start: Tensor) -> Tensor:
    """Apply `body(number, value)` for each number from `lower` up to, not including, `upper`."""
    value = start
    for number in range(lower, upper):
        value = body(number, value)
    return value


def ones(shape: tuple[int, ...], dtype: str = "float32") -> NDArray[Any]:
    """Give ones."""
    return np.ones(shape, dtype)


def segment_sum(x: Tensor, segments: Tensor, num_segments: int) -> NDArray[Any]:
    """Add up rows by segments, in the dtype of what is added."""
    total = np.zeros((num_segments, *x.shape[1:]), x.dtype)
    np.add.at(total, segments, x)
    return total


def slice(  # noqa: A001 - the name it has in keras.ops
    x: Tensor, start_indices: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Cut out a part of a shape that begins at a place."""
    return x[tuple(map(builtins.slice, start_indices, np.add(start_indices, shape)))]  # type: ignore[no-any-return]


def sum(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Any:  # noqa: A001 - the name it has in keras.ops
    """Add up along one axis, in the dtype of what is added."""
    return np.sum(x, axis=axis, dtype=x.dtype, keepdims=keepdims)
