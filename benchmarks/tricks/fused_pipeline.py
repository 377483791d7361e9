"""How much sharper one resample is than several, one after the other.

    python benchmarks/tricks/fused_pipeline.py

A picture that is a formula, a sum of thirty waves of four pixels and more, is known at every place,
so that a warped image can be compared with what it should be. Rotation, zoom, shear and translation
by amounts drawn for each seed: once as one pipeline, which multiplies their matrices, and once as
pipelines of one transform each. PSNR over the middle, in decibels; 6 dB are half the error.
"""

import math

import numpy as np
from _augmented import augmented
from _common import SEEDS, run, spread, table

import kerastricks as kt

A = kt.augment
SIZE = 128
WAVES = 30


def picture(random):
    """A function of x and y, in pixels from the center, with values of 0 to 255."""
    length = random.uniform(4, 40, WAVES)
    angle, phase = random.uniform(0, 2 * math.pi, (2, WAVES))
    amplitude = random.uniform(0.5, 1, WAVES)
    amplitude *= 127 / amplitude.sum()
    across, down = (2 * math.pi / length * wave(angle) for wave in (np.cos, np.sin))

    def value(x, y):
        waves = np.cos(across * x[..., None] + down * y[..., None] + phase)
        return 127.5 + waves @ amplitude

    return value


def transforms_and_matrices(random):
    """Four transforms of fixed amounts, and their matrices from output to input."""
    a = random.uniform(5, 15)
    s = random.uniform(1.05, 1.25)
    b = random.uniform(3, 10)
    tx, ty = random.uniform(-0.08, 0.08, 2)
    turn, slope = math.radians(a), math.tan(math.radians(b))
    matrices = [
        [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]],
        [[1 / s, 0, 0], [0, 1 / s, 0], [0, 0, 1]],
        [[1, slope, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, -tx * SIZE], [0, 1, -ty * SIZE], [0, 0, 1]],
    ]
    transforms = [
        A.RandomRotation((a, a)),
        A.RandomZoom((s, s)),
        A.RandomShear((b, b)),
        A.RandomTranslation((ty, ty), (tx, tx)),
    ]
    return transforms, [np.array(matrix) for matrix in matrices]


def decibels(image, truth):
    """Peak signal-to-noise ratio over the middle, which no border reaches."""
    middle = slice(SIZE // 4, -SIZE // 4)
    error = (image[middle, middle, 0].astype("float64") - truth[middle, middle]) ** 2
    return 10 * math.log10(255**2 / error.mean())


def main(quick=False):
    """Prints PSNR after the first, the first two, ... transforms, fused and one by one."""
    seeds = SEEDS[:1] if quick else SEEDS
    counts = (1, 2) if quick else (1, 2, 3, 4)
    places = np.arange(SIZE) - (SIZE - 1) / 2
    x, y = np.meshgrid(places, places)
    found = {(count, how): [] for count in counts for how in ("fused", "single")}
    for seed in seeds:
        random = np.random.default_rng(seed)
        value = picture(random)
        transforms, matrices = transforms_and_matrices(random)
        image = np.round(value(x, y)).astype("uint8")[..., None]
        step, matrix = image, np.eye(3)
        for count in counts:
            matrix = matrix @ matrices[count - 1]
            points = matrix @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
            truth = value(points[0], points[1]).reshape(x.shape)
            step = augmented(transforms[count - 1 : count], step[None])[0]
            fused = augmented(transforms[:count], image[None])[0]
            found[count, "fused"].append(decibels(fused, truth))
            found[count, "single"].append(decibels(step, truth))
    names = ("rotation", "+ zoom", "+ shear", "+ translation")
    table(
        ["transforms", "one resample (dB)", "one by one (dB)"],
        [
            [names[count - 1], *(spread(found[count, how], 1) for how in ("fused", "single"))]
            for count in counts
        ],
    )


if __name__ == "__main__":
    run(main)
