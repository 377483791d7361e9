"""Bilinear interpolation at any places of a grid."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.image._images import choice, dtype_of
from kerastricks.addons.image._kernels import Tensor


def interpolate_bilinear(
    grid: Any, query_points: Any, indexing: str = "ij", name: str | None = None
) -> Tensor:
    """Interpolate a grid bilinearly at any places; beyond its border lie its outermost values.

    Gradients reach the grid and, within it, the places.

    Args:
        grid: Floating-point tensor (B, H, W, C).
        query_points: Tensor (B, N, 2), in pixels.
        indexing: `"ij"` for points (row, column), `"xy"` for (column, row).
        name: Taken for compatibility; has no effect.

    Returns:
        Tensor (B, N, C) of the grid's dtype.

    Raises:
        TypeError: If the grid is not of floating-point numbers.
        ValueError: If a shape or `indexing` is none of these.

    Example:
    >>> import keras
    >>> grid = keras.ops.reshape(keras.ops.arange(6, dtype="float32"), (1, 2, 3, 1))
    >>> values = interpolate_bilinear(grid, [[[0.5, 1.0], [0.0, 9.0]]])
    >>> keras.ops.convert_to_numpy(values)[0, :, 0].tolist()
    [2.5, 2.0]

    Differs from TensorFlow Addons in: a grid may have a single row or column.
    """
    grid, points = ops.convert_to_tensor(grid), ops.convert_to_tensor(query_points)
    dtype = dtype_of(grid)
    if not keras.backend.is_float_dtype(dtype):
        raise TypeError(
            "`grid` must be of floating-point numbers. "
            f"Received: a grid of dtype {dtype!r}; convert it with `keras.ops.cast`."
        )
    if len(grid.shape) != 4 or len(points.shape) != 3 or points.shape[2] not in (None, 2):
        raise ValueError(
            "`grid` must be (batch, height, width, channels), `query_points` (batch, N, 2). "
            f"Received: shapes {tuple(grid.shape)} and {tuple(points.shape)}"
        )
    if not keras.backend.is_float_dtype(dtype_of(points)):
        points = ops.cast(points, "float32")
    row, column = (0, 1) if choice("indexing", indexing, ("ij", "xy")) == "ij" else (1, 0)
    batch, height, width, channels = ops.shape(grid)
    top, bottom, down = _between(points[:, :, row], height, dtype)
    left, right, across = _between(points[:, :, column], width, dtype)
    flat = ops.reshape(grid, (-1, channels))
    offset = (ops.cast(ops.arange(batch), "int32") * height)[:, None]

    def read(y: Tensor, x: Tensor) -> Tensor:
        return ops.take(flat, (offset + y) * width + x, axis=0)

    upper, lower = read(top, left), read(bottom, left)
    upper = upper + across * (read(top, right) - upper)
    lower = lower + across * (read(bottom, right) - lower)
    return upper + down * (lower - upper)


def _between(places: Tensor, length: Any, dtype: str) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels before and behind each place, int32 (B, N), and the way between, (B, N, 1)."""
    last = ops.cast(ops.maximum(ops.cast(length, "int32") - 2, 0), dtype_of(places))
    floor = ops.minimum(ops.maximum(ops.floor(places), ops.zeros_like(last)), last)
    way = ops.cast(places - floor, dtype)
    way = ops.minimum(ops.maximum(way, ops.zeros_like(way)), ops.ones_like(way))
    before = ops.cast(floor, "int32")
    return before, ops.minimum(before + 1, ops.cast(length, "int32") - 1), way[..., None]
