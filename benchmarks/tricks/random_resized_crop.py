"""What antialiasing is worth where a crop is made smaller.

    python benchmarks/tricks/random_resized_crop.py

Two pictures, shrunk to 64 x 64: rings that become finer than the output can show, which should end
as even gray, and a photograph. Beside them stands the resize that takes two pixels along each axis,
as `keras.ops.image.resize` does by default. For the rings: the standard deviation, in levels of
255, of what is left where there should be gray. For the photograph: how far the result is from
PIL's `BILINEAR`, root mean square, in levels.
"""

import keras
import numpy as np
from _augmented import augmented
from _common import numpy_of, run, table
from PIL import Image
from sklearn.datasets import load_sample_image

import kerastricks as kt

A = kt.augment
OUT = 64


def rings(size):
    """A zone plate whose rings are two pixels wide at the middle of each side."""
    place = np.arange(size) - (size - 1) / 2
    squares = place[:, None] ** 2 + place[None] ** 2
    return np.round(127.5 + 127 * np.cos(np.pi * squares / size)).astype("uint8")[..., None]


def cropped(image):
    """The whole of the image, as RandomResizedCrop gives it out."""
    height, width, _ = image.shape
    crop = A.RandomResizedCrop(OUT, OUT, scale=(1, 1), aspect_ratio=(width / height,) * 2)
    return augmented([crop], image[None])[0]


def two_pixels(image):
    """Linear interpolation between neighbors, however far the next place is."""
    resized = keras.ops.image.resize(image[None].astype("float32"), (OUT, OUT))
    return np.round(numpy_of(resized)[0])


def by_pil(image):
    """PIL's triangle filter, channel by channel."""
    channels = [
        np.asarray(Image.fromarray(channel).resize((OUT, OUT), Image.BILINEAR))
        for channel in np.moveaxis(image, -1, 0)
    ]
    return np.stack(channels, axis=-1)


def too_fine(size):
    """Where the rings are finer than two pixels of the output."""
    place = np.abs(np.arange(OUT) - (OUT - 1) / 2) * (size / OUT)
    radius = np.hypot(place[:, None], place[None])
    # Two rings, a dark and a bright one, are size / radius pixels wide.
    return size / radius < 2 * size / OUT


def main(quick=False):
    """Prints both numbers for several factors."""
    factors = (2,) if quick else (2, 4, 8)
    photograph = load_sample_image("china.jpg")[:384, 100:484]
    rows = []
    for factor in factors:
        size = OUT * factor
        plate = rings(size)
        gray = too_fine(size)
        left = (np.std(how(plate)[gray].astype("float64")) for how in (cropped, by_pil, two_pixels))
        # Of a photograph that is `size` pixels wide, made by PIL once and for all.
        photo = np.asarray(Image.fromarray(photograph).resize((size, size), Image.LANCZOS))
        truth = by_pil(photo).astype("float64")
        apart = (np.sqrt(np.mean((how(photo) - truth) ** 2)) for how in (cropped, two_pixels))
        rows.append([f"{size} -> {OUT}", *(f"{value:.1f}" for value in [*left, *apart])])
    table(
        [
            "pixels",
            "rings: ours",
            "PIL",
            "two pixels",
            "photograph, to PIL: ours",
            "two pixels",
        ],
        rows,
    )


if __name__ == "__main__":
    run(main)
