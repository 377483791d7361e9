"""OpenCV's loops over the pixels of a batch, for numpy arrays of uint8 or float32.

Every function takes images (B, H, W, C) of up to four channels and gives new ones of their dtype.
uint8 results are rounded, halves to even, and clipped. OpenCV lets other Python threads run.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.border import Border

try:
    import cv2
except ImportError as missing:
    raise ImportError('OpenCV is not installed: pip install "kerastricks[opencv]"') from missing
if int(cv2.__version__.split(".")[0]) < 5:
    # Before 5 warps knew 32 places between two pixels.
    raise ImportError(
        f'OpenCV {cv2.__version__} is too old: pip install --upgrade "kerastricks[opencv]"'
    )

Images: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float32]

BORDERS = {
    "reflect": cv2.BORDER_REFLECT,
    "constant": cv2.BORDER_CONSTANT,
    "nearest": cv2.BORDER_REPLICATE,
    "wrap": cv2.BORDER_WRAP,
}
BILINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def each(
    images: Images, size: tuple[int, int], function: Callable[[int, Images, Images], Any]
) -> Images:
    """Fill a new batch by function(number, image, place for the result)."""
    out = np.empty((len(images), *size, images.shape[-1]), images.dtype)
    for number, image in enumerate(images):
        # Of one channel, OpenCV knows images without an axis for it.
        source, place = (x[..., 0] if x.shape[-1] == 1 else x for x in (image, out[number]))
        found = function(number, source, place)
        if found is not None and found is not place:
            place[...] = found
    return out


def fill(border: Border) -> tuple[float, ...]:
    """The value of a constant border, as OpenCV takes it."""
    return (border.fill_value,) * 4


def warp(images: Images, matrices: Floats, size: tuple[int, int], border: Border) -> Images:
    """Resample bilinearly by matrices (B, 3, 3), from pixels of the output to those of the input.

    Args:
        images: Images (B, H, W, C).
        matrices: (B, 3, 3); last rows other than (0, 0, 1) are projective.
        size: (height, width) of the output.
        border: What lies beyond the border.
    """
    rest = {"flags": BILINEAR, "borderMode": BORDERS[border.fill_mode]}
    identity = np.eye(3, dtype="float32")

    def moved(number: int, image: Images, place: Images) -> Images:
        matrix = matrices[number]
        if image.shape[:2] == size and (matrix == identity).all():
            return image
        width_first = size[1], size[0]
        if (matrix[2] == identity[2]).all():
            return cv2.warpAffine(  # type: ignore[no-any-return]
                image, matrix[:2], width_first, dst=place, borderValue=fill(border), **rest
            )
        return cv2.warpPerspective(  # type: ignore[no-any-return]
            image, matrix, width_first, dst=place, borderValue=fill(border), **rest
        )

    return each(images, size, moved)


def remap(images: Images, x: Floats, y: Floats, border: Border) -> Images:
    """Resample bilinearly at places (B, height, width), in pixels of the input."""
    mode = BORDERS[border.fill_mode]
    return each(
        images,
        x.shape[1:],
        lambda number, image, place: cv2.remap(
            image,
            x[number],
            y[number],
            cv2.INTER_LINEAR,
            dst=place,
            borderMode=mode,
            borderValue=fill(border),
        ),
    )


def convolve(
    images: Images, kernels: Callable[[int], tuple[Floats, Floats] | None], border: Border
) -> Images:
    """Convolve along both axes by kernels of a sample's own; a constant is not mixed in.

    Args:
        images: Images (B, H, W, C).
        kernels: Gives a sample's kernels along x and y, of odd length, or None to leave it.
        border: What lies beyond the border.
    """

    def convolved(number: int, image: Images, place: Images) -> Images:
        pair = kernels(number)
        if pair is None:
            return image
        across, down = pair
        if border.fill_mode != "wrap":
            return cv2.sepFilter2D(  # type: ignore[no-any-return]
                image, -1, across, down, dst=place, borderType=cv2.BORDER_REFLECT
            )
        rows, columns = len(down) // 2, len(across) // 2
        longer = cv2.copyMakeBorder(image, rows, rows, columns, columns, cv2.BORDER_WRAP)
        height, width = image.shape[:2]
        found = cv2.sepFilter2D(longer, -1, across, down)
        return found[rows : rows + height, columns : columns + width]  # type: ignore[no-any-return]

    return each(images, images.shape[1:3], convolved)


def sharpen(images: Images, factors: Floats) -> Images:
    """Blend with the mean of 3 x 3 pixels, the middle five times, by (B,); the rim stays."""
    smooth = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], "float32") / 13
    middle = np.zeros((3, 3), "float32")
    middle[1, 1] = 1

    def sharpened(number: int, image: Images, place: Images) -> Images:
        factor = factors[number]
        if factor == 1:
            return image
        found = cv2.filter2D(image, -1, smooth + factor * (middle - smooth), dst=place)
        for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
            found[edge] = image[edge]
        return found  # type: ignore[no-any-return]

    return each(images, images.shape[1:3], sharpened)


def mix_channels(images: Images, matrices: Floats, offsets: Floats) -> Images:
    """Give M v + o for every pixel, M (B, C, C) and o (B, C)."""
    whole = np.concatenate([matrices, offsets[..., None]], axis=-1)
    identity = np.eye(whole.shape[1], whole.shape[2], dtype="float32")

    def mixed(number: int, image: Images, place: Images) -> Images:
        if (whole[number] == identity).all():
            return image
        return cv2.transform(image, whole[number], dst=place)  # type: ignore[no-any-return]

    return each(images, images.shape[1:3], mixed)


def means(images: Images) -> Floats:
    """Give the mean of each channel, (B, C)."""
    channels = images.shape[-1]
    return np.array([cv2.mean(image)[:channels] for image in images], "float32")


def look_up(images: Images, tables: NDArray[np.uint8]) -> Images:
    """Look uint8 values up in tables (B, C or 1, 256)."""
    identity = np.arange(256, dtype="uint8")
    channels = images.shape[-1]

    def found(number: int, image: Images, place: Images) -> Images:
        table = tables[number]
        if (table == identity).all():
            return image
        if len(table) == 1 or channels == 1:
            return cv2.LUT(image, table[0], dst=place)  # type: ignore[no-any-return]
        return cv2.LUT(image, np.ascontiguousarray(table.T)[None], dst=place)  # type: ignore[no-any-return]

    return each(images, images.shape[1:3], found)


def counts(images: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Give how often each level occurs in each channel, (B, C, 256)."""
    channels = images.shape[-1]
    found = [
        [
            cv2.calcHist([image], [channel], None, [256], [0, 256]).ravel()
            for channel in range(channels)
        ]
        for image in images
    ]
    return np.array(found).astype("int32")
