"""Warps of images by a flow for each pixel."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.image._images import dtype_of
from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image.interpolate_bilinear import interpolate_bilinear


def dense_image_warp(image: Any, flow: Any, name: str | None = None) -> Tensor:
    """Warp images by a flow for each pixel.

        out[b, i, j] = image[b, i - flow[b, i, j, 0], j - flow[b, i, j, 1]]

    bilinearly, with the outermost pixels beyond the border. An optical flow F from I1 to I2 has the
    other sign: I1 is `dense_image_warp(I2, -F)`. Gradients reach the images and the flow.

    Args:
        image: Floating-point tensor (B, H, W, C).
        flow: Floating-point tensor (B, H, W, 2), in pixels, downwards and to the right; of any
            floating-point dtype.
        name: Taken for compatibility; has no effect.

    Returns:
        Images of the same shape and dtype.

    Raises:
        TypeError: If the images are not of floating-point numbers.
        ValueError: If a shape is none of these.

    Example:
    >>> import keras
    >>> image = keras.ops.reshape(keras.ops.convert_to_tensor([1.0, 2.0, 4.0]), (1, 1, 3, 1))
    >>> flow = keras.ops.convert_to_tensor([[[[0.0, 0.5]] * 3]])
    >>> keras.ops.convert_to_numpy(dense_image_warp(image, flow))[0, 0, :, 0].tolist()
    [1.0, 1.5, 3.0]

    Differs from TensorFlow Addons in: an image may have a single row or column.
    """
    image, flow = ops.convert_to_tensor(image), ops.convert_to_tensor(flow)
    if len(image.shape) != 4 or len(flow.shape) != 4 or flow.shape[3] not in (None, 2):
        raise ValueError(
            "`image` must be (batch, height, width, channels), `flow` (batch, height, width, 2). "
            f"Received: shapes {tuple(image.shape)} and {tuple(flow.shape)}"
        )
    if not keras.backend.is_float_dtype(dtype_of(flow)):
        flow = ops.cast(flow, "float32")
    batch, height, width, channels = ops.shape(image)
    rows, columns = (ops.cast(ops.arange(length), dtype_of(flow)) for length in (height, width))
    down = rows[None, :, None] - flow[..., 0]
    across = columns[None, None, :] - flow[..., 1]
    points = ops.reshape(ops.stack([down, across], axis=-1), (batch, height * width, 2))
    values = interpolate_bilinear(image, points)
    return ops.reshape(values, (batch, height, width, channels))
