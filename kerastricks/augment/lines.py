"""Read the neighbors of all pixels at once, as whole lines of memory.

Loops over the last axis of (B, H, W, C) are as short as there are channels, and no compiler makes
much of them. Moved by pixels, the lines of all channels are whole lines still.
"""

from collections.abc import Callable
from typing import Any

from kerastricks.augment.border import Border
from kerastricks.augment.kernels import Ops, Tensor


def lines(
    ops: Ops, images: Tensor, axis: int, border: Border, radius: Any
) -> Callable[[Any], Tensor]:
    """Prepare a batch for reads of neighbors along one axis.

    Args:
        ops: `keras.ops` or a namespace like it.
        images: Tensor (B, H, W, C).
        axis: 1 or 2.
        border: What lies beyond the border; not a constant.
        radius: How far away neighbors are, in pixels; perhaps a tensor.

    Returns:
        A function of a number k, a whole float or a scalar tensor. It gives the neighbor k - radius
        pixels further along the axis of each pixel, as a tensor (B, H, W * C) of the images' dtype.
    """
    batch, height, width, channels = ops.shape(images)
    length = height if axis == 1 else width
    shape = batch, height, width * channels
    rows = ops.cast(length, "float32")

    def read(place: Tensor) -> Tensor:
        whole = border.neighbor(ops, border.fold(ops, place, rows), rows)
        return ops.take(images, ops.cast(whole, "int32"), axis=axis)

    if not isinstance(radius, int):
        # Compilers want to know lengths, and this one is not known.
        middle = ops.cast(radius, "float32")
        place = ops.arange(length, dtype="float32")
        return lambda number: ops.reshape(read(place + (number - middle)), shape)

    place = ops.arange(radius, dtype="float32")
    longer = ops.concatenate([read(place - float(radius)), images, read(place + rows)], axis=axis)
    more = 2 * radius
    if axis == 1:
        longer = ops.reshape(longer, (batch, height + more, width * channels))
    else:
        longer = ops.reshape(longer, (batch, height, (width + more) * channels))

    def moved(number: Any) -> Tensor:
        begin = int(number) if isinstance(number, float) else ops.cast(number, "int32")
        start = (0, begin, 0) if axis == 1 else (0, 0, begin * channels)
        return ops.slice(longer, start, shape)

    return moved
