"""OpenCV's loops over the pixels of a batch, for numpy arrays of uint8 or float32.

Every function takes images (B, H, W, C) of up to four channels and gives images of their dtype: in
their place, where the array is writeable and of the size that comes out, and else new ones. uint8
results are rounded, halves to even, and clipped. OpenCV lets other Python threads run.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.border import Border
from kerastricks.augment.kernels.buffers import empty

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
LONGEST_OF_REMAP = 32766
"""Pixels along a side that `remap` reads and writes at most."""
BILINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def each(
    images: Images,
    size: tuple[int, int],
    function: Callable[[int, Images, Images], Any],
    changed: NDArray[np.bool_] | None = None,
) -> Images:
    """Fill a batch by function(number, image, place for the result).

    Where nothing else needs the images, image and place are one and the same.

    Args:
        images: Images (B, H, W, C).
        size: (height, width) of what comes out.
        function: Writes to the place, or gives what is to be copied to it.
        changed: (B,), the images that change at all, where `size` is theirs; None for all.
    """
    in_place = images.flags.writeable and images.shape[1:3] == size
    out = images if in_place else empty((len(images), *size, images.shape[-1]), images.dtype)
    # Of one channel, OpenCV knows images without an axis for it.
    sources, places = (x[..., 0] if x.shape[-1] == 1 else x for x in (images, out))
    for number in range(len(out)) if changed is None else np.flatnonzero(changed).tolist():
        place = places[number]
        found = function(number, place if in_place else sources[number], place)
        if found is not None and found is not place:
            place[...] = found
    if changed is not None and not in_place:
        for number in np.flatnonzero(~changed).tolist():
            places[number] = sources[number]
    return out


def apart(image: Images, place: Images) -> Images:
    """Give an image that stays as it is while its place is written to."""
    return image.copy() if image is place else image


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
    identity = np.eye(3)
    affine = (matrices[:, 2] == identity[2]).all(axis=1)
    same_size = images.shape[1:3] == size
    changed = (matrices != identity).any(axis=(1, 2)) if same_size else None
    width_first = size[1], size[0]

    def moved(number: int, image: Images, place: Images) -> Images:
        matrix, image = matrices[number], apart(image, place)
        if affine[number]:
            return cv2.warpAffine(  # type: ignore[no-any-return]
                image, matrix[:2], width_first, dst=place, borderValue=fill(border), **rest
            )
        return cv2.warpPerspective(  # type: ignore[no-any-return]
            image, matrix, width_first, dst=place, borderValue=fill(border), **rest
        )

    return each(images, size, moved, changed)


def remap(images: Images, x: Floats, y: Floats, border: Border) -> Images:
    """Resample bilinearly at places (B, height, width), in pixels of the input.

    No side may be longer than `LONGEST_OF_REMAP`, neither of what comes in nor of what goes out.
    """
    mode = BORDERS[border.fill_mode]
    return each(
        images,
        x.shape[1:],
        lambda number, image, place: cv2.remap(
            apart(image, place),
            x[number],
            y[number],
            cv2.INTER_LINEAR,
            dst=place,
            borderMode=mode,
            borderValue=fill(border),
        ),
    )


def convolve(
    images: Images, kernels: Mapping[int, tuple[Floats, Floats]], border: Border
) -> Images:
    """Convolve along both axes by kernels of a sample's own; a constant is not mixed in.

    Args:
        images: Images (B, H, W, C).
        kernels: Of the samples that change, the kernels along x and y, of odd length.
        border: What lies beyond the border.
    """

    def convolved(number: int, image: Images, place: Images) -> Images:
        across, down = kernels[number]
        image = apart(image, place)
        if border.fill_mode != "wrap":
            return cv2.sepFilter2D(  # type: ignore[no-any-return]
                image, -1, across, down, dst=place, borderType=cv2.BORDER_REFLECT
            )
        rows, columns = len(down) // 2, len(across) // 2
        longer = cv2.copyMakeBorder(image, rows, rows, columns, columns, cv2.BORDER_WRAP)
        height, width = image.shape[:2]
        found = cv2.sepFilter2D(longer, -1, across, down)
        return found[rows : rows + height, columns : columns + width]  # type: ignore[no-any-return]

    changed = np.zeros(len(images), "bool")
    changed[list(kernels)] = True
    return each(images, images.shape[1:3], convolved, changed)


def sharpen(images: Images, factors: Floats) -> Images:
    """Blend with the mean of 3 x 3 pixels, the middle five times, by (B,); the rim stays."""
    smooth = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], "float32") / 13
    middle = np.zeros((3, 3), "float32")
    middle[1, 1] = 1

    def sharpened(number: int, image: Images, place: Images) -> Images:
        factor, image = factors[number], apart(image, place)
        found = cv2.filter2D(image, -1, smooth + factor * (middle - smooth), dst=place)
        for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
            found[edge] = image[edge]
        return found  # type: ignore[no-any-return]

    return each(images, images.shape[1:3], sharpened, factors != 1)


def mix_channels(images: Images, matrices: Floats, offsets: Floats) -> Images:
    """Give M v + o for every pixel, M (B, C, C) and o (B, C)."""
    whole = np.concatenate([matrices, offsets[..., None]], axis=-1)
    identity = np.eye(whole.shape[1], whole.shape[2], dtype="float32")

    def mixed(number: int, image: Images, place: Images) -> Images:
        return cv2.transform(image, whole[number], dst=place)  # type: ignore[no-any-return]

    changed = (whole != identity).any(axis=(1, 2))
    return each(images, images.shape[1:3], mixed, changed)


def means(images: Images) -> Floats:
    """Give the mean of each channel, (B, C)."""
    channels = images.shape[-1]
    found = [cv2.mean(image)[:channels] for image in images]
    return np.array(found, "float32").reshape(len(images), channels)  # of no image too


def look_up(images: Images, tables: NDArray[np.uint8]) -> Images:
    """Look uint8 values up in tables (B, C or 1, 256)."""
    channels = images.shape[-1]

    def found(number: int, image: Images, place: Images) -> Images:
        table = tables[number]
        if len(table) == 1 or channels == 1:
            return cv2.LUT(image, table[0], dst=place)  # type: ignore[no-any-return]
        return cv2.LUT(image, np.ascontiguousarray(table.T)[None], dst=place)  # type: ignore[no-any-return]

    changed = (tables != np.arange(256)).any(axis=(1, 2))
    return each(images, images.shape[1:3], found, changed)


def counts(images: NDArray[np.uint8], wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give how often each level occurs in each channel, (B, C, 256), zeros where it is unwanted."""
    channels = images.shape[-1]
    out = np.zeros((len(images), channels, 256), "int32")
    for number in np.flatnonzero(wanted):
        for channel in range(channels):
            found = cv2.calcHist([images[number]], [channel], None, [256], [0, 256])
            out[number, channel] = found.ravel()
    return out
