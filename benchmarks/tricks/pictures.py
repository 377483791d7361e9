"""Draws the pictures of docs/tricks: a photograph, and four augmentations of it in a row.

    python benchmarks/tricks/pictures.py                # all, into docs/images/tricks
    python benchmarks/tricks/pictures.py mix_up cut_mix # some

The photographs are those that come with scikit-learn, by danielbuechele, CC BY 2.0.
"""

import argparse
import functools
import tempfile
from pathlib import Path

import keras
import numpy as np
from _augmented import augmented
from sklearn.datasets import load_sample_image

import kerastricks as kt

A = kt.augment
FOLDER = Path(__file__).parents[2] / "docs" / "images" / "tricks"
SIZE = 144
GAP = 4
COLORS = 224
DRAWS = 4
ROWS = {
    "fused_pipeline": [
        A.RandomFlip(),
        A.RandomRotation(15),
        A.RandomZoom((0.8, 1.25)),
        A.RandomPerspective(0.3),
        A.ColorJitter(0.2, 0.2, 0.3, 0.05),
    ],
    "random_resized_crop": [A.RandomResizedCrop(SIZE, SIZE)],
    "random_erasing": [A.RandomErasing(probability=1)],
    "mix_up": [A.MixUp(1.0)],
    "cut_mix": [A.CutMix()],
    "rand_augment": [A.RandAugment()],
    "trivial_augment": [A.TrivialAugment()],
    "auto_augment": [A.AutoAugment()],
    "aug_mix": [A.AugMix()],
    "random_elastic": [A.RandomElastic(0.08, cells=3)],
}
SEEDS = {"auto_augment": 5, "trivial_augment": 1, "rand_augment": 4, "aug_mix": 2}
"""Of pages whose draws with the seed of the others say little."""
OF_THE_ROOF = (
    "auto_augment",
    "fused_pipeline",
    "random_elastic",
    "random_resized_crop",
    "geometric",
)

# One transform for each draw, so that a picture tells them apart.
ROWS_OF_ROWS = {
    "photometric": [
        [
            A.RandomBrightness((1.5, 1.5)),
            A.RandomContrast((0.5, 0.5)),
            A.RandomSaturation((2, 2)),
            A.RandomHue((0.3, 0.3)),
        ],
        [
            A.RandomSolarize(0.5),
            A.RandomPosterize(2),
            A.RandomEqualize(probability=1),
            A.RandomGaussianBlur(2.0, probability=1),
        ],
    ],
    "geometric": [
        [
            A.RandomFlip(probability=1),
            A.RandomRotation((25, 25)),
            A.RandomZoom((0.7, 0.7)),
            A.RandomZoom((1.4, 1.4)),
        ],
        [
            A.RandomTranslation((0.2, 0.2), (0.2, 0.2)),
            A.RandomShear((20, 20)),
            A.RandomPerspective((0.1, 0.9)),
            A.RandomCrop(96, 96),
        ],
    ],
}


@functools.cache
def photographs():
    """A flower and a roof, as squares of bytes."""
    flower = load_sample_image("flower.jpg")[20:420, 120:520]
    roof = load_sample_image("china.jpg")[0:400, 140:540]
    return augmented([A.Resize(SIZE, SIZE)], np.stack([flower, roof]))


def drawn(name, transforms):
    """A photograph as the pipeline makes it, DRAWS times; the other is what it is mixed with."""
    flower, roof = photographs()
    shown, other = (roof, flower) if name in OF_THE_ROOF else (flower, roof)
    batch = np.stack([other, shown] * DRAWS)
    return [shown, *augmented(transforms, batch, SEEDS.get(name, 3))[1::2]]


def laid_out(rows):
    """A sheet of pictures, with white between them and around those that are smaller."""
    tall, wide = len(rows) * (SIZE + GAP) - GAP, len(rows[0]) * (SIZE + GAP) - GAP
    sheet = np.full((tall, wide, 3), 255, "uint8")
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top = row * (SIZE + GAP) + (SIZE - picture.shape[0]) // 2
            left = column * (SIZE + GAP) + (SIZE - picture.shape[1]) // 2
            sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return keras.utils.array_to_img(sheet, scale=False)


def picture_of(name):
    """The sheet of a page."""
    if name in ROWS:
        return laid_out([drawn(name, ROWS[name])])
    rows = [[drawn(name, [transform]) for transform in row] for row in ROWS_OF_ROWS[name]]
    return laid_out([[row[0][0], *(pictures[1] for pictures in row)] for row in rows])


def main(names, folder):
    """Writes a PNG of few colors for each name, and says how large it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / f"{name}.png"
        picture_of(name).quantize(COLORS).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*ROWS, *ROWS_OF_ROWS])
    parser.add_argument("--quick", action="store_true", help="one, into a temporary folder")
    options = parser.parse_args()
    if options.quick:
        with tempfile.TemporaryDirectory() as folder:
            main(options.names[:1], Path(folder))
    else:
        main(options.names, FOLDER)
