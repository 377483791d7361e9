"""The part of `keras.ops` that small tables and matrices take, in numpy.

Names and arguments are those of `kernels.tensorflow`. For a few numbers a sample a call of a
compiled function takes longer than they do.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.kernels import Tensor

abs = np.abs  # noqa: A001 - the name it has in keras.ops
arange = np.arange
bitwise_and = np.bitwise_and
bitwise_or = np.bitwise_or
bitwise_xor = np.bitwise_xor
ceil = np.ceil
clip = np.clip
cos = np.cos
exp = np.exp
floor = np.floor
left_shift = np.left_shift
log = np.log
logical_and = np.logical_and
logical_not = np.logical_not
logical_or = np.logical_or
maximum = np.maximum
minimum = np.minimum
ones_like = np.ones_like
repeat = np.repeat
reshape = np.reshape
right_shift = np.right_shift
round = np.rint  # noqa: A001 - the name it has in keras.ops
sqrt = np.sqrt
stack = np.stack
take = np.take
where = np.where
zeros_like = np.zeros_like


def cast(x: Any, dtype: str) -> NDArray[Any]:
    """Give a number or an array another dtype."""
    return np.asarray(x).astype(dtype, copy=False)


def concatenate(parts: Any, axis: int) -> NDArray[Any]:
    """Put arrays one after the other."""
    return np.concatenate(parts, axis=axis)


def cumsum(x: Tensor, axis: int) -> NDArray[Any]:
    """Add up along one axis, in the dtype of what is added."""
    return np.cumsum(x, axis=axis, dtype=x.dtype)


def max(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Any:  # noqa: A001 - the name it has in keras.ops
    """Give the largest along one axis."""
    return np.max(x, axis=axis, keepdims=keepdims)


def min(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Any:  # noqa: A001 - the name it has in keras.ops
    """Give the least along one axis."""
    return np.min(x, axis=axis, keepdims=keepdims)


def ones(shape: tuple[int, ...], dtype: str = "float32") -> NDArray[Any]:
    """Give ones."""
    return np.ones(shape, dtype)


def segment_sum(x: Tensor, segments: Tensor, num_segments: int) -> NDArray[Any]:
    """Add up whole numbers by segments."""
    # Sums are exact in float64 below 2**53.
    return np.bincount(segments, weights=x, minlength=num_segments).astype(x.dtype)


def shape(x: Tensor) -> tuple[int, ...]:
    """Give the shape."""
    return x.shape  # type: ignore[no-any-return]


def sum(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Any:  # noqa: A001 - the name it has in keras.ops
    """Add up along one axis, in the dtype of what is added."""
    return np.sum(x, axis=axis, dtype=x.dtype, keepdims=keepdims)
