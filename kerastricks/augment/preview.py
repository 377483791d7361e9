"""Lay pictures side by side, to be looked at."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

_GAP = 2
"""Pixels of white between pictures."""


def contact_sheet(
    rows: Sequence[Sequence[NDArray[Any]]], value_range: tuple[float, float]
) -> NDArray[np.uint8]:
    """Lay pictures out in rows, each in the middle of its cell.

    Args:
        rows: Pictures (H, W, C) of 1 or 3 channels or more, of which the first three are shown;
            their sizes may differ.
        value_range: What is black and what is white.

    Returns:
        The sheet, (height, width, 3).
    """
    pictures = [picture for row in rows for picture in row]
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in range(2))
    columns = max(map(len, rows))
    shape = len(rows) * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3
    sheet = np.full(shape, 255, np.uint8)
    low, high = value_range
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            levels = (picture.astype("float64") - low) * (255 / (high - low))
            shown = np.clip(np.round(levels), 0, 255).astype(np.uint8)
            shown = shown[..., :3] if shown.shape[-1] >= 3 else shown[..., :1]
            top = number * (height + _GAP) + (height - shown.shape[0]) // 2
            left = column * (width + _GAP) + (width - shown.shape[1]) // 2
            sheet[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return sheet


def as_picture(sheet: NDArray[np.uint8]) -> Any:
    """Give a sheet as a `PIL.Image.Image`, which notebooks show.

    Raises:
        ImportError: If Pillow is not installed.
    """
    return keras.utils.array_to_img(sheet, scale=False)
