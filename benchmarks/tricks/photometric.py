"""How near the colors and tables are to PIL's, and what clipping once changes.

    python benchmarks/tricks/photometric.py

The flower that comes with scikit-learn, 427 x 640 pixels in bytes. Each transform with a fixed
amount, beside PIL's function of that name (the blur beside scipy's): the largest difference in
levels of 255, and the share of equal values. Then brightness 1.2, contrast 0.8 and saturation 1.3
as one matrix that clips at its end, beside the same three one by one, each clipped and rounded.
"""

import numpy as np
from _augmented import augmented
from _common import run, table
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

import kerastricks as kt

A = kt.augment


def gray(picture):
    """Luma in three channels."""
    return picture.convert("L").convert("RGB")


def blurred(picture):
    """A normal curve of 1.5 pixels along each axis."""
    values = np.asarray(picture, "float64")
    return np.round(gaussian_filter(values, (1.5, 1.5, 0), truncate=3))


PAIRS = {
    "RandomBrightness": (
        A.RandomBrightness((1.4, 1.4)),
        lambda p: ImageEnhance.Brightness(p).enhance(1.4),
    ),
    "RandomContrast": (
        A.RandomContrast((0.6, 0.6)),
        lambda p: ImageEnhance.Contrast(p).enhance(0.6),
    ),
    "RandomSaturation": (
        A.RandomSaturation((1.8, 1.8)),
        lambda p: ImageEnhance.Color(p).enhance(1.8),
    ),
    "RandomGrayscale": (A.RandomGrayscale(1.0), gray),
    "RandomInvert": (A.RandomInvert(1.0), ImageOps.invert),
    "RandomSolarize": (A.RandomSolarize(0.5), lambda p: ImageOps.solarize(p, 128)),
    "RandomPosterize": (A.RandomPosterize(3), lambda p: ImageOps.posterize(p, 3)),
    "RandomAutoContrast": (A.RandomAutoContrast(1.0), ImageOps.autocontrast),
    "RandomEqualize": (A.RandomEqualize(1.0), ImageOps.equalize),
    "RandomSharpness": (
        A.RandomSharpness((1.7, 1.7)),
        lambda p: ImageEnhance.Sharpness(p).enhance(1.7),
    ),
    "RandomGaussianBlur": (A.RandomGaussianBlur(1.5, probability=1.0), blurred),
}


def main(quick=False):
    """Prints the table, and a line on clipping."""
    image = load_sample_image("flower.jpg")
    pairs = dict(list(PAIRS.items())[:2]) if quick else PAIRS
    rows = []
    for name, (transform, by_pil) in pairs.items():
        ours = augmented([transform], image[None])[0].astype("float64")
        apart = np.abs(ours - np.asarray(by_pil(Image.fromarray(image)), "float64"))
        rows.append([f"`{name}`", f"{apart.max():.0f}", f"{100 * np.mean(apart == 0):.1f}"])
    table(["transform", "largest difference (levels)", "equal values (%)"], rows)
    three = [
        A.RandomBrightness((1.2, 1.2)),
        A.RandomContrast((0.8, 0.8)),
        A.RandomSaturation((1.3, 1.3)),
    ]
    step = image
    for transform in three:
        step = augmented([transform], step[None])[0]
    apart = np.abs(augmented(three, image[None])[0].astype("float64") - step)
    share = 100 * np.mean(apart > 1)
    print(
        f"\none matrix or one by one: {share:.1f} % of values differ by more than a level, ", end=""
    )
    print(f"at most by {apart.max():.0f}")


if __name__ == "__main__":
    run(main)
