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
