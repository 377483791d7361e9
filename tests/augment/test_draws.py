"""What is drawn: the numbers of a sample, and the law of each amount that is made of them."""

from dataclasses import fields
from typing import get_type_hints

import keras
import numpy as np
import pytest
from scipy import stats

import kerastricks as kt
from kerastricks.augment.threefry import SampleKeys

from .references.cases import NAMES
from .references.colors import LUMA, YIQ
from .references.policies import OPERATIONS
from .references.random_numbers import SEED, between, numbers

A = kt.augment
LEVEL = 0.001
"""Level of significance of each test of a distribution; seeds are fixed."""


def drawn(count, transform=0, epoch=0, seed=SEED, positions=1000):
    """The package's uniform numbers (positions, count)."""
    convert = keras.ops.convert_to_tensor
    keys = SampleKeys(seed, convert(np.int32(epoch)), convert(np.arange(positions, dtype="int32")))
    return keys.uniform(keras.ops, transform, count)


@pytest.mark.parametrize(
    ("count", "transform", "epoch", "seed"),
    [(5, 0, 0, 0), (8, 300, 7, 2**32 - 1), (1, 1, 2**30, 3)],
)
def test_random_numbers_are_those_of_threefry(to_numpy, count, transform, epoch, seed):
    found = to_numpy(drawn(count, transform, epoch, seed, positions=50))
    exact = [numbers(count, position, transform, epoch, seed) for position in range(50)]
    np.testing.assert_array_equal(found, np.array(exact, "float32"))


def test_random_numbers_are_uniform_and_independent(to_numpy):
    """Over positions, draws, transforms, epochs and seeds, and between any two neighbors."""
    names = [(0, 0, SEED), (1, 0, SEED), (0, 1, SEED), (1, 1, SEED), (0, 0, SEED + 1)]
    columns = np.concatenate([to_numpy(drawn(4, *name)) for name in names], axis=1)
    for column in columns.T:
        assert stats.kstest(column, "uniform").pvalue > LEVEL
        before, after = column[:-1], column[1:]
        assert abs(np.corrcoef(before, after)[0, 1]) < 4 / np.sqrt(len(column))
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 4.5 / np.sqrt(len(columns))
    for other in range(1, columns.shape[1]):
        pairs_of, _, _ = np.histogram2d(columns[:, 0], columns[:, other], bins=5)
        assert stats.chisquare(pairs_of.ravel()).pvalue > LEVEL / columns.shape[1]


LARGE = 3000, 4000
"""An image in which whole pixels do not show, (height, width)."""


def matrices(transform, to_numpy):
    return to_numpy(transform.matrix(keras.ops, drawn(transform.num_draws), LARGE)).astype(
        "float64"
    )


def mixed(transform, to_numpy):
    mean = keras.ops.convert_to_tensor(np.full((1000, 3), 0.5, "float32"))
    matrix, offset = transform.matrix(keras.ops, drawn(transform.num_draws), mean)
    return to_numpy(matrix).astype("float64"), to_numpy(offset).astype("float64")


def parameters(transform, to_numpy):
    u = drawn(transform.num_draws)
    found = transform.draw(keras.ops, u, LARGE)
    return keras.tree.map_structure(lambda x: to_numpy(x).astype("float64"), found)


def tables(transform, to_numpy):
    return to_numpy(transform.table(keras.ops, drawn(transform.num_draws), None))[:, 0]


def turned(matrix, row=1, column=0):
    return np.degrees(np.arctan2(matrix[:, row, column], matrix[:, 0, 0]))


def saturation_of(matrix):
    return (matrix[:, 0, 0] - LUMA[0]) / (1 - LUMA[0])


def hue_of(matrix):
    turn = YIQ @ matrix @ np.linalg.inv(YIQ)
    return np.arctan2(turn[:, 1, 2], turn[:, 1, 1]) / (2 * np.pi)


def ways_of(matrix):
    height, width = LARGE
    half = np.array([width / 2, height / 2])
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    points = np.concatenate([square * half, np.ones((4, 1))], axis=1)
    moved = np.linalg.inv(matrix) @ points.T
    return 1 - np.swapaxes(moved[:, :2] / moved[:, 2:], 1, 2)[:, 2] / half / square[2]


def chances(found, alpha, place):
    """Where shares of Beta(alpha, alpha) lie among such shares: uniform."""
    each = between(place, *alpha)
    return stats.beta(each, each).cdf(found)


def shares_of(transform, to_numpy):
    """Of rectangles that the image cuts on one side, by the other."""
    _, top, _, bottom = parameters(transform, to_numpy)
    middle = np.floor(to_numpy(drawn(transform.num_draws))[:, 2].astype("float64") * LARGE[0])
    return 1 - (2 * np.maximum(bottom - middle, middle - top) / LARGE[0]) ** 2


def chosen_amounts(transform, name, to_numpy):
    choice = transform.choose(keras.ops, drawn(transform.num_draws), 0)
    held = to_numpy(choice.operation) == tuple(OPERATIONS).index(name)
    return np.abs(to_numpy(choice.amount).astype("float64"))[held]


# Transform, amounts, what is found of its draws, and the range it is uniform over.
DRAWS = [
    (A.RandomRotation((-40, 70)), "degrees", lambda t, n: turned(matrices(t, n)), (-40, 70)),
    (A.RandomZoom((0.6, 1.4)), "scale", lambda t, n: 1 / matrices(t, n)[:, 1, 1], (0.6, 1.4)),
    (
        A.RandomZoom((1, 2), (0.5, 3)),
        "width_scale",
        lambda t, n: 1 / matrices(t, n)[:, 0, 0],
        (0.5, 3),
    ),
    (
        A.RandomTranslation(0.3, 0),
        "height",
        lambda t, n: -matrices(t, n)[:, 1, 2] / LARGE[0],
        (-0.3, 0.3),
    ),
    (
        A.RandomTranslation(0, (0, 0.5)),
        "width",
        lambda t, n: -matrices(t, n)[:, 0, 2] / LARGE[1],
        (0, 0.5),
    ),
    (A.RandomShear((-30, 20)), "degrees", lambda t, n: turned(matrices(t, n), 0, 1), (-30, 20)),
    (A.RandomShear(0, 15), "vertical_degrees", lambda t, n: turned(matrices(t, n)), (-15, 15)),
    (
        A.RandomPerspective((0.1, 0.3)),
        "distortion",
        lambda t, n: ways_of(matrices(t, n))[:, 1],
        (0.1, 0.3),
    ),
    (
        A.RandomElastic((-0.05, 0.1), 2),
        "displacement",
        lambda t, n: n(t.grid(keras.ops, drawn(t.num_draws), LARGE))[:, 1, 2, 1] / 3000,
        (-0.05, 0.1),
    ),
    (
        A.RandomResizedCrop(30, 40, scale=(0.1, 0.3)),
        "scale",
        lambda t, n: np.prod([matrices(t, n)[:, axis, axis] for axis in range(2)], axis=0) / 1e4,
        (0.1, 0.3),
    ),
    (
        A.RandomResizedCrop(30, 30, scale=0.1, aspect_ratio=(0.5, 2)),
        "aspect_ratio",
        lambda t, n: np.log2(matrices(t, n)[:, 0, 0] / matrices(t, n)[:, 1, 1]),
        (-1, 1),
    ),
    (A.RandomBrightness(0.4), "factor", lambda t, n: mixed(t, n)[0][:, 1, 1], (0.6, 1.4)),
    (A.RandomContrast(0.4), "factor", lambda t, n: mixed(t, n)[0][:, 1, 1], (0.6, 1.4)),
    (A.RandomSaturation(0.4), "factor", lambda t, n: saturation_of(mixed(t, n)[0]), (0.6, 1.4)),
    (A.RandomHue((-0.2, 0.4)), "hue", lambda t, n: hue_of(mixed(t, n)[0]), (-0.2, 0.4)),
    (A.ColorJitter(brightness=0.4), "brightness", lambda t, n: mixed(t, n)[0][:, 1, 1], (0.6, 1.4)),
    (A.ColorJitter(contrast=0.4), "contrast", lambda t, n: mixed(t, n)[0][:, 1, 1], (0.6, 1.4)),
    (
        A.ColorJitter(saturation=0.4),
        "saturation",
        lambda t, n: saturation_of(mixed(t, n)[0]),
        (0.6, 1.4),
    ),
    (A.ColorJitter(hue=0.3), "hue", lambda t, n: hue_of(mixed(t, n)[0]), (-0.3, 0.3)),
    (
        A.RandomSolarize((0.2, 0.8)),
        "threshold",
        # The first level that is inverted, and any place between it and the one before.
        lambda t, n: ((tables(t, n) != np.arange(256)).argmax(axis=1) - numbers(1000, 0)) / 255,
        (0.2, 0.8),
    ),
    (
        A.RandomPosterize((2, 6)),
        "bits",
        lambda t, n: np.log2([len(set(table)) for table in tables(t, n)]) + numbers(1000, 0),
        (2, 7),
    ),
    (A.RandomSharpness(0.9), "factor", parameters, (0.1, 1.9)),
    (A.RandomGaussianBlur((0.5, 2), 1), "sigma", parameters, (0.5, 2)),
    (A.RandomNoise((0.02, 0.1), 1), "std", lambda t, n: parameters(t, n)[0], (0.02, 0.1)),
    (
        A.RandomErasing((0.1, 0.3), 1, probability=1),
        "area",
        lambda t, n: (
            np.prod(np.subtract(parameters(t, n)[2:4], parameters(t, n)[:2]), axis=0) / 12e6
        ),
        (0.1, 0.3),
    ),
    (
        A.RandomErasing(0.1, (0.5, 2), probability=1),
        "aspect_ratio",
        lambda t, n: (
            -np.diff(np.log2(np.subtract(parameters(t, n)[2:4], parameters(t, n)[:2])), axis=0)[0]
        ),
        (-1, 1),
    ),
    (
        A.MixUp((0.5, 2)),
        "alpha",
        lambda t, n: chances(parameters(t, n), (0.5, 2), n(drawn(3))[:, 2].astype("float64")),
        (0, 1),
    ),
    (
        A.CutMix((0.5, 2)),
        "alpha",
        lambda t, n: chances(shares_of(t, n), (0.5, 2), n(drawn(5))[:, 4].astype("float64")),
        (0, 1),
    ),
    (
        A.RandAugment(1, (0.1, 0.9)),
        "magnitude",
        lambda t, n: chosen_amounts(t, "rotate", n) / 30,
        (0.1, 0.9),
    ),
    (A.AugMix(0.6), "severity", lambda t, n: chosen_amounts(t, "rotate", n) / 30, (0, 0.6)),
    (
        A.AugMix(alpha=(0.5, 2)),
        "alpha",
        lambda t, n: chances(
            n(t.weights(keras.ops, drawn(t.num_draws)))[:, 0].astype("float64"),
            (0.5, 2),
            n(drawn(t.num_draws))[:, -1].astype("float64"),
        ),
        (0, 1),
    ),
]


def test_every_amount_has_its_distribution_looked_at():
    """Every argument in floating point, and bits; the chances have a test of their own."""
    amounts = {
        (kind.__name__, field.name)
        for kind in (getattr(A, name) for name in NAMES)
        for field in fields(kind)
        if "float" in str(get_type_hints(kind)[field.name]) or field.name == "bits"
        if field.name not in ("probability", "fill_value")
    }
    assert {(type(transform).__name__, amount) for transform, amount, _, _ in DRAWS} == amounts


@pytest.mark.every_variant
@pytest.mark.parametrize(
    ("transform", "amount", "of", "limits"),
    DRAWS,
    ids=[f"{type(d[0]).__name__}-{d[1]}" for d in DRAWS],
)
def test_amounts_are_drawn_uniformly_from_their_range(transform, amount, of, limits, to_numpy):
    assert {field.name for field in fields(transform)} >= {amount}
    low, high = limits
    found = np.asarray(of(transform, to_numpy))
    assert len(found) >= 60  # of one operation in fourteen
    assert stats.kstest(found, "uniform", (low, high - low)).pvalue > LEVEL
