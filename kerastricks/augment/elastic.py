"""Smooth random displacement: a few control points, and a surface through which they pull."""

from typing import Any

from kerastricks.augment.kernels import Ops, Size, Tensor

ITERATIONS = 12
"""Steps of the fixed-point iteration that undoes a displacement: slopes are a half at most."""


def displacement(ops: Ops, grid: Tensor, x: Tensor, y: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Give the displacement at places of an image: a uniform cubic B-spline over control points.

    Args:
        ops: `keras.ops` or a namespace like it.
        grid: float32 tensor (B, G, G, 2): control points, x and y in pixels, G - 3 cells along each
            axis, the outer points one cell beyond the image.
        x: Places, float32 tensor (B, h, w), in pixels from the center.
        y: The same, downwards.
        size: (height, width) of the image.

    Returns:
        Shifts along x and y, each (B, h, w). Beyond the image they are those at its edge.
    """
    batch, points, _, _ = ops.shape(grid)
    cells = float(points - 3)
    flat = ops.reshape(grid, (-1, 2))
    offsets = (ops.arange(batch, dtype="int32") * (points * points))[:, None, None]

    def axis(place: Tensor, length: Any) -> tuple[Tensor, list[Tensor]]:
        pixels = ops.cast(length, "float32")
        u = ops.clip((place + pixels / 2.0) * (cells / pixels), 0.0, cells)
        cell = ops.minimum(ops.floor(u), cells - 1.0)
        t = u - cell
        s = 1.0 - t
        weights = [
            s * s * s / 6.0,
            (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
            (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0,
            t * t * t / 6.0,
        ]
        return ops.cast(cell, "int32"), weights

    column, across = axis(x, size[1])
    row, down = axis(y, size[0])
    total = None
    for i, tall in enumerate(down):
        for j, wide in enumerate(across):
            index = offsets + (row + i) * points + column + j
            term = (tall * wide)[..., None] * ops.take(flat, index, axis=0)
            total = term if total is None else total + term
    assert total is not None
    return total[..., 0], total[..., 1]


def undisplaced(ops: Ops, grid: Tensor, x: Tensor, y: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Find the places whose displaced places are given: the inverse of p + displacement(p)."""
    goal = ops.stack([x, y])

    def nearer(number: Any, at: Tensor) -> Tensor:
        del number
        return goal - ops.stack(displacement(ops, grid, at[0], at[1], size))

    found = ops.fori_loop(0, ITERATIONS, nearer, goal)
    return found[0], found[1]
