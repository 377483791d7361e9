"""Test error of a small CNN on few handwritten digits, with one augmentation at a time.

    python benchmarks/tricks/augmentation_on_digits.py

Ten images of each class to learn from, 800 others to be tested on. Every row trains the same
network from the same weights on the same images in the same order, for the same number of steps;
only the transform, and the masks of dropout, differ. Three seeds, which draw the images, too. The
gain is that of the pairs: error without minus error with, so that what a seed's images do to both
of them cancels. Run again, a row moves by up to a point: masks of dropout and the order of sums in
threads are not fixed. It takes some minutes.
"""

import keras
import numpy as np
from _augmented import augmented
from _common import SEEDS, error, restart, run, spread, table
from sklearn.datasets import load_digits

import kerastricks as kt

A = kt.augment
PER_CLASS = 10
STEPS = 400
BATCH = 32
GEOMETRY = [
    A.RandomRotation(15),
    A.RandomZoom(0.15),
    A.RandomShear(10),
    A.RandomTranslation(0.1, 0.1),
]
ROWS = {
    "none": [],
    "RandomFlip()": [A.RandomFlip()],
    "RandomRotation(15)": GEOMETRY[:1],
    "RandomRotation(180)": [A.RandomRotation(180)],
    "RandomZoom(0.15)": GEOMETRY[1:2],
    "RandomShear(10)": GEOMETRY[2:3],
    "RandomTranslation(0.1, 0.1)": GEOMETRY[3:],
    "RandomPerspective(0.3)": [A.RandomPerspective(0.3)],
    "RandomElastic()": [A.RandomElastic()],
    "rotation, zoom, shear, translation": GEOMETRY,
    "RandomResizedCrop(12, 12, scale=(0.6, 1))": [A.RandomResizedCrop(12, 12, scale=(0.6, 1))],
    "ColorJitter(0.4, 0.4)": [A.ColorJitter(0.4, 0.4)],
    "RandomErasing()": [A.RandomErasing()],
    "MixUp()": [A.MixUp()],
    "CutMix()": [A.CutMix()],
    "RandAugment()": [A.RandAugment()],
    "TrivialAugment()": [A.TrivialAugment()],
    'AutoAugment("svhn")': [A.AutoAugment("svhn")],
    "AugMix()": [A.AugMix()],
}


def padded_digits():
    """Images of 12 x 12 bytes with a margin of two pixels, and their classes one-hot."""
    images, labels = load_digits(return_X_y=True)
    images = np.round(images.reshape(-1, 8, 8, 1) * (255 / 16)).astype("uint8")
    return np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0))), np.eye(10, dtype="float32")[labels]


def network(steps):
    """Three convolutions, dropout, a softmax."""
    layers = [keras.Input((12, 12, 1)), keras.layers.Rescaling(1 / 127.5, -1)]
    for channels in (16, 16, "pool", 32):
        if channels == "pool":
            layers.append(keras.layers.MaxPooling2D())
            continue
        start = kt.initializers.He()
        layers.append(keras.layers.Conv2D(channels, 3, padding="same", kernel_initializer=start))
        layers.append(keras.layers.ReLU())
    layers += [keras.layers.Flatten(), kt.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(
        keras.optimizers.Adam(rate), "categorical_crossentropy", steps_per_execution=min(steps, 20)
    )
    return model


def split(labels, seed):
    """Indices of so many training images of each class, and of 800 others."""
    order = np.random.default_rng(seed).permutation(len(labels))
    classes = labels[order].argmax(axis=1)
    train = np.concatenate([order[classes == k][:PER_CLASS] for k in range(10)])
    return train, np.setdiff1d(order, train, assume_unique=True)[:800]


def main(quick=False):
    """Prints the error of every row, in percent, and its gain over "none" in points."""
    steps, seeds = (2, SEEDS[:1]) if quick else (STEPS, SEEDS)
    rows = dict(list(ROWS.items())[:2]) if quick else ROWS
    images, labels = padded_digits()
    model = network(steps)
    splits = [split(labels, seed) for seed in seeds]
    chosen = np.concatenate(
        [
            train[np.random.default_rng(seed).integers(len(train), size=BATCH * steps)]
            for seed, (train, _) in zip(seeds, splits, strict=True)
        ]
    )
    errors = {}
    for name, transforms in rows.items():
        parts = {"images": images[chosen], "labels": labels[chosen]}
        x, y = augmented(transforms, parts, fill_mode="constant").values()
        errors[name] = []
        for trial, (seed, (_, test)) in enumerate(zip(seeds, splits, strict=True)):
            own = slice(trial * BATCH * steps, (trial + 1) * BATCH * steps)
            restart(model, seed)
            model.fit(x[own], y[own], BATCH, shuffle=False, verbose=0)
            errors[name].append(error(model, images[test], labels[test].argmax(axis=1)))
    plain = np.array(errors["none"])
    table(
        ["augmentation", "test error (%)", "gain (points)"],
        [
            [f"`{name}`" if "(" in name else name, spread(found, 1), spread(plain - found, 1)]
            for name, found in errors.items()
        ],
    )


if __name__ == "__main__":
    run(main)
