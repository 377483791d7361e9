"""Histogram equalization."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch, dtype_of
from kerastricks.addons.image._kernels import Tensor


def equalize(image: Any, bins: int = 256, name: str | None = None) -> Tensor:
    """Spread the values of each channel of each image evenly over 0 ... bins - 1.

    With n[v] values of level v, and a step that leaves out those of the highest level,

        step = (number of pixels - n[highest]) // (bins - 1)
        out  = clip((n[0] + ... + n[v - 1] + step // 2) // step, 0, bins - 1)

    and the channel as it is where the step is 0.

    Args:
        image: (H, W), (H, W, C) or (B, H, W, C), of values from 0 to bins - 1. Of floating-point
            values the whole part is the level: do not use it on images from 0 to 1.
        bins: The number of levels. Defaults to 256.
        name: Taken for compatibility; has no effect.

    Returns:
        Images of the same shape and dtype.

    Raises:
        TypeError: If the values are no numbers.
        ValueError: If the rank is none of these, or there are fewer than 2 bins.

    Example:
    >>> import keras
    >>> levels = keras.ops.reshape(keras.ops.arange(1024, dtype="int32"), (32, 32)) // 256
    >>> sorted(set(keras.ops.convert_to_numpy(equalize(levels)).ravel().tolist()))
    [0, 85, 171, 255]

    Reference:
        `ImageOps.equalize` of Pillow.

    Differs from TensorFlow Addons in: values beyond the range, which raise there, count as the
    nearest in it. A channel of floating-point values that stays as it is keeps its fractions.
    """
    if bins < 2:
        raise ValueError(f"`bins` must be at least 2. Received: bins={bins}")
    batch, restored = as_batch(image)
    count, _, _, channels = ops.shape(batch)
    levels = ops.clip(ops.cast(batch, "int32"), 0, bins - 1)
    rows = ops.reshape(ops.arange(count * channels, dtype="int32"), (count, 1, 1, channels))
    places = rows * bins + levels
    flat = ops.reshape(places, (-1,))
    numbers = ops.segment_sum(ops.ones_like(flat), flat, count * channels * bins)
    numbers = ops.reshape(numbers, (count * channels, bins))
    below = ops.cumsum(numbers, axis=1) - numbers
    # What lies below the highest level that occurs is the largest such sum of a level that occurs.
    lower = ops.max(ops.where(numbers > 0, below, ops.zeros_like(below)), axis=1, keepdims=True)
    step = lower // (bins - 1)
    table = ops.clip((below + step // 2) // ops.maximum(step, 1), 0, bins - 1)
    spread = ops.take(ops.reshape(table, (-1,)), places, axis=0)
    stays = ops.reshape(step == 0, (count, 1, 1, channels))
    return restored(ops.where(stays, batch, ops.cast(spread, dtype_of(batch))))
