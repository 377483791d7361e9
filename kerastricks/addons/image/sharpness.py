"""Sharpness of images."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch, as_dtype, dtype_of
from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image._neighbors import padded, weighed_sum
from kerastricks.addons.image.blend import blend


def sharpness(image: Any, factor: Any, name: str | None = None) -> Tensor:
    """Smooth or sharpen images of values from 0 to 255.

        s = (5 v + sum of the eight neighbors) / 13,  but v itself at the border
        out = blend(s, v, factor)

    Args:
        image: (H, W), (H, W, C) or (B, H, W, C), whole or floating-point numbers. Like `blend`, it
            rounds to whole numbers unless the factor is 0 or 1.
        factor: 0 gives s, 1 the image; less than 1 smooths, more sharpens.
        name: Taken for compatibility; has no effect.

    Returns:
        Images of the same shape and dtype.

    Raises:
        TypeError: If the values are no numbers.
        ValueError: If the rank is none of these.

    Example:
    >>> import keras
    >>> image = keras.ops.pad(keras.ops.full((1, 1), 130.0), [(2, 2), (2, 2)])
    >>> [round(float(v)) for v in sharpness(image, 0.0)[2]]
    [0, 10, 50, 10, 0]

    Reference:
        `ImageEnhance.Sharpness` of Pillow.

    Differs from TensorFlow Addons in: s of whole numbers is rounded, as in Pillow; there the
    fraction is cut off, which turns constant images of 3, 6, 12 and others into darker ones. Images
    of fewer than 3 pixels along an axis, which raise there, stay as they are.
    """
    batch, restored = as_batch(image)
    dtype = dtype_of(batch)
    _, height, width, _ = ops.shape(batch)
    values = ops.cast(batch, "float32")
    extended = padded(values, (3, 3), "symmetric", 0)
    rows = weighed_sum(extended, 1, height, (1.0, 1.0, 1.0))
    smooth = (weighed_sum(rows, 2, width, (1.0, 1.0, 1.0)) + 4.0 * values) / 13.0
    inner = ops.logical_and(_inner(height)[:, None], _inner(width)[None, :])[None, :, :, None]
    smooth = ops.where(inner, as_dtype(smooth, dtype), batch)
    return restored(ops.cast(blend(smooth, batch, factor), dtype))


def _inner(length: Any) -> Tensor:
    places = ops.cast(ops.arange(length), "int32")
    return ops.logical_and(places > 0, places < ops.cast(length, "int32") - 1)
