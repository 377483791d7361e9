"""Pillow's resampling along the axes of uint8 images, antialiased."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SERVED_CHANNELS = 1, 3


def resample(
    images: NDArray[np.uint8], windows: NDArray[Any], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Fill the output with a rectangle of each image, by a triangle filter.

    Args:
        images: Images (B, H, W, C) of one or three channels.
        windows: (B, 4): left, top, right and bottom edge, in pixels from the images' corner, within
            the image.
        size: (height, width) of the output.
    """
    out = np.empty((len(images), *size, images.shape[-1]), "uint8")
    for image, window, place in zip(images, windows, out, strict=True):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        found = picture.resize(size[::-1], Image.Resampling.BILINEAR, box=tuple(window))
        place[...] = np.asarray(found).reshape(place.shape)
    return out
