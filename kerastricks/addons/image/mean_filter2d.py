"""The mean filter."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch, as_dtype, dtype_of, floating, pair
from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image._neighbors import padded, weighed_sum


def mean_filter2d(
    image: Any,
    filter_shape: Any = (3, 3),
    padding: str = "REFLECT",
    constant_values: Any = 0,
    name: str | None = None,
) -> Tensor:
    """Replace each value by the mean of those around it.

    Args:
        image: (H, W), (H, W, C) or (B, H, W, C), whole or floating-point numbers.
        filter_shape: (height, width) of the rectangle around each pixel, or one integer for both.
            Of an even length one more pixel lies behind. Defaults to (3, 3).
        padding: `"REFLECT"` (d c b | a b c d | c b a), `"SYMMETRIC"` (c b a | a b c d | d c b) or
            `"CONSTANT"`: what lies beyond the border.
        constant_values: What lies there with `"CONSTANT"`. Defaults to 0.
        name: Taken for compatibility; has no effect.

    Returns:
        Images of the same shape and dtype.

    Raises:
        TypeError: If the values are no numbers.
        ValueError: If the rank, `filter_shape` or `padding` is none of these.

    Example:
    >>> import keras
    >>> filtered = mean_filter2d([[0.0, 3.0, 6.0, 0.0]], (1, 3), "CONSTANT")
    >>> keras.ops.convert_to_numpy(filtered).tolist()
    [[1.0, 3.0, 3.0, 2.0]]

    Differs from TensorFlow Addons in: whole numbers are rounded; there the fraction is cut off,
    which darkens by half a level. float16 is calculated in float32. A filter may be larger than
    the image.
    """
    shape = pair("filter_shape", filter_shape)
    batch, restored = as_batch(image)
    _, height, width, _ = ops.shape(batch)
    extended = padded(floating(batch), shape, padding, constant_values)
    rows = weighed_sum(extended, 1, height, (1.0,) * shape[0])
    total = weighed_sum(rows, 2, width, (1.0,) * shape[1])
    return restored(as_dtype(total / float(shape[0] * shape[1]), dtype_of(batch)))
