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
    rows = ops.cast(height if axis == 1 else width, "float32")
    place = ops.arange(radius, dtype="float32")

    def beyond(place: Tensor) -> Tensor:
        whole = border.neighbor(ops, border.fold(ops, place, rows), rows)
        return ops.take(images, ops.cast(whole, "int32"), axis=axis)

    before = beyond(place - ops.cast(radius, "float32"))
    longer = ops.concatenate([before, images, beyond(place + rows)], axis=axis)
    pixel = width * channels if axis == 1 else channels
    longer = ops.reshape(longer, (batch, -1, pixel) if axis == 1 else (batch, height, -1))

    def moved(number: Any) -> Tensor:
        begin = int(number) if isinstance(number, float) else ops.cast(number, "int32")
        if axis == 1:
            return longer[:, begin : begin + height]
        return longer[:, :, begin * channels : (begin + width) * channels]

    return moved
