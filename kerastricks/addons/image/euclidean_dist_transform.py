"""The exact Euclidean distance transform."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.addons.image._images import as_batch, dtype_of
from kerastricks.addons.image._kernels import Tensor

_FAR = 2**14
"""More pixels than lie between any two, whose square has room in 32 bits."""


def euclidean_dist_transform(
    images: Any, dtype: Any = "float32", name: str | None = None
) -> Tensor:
    """Measure how far each pixel is from the nearest one that is 0.

    The distances are exact. They are found along columns first, then along rows (Felzenszwalb and
    Huttenlocher): with g, the distance to the nearest 0 in the same column,

        out[y, x]^2 = min over x' of (x - x')^2 + g[y, x']^2

    The time taken grows as the number of pixels times the logarithm of a side, whatever the images
    show.

    Args:
        images: uint8 tensor (H, W), (H, W, C) or (B, H, W, C), of sides below 16384, on torch below
            2048; each channel of each image is one of its own.
        dtype: Dtype of the distances: float16, float32 or float64, as a name or as a backend has
            it. Defaults to float32.
        name: Taken for compatibility; has no effect.

    Returns:
        Distances in pixels, of the same shape. Where an image has no 0 they are the square root of
        the largest number of `dtype`, as in TensorFlow Addons.

    Raises:
        TypeError: If the images are not uint8, or `dtype` is none of these.
        ValueError: If the rank is none of these.

    Example:
    >>> import keras
    >>> image = keras.ops.convert_to_tensor([[0, 1, 1, 1], [1, 1, 1, 0]], "uint8")
    >>> distances = euclidean_dist_transform(image)
    >>> [round(float(v), 3) for v in distances[0]]
    [0.0, 1.0, 1.414, 1.0]

    Reference:
        Felzenszwalb, Huttenlocher (2012), Distance Transforms of Sampled Functions.

    Differs from TensorFlow Addons in: float16 is rounded from the exact distance; there squares
    are kept in float16, so that distances are inexact from 45 on and infinite from 256 on.
    """
    images = ops.convert_to_tensor(images)
    if dtype_of(images) != "uint8":
        raise TypeError(f"`images` must be uint8. Received: images of dtype {dtype_of(images)!r}")
    result = keras.backend.standardize_dtype(dtype)
    if result not in ("float16", "float32", "float64"):
        raise TypeError(f"`dtype` must be float16, float32 or float64. Received: dtype={dtype!r}")
    batch, restored = as_batch(images)
    is_zero = batch == 0
    has_zero = ops.any(is_zero, axis=(1, 2), keepdims=True)
    down = _along_columns(is_zero)
    # An image without a 0 would keep the loop going for nothing.
    squares = _along_rows(ops.where(has_zero, down * down, ops.zeros_like(down)))
    wide = "float64" if result == "float64" else "float32"
    distances = ops.cast(ops.sqrt(ops.cast(squares, wide)), result)
    nowhere = ops.convert_to_tensor(np.sqrt(np.finfo(result).max), result)
    return restored(ops.where(has_zero, distances, nowhere))


def _along_columns(is_zero: Tensor) -> Tensor:
    """How far the nearest 0 in the same column is, or something beyond all distances."""
    height = ops.cast(ops.shape(is_zero)[1], "int32")
    row = ops.cast(ops.arange(ops.shape(is_zero)[1]), "int32")
    here = ops.zeros_like(ops.cast(is_zero, "int32")) + row[None, :, None, None]
    # The last 0 so far and the next one, by steps that double.
    last = ops.where(is_zero, here, -_FAR)
    following = ops.where(is_zero, here, 2 * _FAR)

    def body(step: Tensor, last: Tensor, following: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        before = ops.take(last, ops.maximum(row - step, 0), axis=1)
        behind = ops.take(following, ops.minimum(row + step, height - 1), axis=1)
        return step * 2, ops.maximum(last, before), ops.minimum(following, behind)

    start = (ops.cast(1, "int32"), last, following)
    _, last, following = ops.while_loop(lambda step, *_: step < height, body, start)
    return ops.minimum(ops.minimum(here - last, following - here), _FAR)


def _along_rows(squares: Tensor) -> Tensor:
    """The least square at each pixel, of those along a row and of the way to them.

    The places of the minima do not decrease along a row. So those of every second pixel bound those
    of the pixels between, and all ranges that are searched make up twice a row: from pixels far
    apart to neighbors, each halving of the distance takes one pass.
    """
    count, height, width, channels = ops.shape(squares)
    lines = count * channels * height
    flat = ops.reshape(ops.transpose(squares, (0, 3, 1, 2)), (-1,))
    column = ops.cast(ops.arange(width), "int32")[None]
    offset = (ops.cast(ops.arange(lines), "int32") * width)[:, None]
    entry = ops.cast(ops.arange(2 * width), "int32")[None]
    last = ops.cast(width, "int32") - 1

    def body(step: Tensor, places: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Pixel number k * step is searched from `first[k]` to `first[k + 1]`.
        first = ops.where(column == 0, 0, ops.take(places, column[0] // 2, axis=1))
        starts = ops.reshape(2 * offset + first + column, (-1,))
        marks = ops.segment_sum(ops.ones_like(starts), starts, 2 * lines * width)
        which = ops.cumsum(ops.reshape(marks, (lines, 2 * width)), axis=1)
        which = ops.cast(which, "int32") - 1
        candidate = ops.minimum(entry - which, last)
        way = ops.minimum(which * step, last) - candidate
        value = way * way + ops.take(flat, offset + candidate, axis=0)
        owner = offset + which
        least = _least(value, owner, lines * width)
        chosen = ops.where(value == ops.take(least, owner, axis=0), candidate, last)
        found = _least(chosen, owner, lines * width)
        return step // 2, ops.reshape(found, (lines, width)), ops.reshape(least, (lines, width))

    # The first pass searches all places for the first pixel; what numbers there are beyond the last
    # pixel are always searched at the last place alone.
    places = ops.zeros((lines, width), dtype="int32") + last
    start = (_power_of_two(last), places, places)
    least = ops.while_loop(lambda step, *_: step > 0, body, start)[2]
    least = ops.reshape(least, (count, channels, height, width))
    return ops.transpose(least, (0, 2, 3, 1))


def _least(values: Tensor, owners: Tensor, count: Any) -> Tensor:
    """The least value of each owner."""
    return -ops.segment_max(-ops.reshape(values, (-1,)), ops.reshape(owners, (-1,)), count)


def _power_of_two(number: Tensor) -> Tensor:
    """The least power of two that is greater."""
    powers = ops.convert_to_tensor(2 ** np.arange(15), "int32")
    return ops.min(ops.where(powers > number, powers, powers[-1]))
