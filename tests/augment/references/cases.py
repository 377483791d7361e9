"""Each transform with its reference.

A reference is a function of one image (H, W, C) of float64 levels 0..255, of the sample's uniform
numbers, and of what rounds between passes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

import kerastricks as kt
from kerastricks.augment.mixing import MixTransform
from kerastricks.augment.transform import Transform

from .colors import (
    contrasted,
    equalized,
    hued,
    jittered,
    posterized,
    saturated,
    solarized,
    stretched,
)
from .geometry import (
    bent,
    cropped,
    flipped,
    in_perspective,
    resized,
    resized_crop,
    rotated,
    sheared,
    shifted,
    zoomed,
)
from .pixels import blended, erased, noisy, pasted, sharpened
from .policies import FOURTEEN, aug_mixed, auto_augmented, operated, strongest
from .random_numbers import between

A = kt.augment
COUNT = 3


@dataclass(frozen=True)
class Case:
    """A transform and its reference.

    Attributes:
        transform: The transform, its amounts ranges.
        reference: A function of (image, numbers), and perhaps of `whole` or the partner.
        tolerance: In levels, of float32: of coordinates, tables of quantiles, or rounded tables.
        colors: Whether other numbers of channels than 1 and 3 are refused.
        count: Samples.
        stray: Share of values that may be off, where what is rounded is then spread.
    """

    transform: Transform
    reference: Callable
    tolerance: float = 0.02
    colors: bool = False
    count: int = COUNT
    stray: float = 0.0


def ranged(function, low, high, draw=1):
    return lambda x, u: function(x, between(u[draw], low, high))


def sometimes(function):
    return lambda x, u: function(x) if u[0] < 0.5 else x


ROUNDED = 0.51
CASES = [
    Case(A.RandomFlip("horizontal_and_vertical"), flipped),
    Case(A.RandomRotation((-40, 70)), ranged(rotated, -40, 70)),
    Case(A.RandomZoom((0.6, 1.4), (0.7, 1.6)), zoomed),
    Case(
        A.RandomTranslation((-0.3, 0.2), 0.4),
        lambda x, u: shifted(x, between(u[1], -0.3, 0.2), between(u[2], -0.4, 0.4)),
    ),
    Case(
        A.RandomShear((-30, 20), 15),
        lambda x, u: sheared(
            x,
            math.tan(math.radians(between(u[1], -30, 20))),
            math.tan(math.radians(between(u[2], -15, 15))),
        ),
    ),
    Case(A.RandomPerspective((0.1, 0.3)), in_perspective, 0.05),
    Case(A.RandomElastic((-0.05, 0.1), 3), bent, 0.05),
    Case(A.RandomCrop(7, 8), cropped),
    Case(A.RandomResizedCrop(8, 15, scale=(0.3, 0.9)), resized_crop),
    Case(A.Pad(2, 3), lambda x, u: np.pad(x, [(2, 2), (3, 3), (0, 0)], "symmetric")),
    Case(A.Resize(9, 20), lambda x, u: resized(x, 9, 20)),
    Case(A.RandomBrightness((0.5, 1.5)), ranged(lambda x, f: f * x, 0.5, 1.5)),
    Case(A.RandomContrast(0.6), ranged(contrasted, 0.4, 1.6)),
    Case(A.RandomSaturation((0.2, 1.9)), ranged(saturated, 0.2, 1.9), colors=True),
    Case(A.RandomHue((-0.2, 0.4)), ranged(hued, -0.2, 0.4), 0.05, colors=True),
    Case(A.ColorJitter((0.6, 1.2), (0.5, 1.1), (0.4, 1.5), (-0.1, 0.2)), jittered, 0.05, True),
    Case(A.RandomGrayscale(0.5), sometimes(lambda x: saturated(x, 0)), colors=True),
    Case(A.RandomInvert(0.5), sometimes(lambda x: 255 - x)),
    Case(A.RandomSolarize((0.2, 0.8)), ranged(solarized, 0.2, 0.8)),
    Case(A.RandomPosterize((2, 6)), lambda x, u: posterized(x, math.floor(between(u[1], 2, 7)))),
    Case(A.RandomAutoContrast(0.5), sometimes(stretched), ROUNDED),
    Case(A.RandomEqualize(0.5), sometimes(equalized)),
    Case(A.RandomSharpness((0.1, 1.9)), ranged(sharpened, 0.1, 1.9)),
    Case(
        A.RandomGaussianBlur((0.5, 2), 1),
        ranged(
            lambda x, s: ndimage.gaussian_filter(x, (s, s, 0), mode="reflect", truncate=3), 0.5, 2
        ),
    ),
    Case(A.RandomNoise((0.02, 0.1), 1), noisy),
    Case(A.RandomErasing((0.1, 0.3), (0.5, 2), probability=1), erased),
    Case(A.MixUp((0.5, 2)), blended, 0.15),
    Case(A.CutMix(), pasted),
    Case(
        A.RandAugment(1, (0.1, 0.9)),
        lambda x, u: operated(
            x, u[1:], FOURTEEN, strongest(0.3, 150 / 331, 30, 0.9, (8, 4)), (0.1, 0.9)
        ),
        ROUNDED,
        colors=True,
        count=20,
    ),
    Case(
        A.TrivialAugment(),
        lambda x, u: operated(
            x, u[1:], FOURTEEN, strongest(0.99, 32 / 224, 135, 0.99, (8, 2)), (0, 1)
        ),
        ROUNDED,
        colors=True,
        count=20,
    ),
    Case(A.AutoAugment(), auto_augmented, ROUNDED, colors=True, count=20, stray=0.02),
    # What its chains round adds up.
    Case(A.AugMix((0, 0.6), 2, 1), aug_mixed, 1.01, count=12),
]
NAMES = [type(case.transform).__name__ for case in CASES]
MIXES = [case for case in CASES if isinstance(case.transform, MixTransform)]
