"""A blend of two images."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import known
from kerastricks.addons.image._kernels import Tensor


def blend(image1: Any, image2: Any, factor: Any) -> Tensor:
    """Blend two images of values from 0 to 255, or carry on beyond the second.

        factor = 0         image1 as it is
        factor = 1         image2 as it is
        0 < factor < 1     round(image1 + factor * (image2 - image1))
        otherwise          round(clip(image1 + factor * (image2 - image1), 0, 255))

    It rounds to whole numbers whatever the dtype: do not use it on images from 0 to 1.

    Args:
        image1: A tensor of any shape, of whole or floating-point numbers.
        image2: Another one of the same shape.
        factor: How much of `image2`; above 1 carries on beyond it.

    Returns:
        float32 tensor of the same shape; for factors of 0 and 1 that are known when the call is
        made, the image in its own dtype.

    Example:
    >>> import keras
    >>> keras.ops.convert_to_numpy(blend([0.0, 100.0], [9.0, 0.0], 0.5)).tolist()
    [4.0, 50.0]

    Differs from TensorFlow Addons in: `factor` may be a tensor inside a graph.
    """
    number = known(factor)
    first, second = ops.convert_to_tensor(image1), ops.convert_to_tensor(image2)
    if number is not None and number.size == 1 and number.item() in (0.0, 1.0):
        return second if number.item() else first
    first, second = ops.cast(first, "float32"), ops.cast(second, "float32")
    factor = ops.cast(factor, "float32")
    blended = first + factor * (second - first)
    between = ops.logical_and(factor > 0.0, factor < 1.0)
    blended = ops.round(ops.where(between, blended, ops.clip(blended, 0.0, 255.0)))
    if number is None:
        blended = ops.where(factor == 0.0, first, blended)
        blended = ops.where(factor == 1.0, second, blended)
    return blended
