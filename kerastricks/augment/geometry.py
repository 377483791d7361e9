"""Matrices of points (x, y, 1), one a sample."""

import math

from kerastricks.augment.kernels import Ops, Tensor

_SINE = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(6))
_COSINE = tuple((-1) ** n / math.factorial(2 * n) for n in range(6))


def affine(
    ops: Ops, x_row: tuple[Tensor, Tensor, Tensor], y_row: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Stack six tensors of shape (B,) into matrices (B, 3, 3) whose last row is (0, 0, 1)."""
    zeros = ops.zeros_like(x_row[0])
    last = (zeros, zeros, ops.ones_like(zeros))
    return ops.stack([ops.stack(row, axis=-1) for row in (x_row, y_row, last)], axis=-2)


def scaling(ops: Ops, x: Tensor, y: Tensor) -> Tensor:
    """Stack factors of shape (B,) into matrices (B, 3, 3) that stretch along the axes."""
    zeros = ops.zeros_like(x)
    return affine(ops, (x, zeros, zeros), (zeros, y, zeros))


def shifting(ops: Ops, x: Tensor, y: Tensor) -> Tensor:
    """Stack shifts of shape (B,) in pixels into matrices (B, 3, 3)."""
    ones, zeros = ops.ones_like(x), ops.zeros_like(x)
    return affine(ops, (ones, zeros, x), (zeros, ones, y))


def inverse(ops: Ops, matrices: Tensor) -> Tensor:
    """Invert matrices (B, 3, 3) by cofactors, up to the scale that homogeneous points ignore.

    A matrix whose last row is (0, 0, 1) has an inverse with that row.
    """
    m = [[matrices[:, row, column] for column in range(3)] for row in range(3)]

    def cofactor(row: int, column: int) -> Tensor:
        a, b = (row + 1) % 3, (row + 2) % 3
        c, d = (column + 1) % 3, (column + 2) % 3
        return m[a][c] * m[b][d] - m[a][d] * m[b][c]

    rows = [[cofactor(column, row) for column in range(3)] for row in range(3)]
    stacked = ops.stack([ops.stack(row, axis=-1) for row in rows], axis=-2)
    return stacked / stacked[:, 2:, 2:]


def quadrilateral(ops: Ops, corners: Tensor) -> Tensor:
    """Give the projective matrices that map the square (-1, -1)..(1, 1) to four corners.

    In closed form (Heckbert, "Fundamentals of texture mapping and image warping", 1989, section
    2.2.3), so that no linear system is solved.

    Args:
        ops: `keras.ops` or a namespace like it.
        corners: float32 tensor (B, 4, 2): x and y of the images of (-1, -1), (1, -1), (1, 1) and
            (-1, 1).

    Returns:
        float32 tensor (B, 3, 3).
    """
    x, y = ([corners[:, corner, axis] for corner in range(4)] for axis in range(2))
    dx1, dx2, sx = x[1] - x[2], x[3] - x[2], x[0] - x[1] + x[2] - x[3]
    dy1, dy2, sy = y[1] - y[2], y[3] - y[2], y[0] - y[1] + y[2] - y[3]
    determinant = dx1 * dy2 - dx2 * dy1
    g = (sx * dy2 - dx2 * sy) / determinant
    h = (dx1 * sy - sx * dy1) / determinant
    # Of the unit square; (u + 1) / 2 brings the square about the origin to it.
    a, b = x[1] - x[0] + g * x[1], x[3] - x[0] + h * x[3]
    d, e = y[1] - y[0] + g * y[1], y[3] - y[0] + h * y[3]
    rows = [(a, b, x[0]), (d, e, y[0]), (g, h, ops.ones_like(g))]
    halved = [ops.stack([u / 2.0, v / 2.0, w + (u + v) / 2.0], axis=-1) for u, v, w in rows]
    stacked = ops.stack(halved, axis=-2)
    return stacked / stacked[:, 2:, 2:]


def compose(ops: Ops, first: Tensor, second: Tensor) -> Tensor:
    """Give the matrices of doing `first`, then `second`, to an image.

    Matrices map output to input, so the later transform is looked up first: first @ second.

    Args:
        ops: `keras.ops` or a namespace like it.
        first: float32 tensor (B, 3, 3).
        second: float32 tensor (B, 3, 3).

    Returns:
        float32 tensor (B, 3, 3).
    """
    # A matmul may run in TF32 on an accelerator, and ten bits of mantissa misplace pixels.
    return ops.sum(first[:, :, :, None] * second[:, None, :, :], axis=2)


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    value = x * 0.0 + coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


def cosine_and_sine(ops: Ops, degrees: Tensor) -> tuple[Tensor, Tensor]:
    """Give cosine and sine of an angle in degrees, exact at multiples of 90.

    The angle is reduced to within 45 degrees of a multiple of 90, and the Taylor series there ends
    below float32's precision. Library functions will not do: they are inexact at 90 degrees, and
    vectorised ones may differ in the last bit with an element's place in the batch.

    Args:
        ops: `keras.ops` or a namespace like it.
        degrees: float32 tensor of any shape.

    Returns:
        The cosine and the sine, float32 tensors of that shape.

    Example:
    >>> import keras
    >>> cosine, sine = cosine_and_sine(keras.ops, keras.ops.convert_to_tensor([90.0, 180.0]))
    >>> [float(c) for c in cosine], [float(s) for s in sine]
    ([0.0, -1.0], [1.0, 0.0])
    """
    turns = ops.floor(degrees / 90.0 + 0.5)
    x = (degrees - 90.0 * turns) * (math.pi / 180)
    sine = x * _polynomial(x * x, _SINE)
    cosine = _polynomial(x * x, _COSINE)
    quadrant = turns - 4.0 * ops.floor(turns / 4.0)
    zeros = ops.zeros_like(x)
    odd = (quadrant - 2.0 * ops.floor(quadrant / 2.0)) > 0.5
    cosine, sine = ops.where(odd, zeros - sine, cosine), ops.where(odd, cosine, sine)
    upper = quadrant > 1.5
    return ops.where(upper, zeros - cosine, cosine), ops.where(upper, zeros - sine, sine)
