"""The median filter."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import keras
from keras import ops

from kerastricks.addons.image._images import as_batch, dtype_of, pair
from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image._neighbors import padded, shifted


def median_filter2d(
    image: Any,
    filter_shape: Any = (3, 3),
    padding: str = "REFLECT",
    constant_values: Any = 0,
    name: str | None = None,
) -> Tensor:
    """Replace each value by the median of those around it.

    Args:
        image: (H, W), (H, W, C) or (B, H, W, C), whole or floating-point numbers.
        filter_shape: (height, width) of the rectangle around each pixel, or one integer for both.
            Of an even length one more pixel lies behind. Defaults to (3, 3).
        padding: `"REFLECT"` (d c b | a b c d | c b a), `"SYMMETRIC"` (c b a | a b c d | d c b) or
            `"CONSTANT"`: what lies beyond the border.
        constant_values: What lies there with `"CONSTANT"`. Defaults to 0.
        name: Taken for compatibility; has no effect.

    Returns:
        Images of the same shape and dtype. Of an even number of values it is the mean of the middle
        two, of whole numbers without its fraction: 6 of 5, 6, 7, 8.

    Raises:
        TypeError: If the values are no numbers.
        ValueError: If the rank, `filter_shape` or `padding` is none of these.

    Example:
    >>> import keras
    >>> filtered = median_filter2d([[1, 9, 2, 3, 4]], (1, 3))
    >>> keras.ops.convert_to_numpy(filtered).tolist()
    [[9, 2, 3, 3, 3]]

    Differs from TensorFlow Addons in: the mean of two whole numbers does not overflow; there the
    median of 200 and 200 in uint8 is 72. A filter may be larger than the image.
    """
    shape = pair("filter_shape", filter_shape)
    batch, restored = as_batch(image)
    _, height, width, _ = ops.shape(batch)
    extended = padded(batch, shape, padding, constant_values)
    rows = [shifted(extended, 1, position, height) for position in range(shape[0])]
    values = [shifted(row, 2, position, width) for row in rows for position in range(shape[1])]
    count = len(values)
    low, high = (count - 1) // 2, count // 2
    for first, second in _comparisons(count, frozenset((low, high))):
        values[first], values[second] = (
            ops.minimum(values[first], values[second]),
            ops.maximum(values[first], values[second]),
        )
    if low == high:
        return restored(values[low])
    dtype = dtype_of(batch)
    # JAX has no float64 unless it is told so.
    needs_64 = dtype in ("float64", "int32", "int64", "uint32", "uint64")
    wide = "float64" if needs_64 and keras.backend.backend() != "jax" else "float32"
    middle = (ops.cast(values[low], wide) + ops.cast(values[high], wide)) / 2.0
    return restored(ops.cast(middle, dtype))


@cache
def _comparisons(count: int, wanted: frozenset[int]) -> list[tuple[int, int]]:
    """The comparisons of a sorting network that the values at the places wanted depend on.

    Each puts the smaller of two values at the first place, for all pixels at once.
    """
    needed, kept = set(wanted), []
    for pair_of_places in reversed(list(_sorting_network(count))):
        if needed.intersection(pair_of_places):
            needed.update(pair_of_places)
            kept.append(pair_of_places)
    return kept[::-1]


def _sorting_network(count: int) -> Iterator[tuple[int, int]]:
    """Batcher's odd-even merge sort of `count` values (Knuth, volume 3, algorithm 5.2.2M)."""
    step = 1 << max(count - 1, 1).bit_length() - 1
    distance = step
    while distance:
        reach, rest, offset = step, 0, distance
        while True:
            for place in range(count - offset):
                if place & distance == rest:
                    yield place, place + offset
            if reach == distance:
                break
            offset, reach, rest = reach - distance, reach >> 1, distance
        distance >>= 1
