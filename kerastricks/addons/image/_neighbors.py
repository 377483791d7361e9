"""The neighbors of each pixel within a rectangle, and what lies beyond the border."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from kerastricks.addons.image._images import choice, dtype_of
from kerastricks.addons.image._kernels import Tensor

PADDINGS = ("reflect", "constant", "symmetric")


def padded(batch: Tensor, shape: tuple[int, int], padding: str, constant_values: Any) -> Tensor:
    """Extend a batch so that every pixel has all neighbors within a rectangle.

    Args:
        batch: (B, H, W, C).
        shape: (height, width) of the rectangle; of an even length one more pixel lies behind.
        padding: `"REFLECT"` (d c b | a b c d | c b a), `"SYMMETRIC"` (c b a | a b c d | d c b) or
            `"CONSTANT"`, in capitals or not.
        constant_values: What lies beyond the border with "CONSTANT".

    Returns:
        (B, H + height - 1, W + width - 1, C).

    Raises:
        ValueError: If `padding` is none of these.
    """
    mode = choice("padding", padding, PADDINGS)
    before = [(length - 1) // 2 for length in shape]
    behind = [length - 1 - front for length, front in zip(shape, before, strict=True)]
    if mode == "constant":
        value = ops.cast(constant_values, dtype_of(batch))
        amounts = [(0, 0), *zip(before, behind, strict=True), (0, 0)]
        return _with_border(batch, amounts, value)
    for axis, front, back in zip((1, 2), before, behind, strict=True):
        if front or back:
            batch = ops.take(batch, _mirrored(ops.shape(batch)[axis], front, back, mode), axis)
    return batch


def weighed_sum(extended: Tensor, axis: int, length: Any, weights: Sequence[Any]) -> Tensor:
    """Sum over neighbors along one axis.

    Args:
        extended: (B, H, W, C), longer by the number of weights less 1 along `axis`.
        axis: 1 or 2.
        length: The length of the result along it.
        weights: A number for each neighbor, from the first to the last.

    Returns:
        The sum of weight * neighbor.
    """
    total = None
    for position, weight in enumerate(weights):
        part = shifted(extended, axis, position, length) * weight
        total = part if total is None else total + part
    return total


def shifted(extended: Tensor, axis: int, position: int, length: Any) -> Tensor:
    """`length` entries along axis 1 or 2, from `position` on."""
    part = slice(position, position + length)
    return extended[:, part] if axis == 1 else extended[:, :, part]


def _with_border(batch: Tensor, amounts: Sequence[tuple[int, int]], value: Tensor) -> Tensor:
    # Zeros and a mask, since `keras.ops.pad` takes no tensor for a value.
    inside = ops.pad(ops.ones_like(batch[..., :1]), amounts)
    return ops.where(inside == 1, ops.pad(batch, amounts), value)


def _mirrored(length: Any, front: int, back: int, mode: str) -> Tensor:
    """Which pixel is read at -front ... length + back - 1, mirrored as often as need be.

    `keras.ops.pad` repeats the last pixel for "symmetric" on torch, and takes no whole numbers.
    """
    places = ops.cast(ops.arange(front + length + back), "int32") - front
    length = ops.cast(length, "int32")
    if mode == "symmetric":
        places = places % (2 * length)
        return ops.minimum(places, 2 * length - 1 - places)
    period = ops.maximum(2 * length - 2, 1)
    places = places % period
    return ops.minimum(places, period - places)
