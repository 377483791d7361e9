"""The Gaussian filter."""

import math
from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch, as_dtype, dtype_of, floating, known, pair
from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image._neighbors import padded, weighed_sum


def gaussian_filter2d(
    image: Any,
    filter_shape: Any = (3, 3),
    sigma: Any = 1.0,
    padding: str = "REFLECT",
    constant_values: Any = 0,
    name: str | None = None,
) -> Tensor:
    """Blur images by weights of a Gaussian, cut off at a rectangle.

    The weight of a neighbor d pixels away along an axis is exp(-d^2 / (2 sigma^2)), divided by the
    sum of these.

    Args:
        image: (H, W), (H, W, C) or (B, H, W, C), whole or floating-point numbers.
        filter_shape: (height, width) of the rectangle around each pixel, or one integer for both.
            Of an even length one more pixel lies behind. Defaults to (3, 3).
        sigma: Standard deviations in pixels (downwards, to the right), or one for both; 0 leaves
            the image as it is along that axis. Defaults to 1.
        padding: `"REFLECT"` (d c b | a b c d | c b a), `"SYMMETRIC"` (c b a | a b c d | d c b) or
            `"CONSTANT"`: what lies beyond the border.
        constant_values: What lies there with `"CONSTANT"`. Defaults to 0.
        name: Taken for compatibility; has no effect.

    Returns:
        Images of the same shape and dtype.

    Raises:
        TypeError: If the values are no numbers.
        ValueError: If the rank, `filter_shape` or `padding` is none of these, or `sigma` is
            negative or not one or two numbers.

    Example:
    >>> blurred = gaussian_filter2d([[0.0, 1.0, 0.0]], (1, 3), 1.0, "CONSTANT")
    >>> [round(float(v), 4) for v in blurred[0]]
    [0.2741, 0.4519, 0.2741]

    Differs from TensorFlow Addons in: whole numbers are rounded; there the fraction is cut off,
    which darkens by half a level. A `sigma` of 0 blurs nothing; there it makes every value NaN.
    float16 is calculated in float32. A filter may be larger than the image.
    """
    shape = pair("filter_shape", filter_shape)
    sigmas = tuple(sigma) if isinstance(sigma, list | tuple) else (sigma, sigma)
    numbers = [known(each) for each in sigmas]
    if len(sigmas) != 2 or any(number is not None and number < 0 for number in numbers):
        raise ValueError(
            "`sigma` must be a number that is not negative, or two of them (height, width). "
            f"Received: sigma={sigma!r}"
        )
    batch, restored = as_batch(image)
    _, height, width, _ = ops.shape(batch)
    values = padded(floating(batch), shape, padding, constant_values)
    dtype = dtype_of(values)
    values = weighed_sum(values, 1, height, _weights(shape[0], sigmas[0], dtype))
    values = weighed_sum(values, 2, width, _weights(shape[1], sigmas[1], dtype))
    return restored(as_dtype(values, dtype_of(batch)))


def _weights(length: int, sigma: Any, dtype: str) -> list[Any]:
    """Weights from the first neighbor to the last: numbers, or tensors where `sigma` is one."""
    squares = [float(place - (length - 1) // 2) ** 2 for place in range(length)]
    if (number := known(sigma)) is not None:
        width = 2.0 * float(number) ** 2
        parts = [math.exp(-square / width) if width else float(not square) for square in squares]
        return [part / sum(parts) for part in parts]
    spread = ops.maximum(2.0 * ops.cast(sigma, dtype) ** 2, 1e-30)
    weights = ops.exp(-ops.convert_to_tensor(squares, dtype) / spread)
    weights = weights / ops.sum(weights)
    return [weights[place] for place in range(length)]
