"""Rectangles of the images of a batch: copied by OpenCV, or resampled along their axes.

Pillow's triangle filter shrinks without aliasing, which OpenCV has nothing for; where nothing
shrinks the triangle spans two pixels, which is OpenCV's bilinear warp, and faster.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.border import Border
from kerastricks.augment.kernels.opencv import BILINEAR, BORDERS, Images, apart, each, fill

try:
    from PIL import Image
except ImportError as missing:
    raise ImportError('Pillow is not installed: pip install "kerastricks[opencv]"') from missing

Windows = NDArray[Any]
"""(B, 4): left, top, right and bottom edge, in pixels from the images' corner."""
Mirrored = NDArray[np.bool_]
"""(B, 2): whether left and right change places, and whether top and bottom do."""


def copy(
    images: Images, windows: Windows, mirrored: Mirrored, size: tuple[int, int], border: Border
) -> Images:
    """Copy a rectangle out of each image: whole pixels.

    Args:
        images: Images (B, H, W, C) of up to four channels.
        windows: The rectangles, whole numbers.
        mirrored: Which of them are mirrored.
        size: Their (height, width).
        border: What lies beyond the border.
    """
    height, width = images.shape[1:3]

    def part(number: int, image: Images, place: Images) -> Images:
        image = apart(image, place)
        left, top, right, bottom = (int(edge) for edge in windows[number])
        above, before = max(0, -top), max(0, -left)
        beyond = above, max(0, bottom - height), before, max(0, right - width)
        if any(beyond):
            mode = BORDERS[border.fill_mode]
            image = cv2.copyMakeBorder(image, *beyond, mode, value=fill(border))
        found = image[top + above : bottom + above, left + before : right + before]
        return _turned(found, mirrored[number], place)

    return each(images, size, part)


def resample(
    images: NDArray[np.uint8], windows: Windows, mirrored: Mirrored, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Fill the output with a rectangle of each image, by a triangle filter.

    Args:
        images: Images (B, H, W, C) of one or three channels.
        windows: The rectangles, within the images.
        mirrored: Which of them are mirrored.
        size: (height, width) of the output.
    """
    width_first = size[1], size[0]
    starts, ends = windows[:, :2], windows[:, 2:]
    scales = (ends - starts) / width_first
    # Pixel centers lie at whole numbers, half a pixel from the edges.
    slopes = np.where(mirrored, -scales, scales)
    offsets = np.where(mirrored, ends, starts) + slopes / 2 - 0.5

    def part(number: int, image: Images, place: Images) -> Images:
        if (scales[number] > 1).any():
            box = tuple(windows[number])
            found = Image.fromarray(image).resize(width_first, Image.Resampling.BILINEAR, box=box)
            return _turned(np.asarray(found), mirrored[number], place)
        matrix = np.column_stack([np.diag(slopes[number]), offsets[number]])
        mode = cv2.BORDER_REPLICATE
        return cv2.warpAffine(  # type: ignore[no-any-return]
            apart(image, place), matrix, width_first, dst=place, flags=BILINEAR, borderMode=mode
        )

    return each(images, size, part)


def _turned(image: Images, mirrored: NDArray[np.bool_], place: Images) -> Images:
    """Give an image, mirrored if so, in its place or elsewhere."""
    sideways, upside_down = mirrored
    if not (sideways or upside_down):
        return image
    code = -1 if sideways and upside_down else int(sideways)
    return cv2.flip(image, code, dst=place)  # type: ignore[no-any-return]
