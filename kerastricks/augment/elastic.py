"""Smooth random displacement: a few control points, and a surface through which they pull."""

from typing import Any

from kerastricks.augment.kernels import Ops, Size, Tensor

ITERATIONS = 12
"""Steps of the fixed-point iteration that undoes a displacement: slopes are a half at most."""

_FEW = 8
"""Control points along an axis up to which all are added up everywhere, most of them times 0: that
takes sums in long loops, where the four by four near a place have to be looked up. Where nothing is
compiled, more take longer."""


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
    few = points <= _FEW

    def axis(place: Tensor, length: Any) -> list[tuple[Any, Tensor]]:
        """The points along an axis that may pull, and how much they do."""
        pixels = ops.cast(length, "float32")
        u = ops.clip((place + pixels / 2.0) * (cells / pixels), 0.0, cells)
        if few:
            return [(point, _cubic(ops, u + (1.0 - point))) for point in range(points)]
        cell = ops.minimum(ops.floor(u), cells - 1.0)
        near = [(cell + point, u - cell + (1.0 - point)) for point in map(float, range(4))]
        return [(ops.cast(point, "int32"), _cubic(ops, apart)) for point, apart in near]

    flat = ops.reshape(grid, (-1, 2))
    offsets = (ops.arange(batch, dtype="int32") * (points * points))[:, None, None]

    def moves(row: Any, column: Any) -> Tensor:
        """Control points, (B, h, w, 2) or (B, 1, 1, 2)."""
        if few:
            return grid[:, row, column, None, None]
        return ops.take(flat, offsets + row * points + column, axis=0)

    across = axis(x, size[1])
    shifts = []
    for coordinate in range(2):
        lines = [
            tall * sum(wide * moves(row, column)[..., coordinate] for column, wide in across)
            for row, tall in axis(y, size[0])
        ]
        shifts.append(sum(lines[1:], start=lines[0]))
    return shifts[0], shifts[1]


def _cubic(ops: Ops, distance: Tensor) -> Tensor:
    """The uniform cubic B-spline, at distances in cells from its middle."""
    distance = ops.abs(distance)
    inner, outer = ops.maximum(1.0 - distance, 0.0), ops.maximum(2.0 - distance, 0.0)
    return (outer * outer * outer - 4.0 * inner * inner * inner) * (1.0 / 6.0)


def undisplaced(ops: Ops, grid: Tensor, x: Tensor, y: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Find the places whose displaced places are given: the inverse of p + displacement(p)."""
    goal = ops.stack([x, y])

    def nearer(number: Any, at: Tensor) -> Tensor:
        del number
        return goal - ops.stack(displacement(ops, grid, at[0], at[1], size))

    found = ops.fori_loop(0, ITERATIONS, nearer, goal)
    return found[0], found[1]
