"""Pillow's resampling along the axes of a uint8 image, antialiased."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SERVED_CHANNELS = 1, 3


def resample(
    image: NDArray[np.uint8], window: NDArray[Any], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Fill the output with a rectangle of an image, by a triangle filter.

    Args:
        image: An image (H, W, C) of one or three channels.
        window: Left, top, right and bottom edge, in pixels from the image's corner, within it.
        size: (height, width) of the output.
    """
    channels = image.shape[-1]
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    found = picture.resize(size[::-1], Image.Resampling.BILINEAR, box=tuple(window))
    return np.asarray(found).reshape(*size, channels)
