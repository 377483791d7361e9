"""Every transform against PIL, scipy and closed forms, which know the random numbers alone.

The references begin with Threefry in numpy: from a sample's name to its pixels nothing here is the
package's own. A reference is a function of one image (H, W, C) of float64 levels 0..255, of the
sample's uniform numbers, and of what rounds between passes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import get_type_hints

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy import ndimage, stats

import kerastricks as kt
from kerastricks.augment.mixing import MixTransform
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transform import Transform
from kerastricks.augment.transforms.auto_augment import pairs

A = kt.augment
SEED, COUNT = 11, 3
LUMA = np.array([0.299, 0.587, 0.114])
# scikit-image's matrix of NTSC's YIQ.
YIQ = np.array(
    [
        [0.299, 0.587, 0.114],
        [0.59590059, -0.27455667, -0.32134392],
        [0.21153661, -0.52273617, 0.31119955],
    ]
)
LEVEL = 0.001
"""Level of significance of each test of a distribution; seeds are fixed."""


# Random numbers


def threefry(key, counter):
    """Threefry-2x32, 20 rounds, on arrays of uint32."""
    keys = [*key, key[0] ^ key[1] ^ np.uint32(0x1BD11BDA)]
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for bits in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x = x + y
            y = (y << np.uint32(bits) | y >> np.uint32(32 - bits)) ^ x
        x, y = x + keys[(group + 1) % 3], y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


def uniform(words):
    return (words >> np.uint32(8)) * 2.0**-24


def numbers(count, position, transform=0, epoch=0, seed=SEED):
    """The uniform numbers of one sample."""
    blocks = np.arange((count + 1) // 2, dtype="uint32") + np.uint32(transform << 16)
    key = [np.full_like(blocks, word) for word in (seed, epoch)]
    words = threefry(key, (np.full_like(blocks, position), blocks))
    return uniform(np.stack(words, axis=-1).ravel())[:count]


def pixel_noise(u, shape):
    """Two numbers a value, of the key that four numbers make."""
    whole = [np.uint32(each * 2**24) for each in u]
    key = whole[0] ^ (whole[1] << np.uint32(16)), whole[2] ^ (whole[3] << np.uint32(16))
    place = np.arange(np.prod(shape), dtype="uint32").reshape(shape)
    words = threefry([np.full_like(place, word) for word in key], (place, np.zeros_like(place)))
    return [uniform(word) for word in words]


def between(u, low, high):
    return low + u * (high - low)


# Geometry


def each_channel(function, x):
    return np.stack([function(x[..., channel]) for channel in range(x.shape[-1])], axis=-1)


def smoothed(x, spans):
    """Along y and x, by as much as a map shrinks there."""
    for axis, span in enumerate(spans):
        if span <= 1 + 1e-5:
            continue
        near = (span**2 - 1) / 12
        far = max(2, math.ceil(span))
        triangle = [max(0.0, 1 - abs(k) / span) for k in range(1 - far, far)]
        weights = np.array([near, 1 - 2 * near, near] if span < 2 else triangle)
        x = ndimage.correlate1d(x, weights / weights.sum(), axis=axis, mode="reflect")
    return x


def sampled(x, rows, columns):
    return each_channel(
        lambda c: ndimage.map_coordinates(c, [rows, columns], order=1, mode="reflect"), x
    )


def warped(x, matrix):
    """By a matrix from output to input, on (x, y, 1) about the centre."""
    height, width, _ = x.shape
    middle = np.array([(width - 1) / 2, (height - 1) / 2])

    def source(points):
        moved = matrix @ np.stack([*points, np.ones_like(points[0])])
        return moved[:2] / moved[2]

    steps = np.array([[0, 1e-4, 0], [0, 0, 1e-4]])
    slopes = np.diff(source(steps.reshape(2, 3)), axis=1) / 1e-4
    slopes[:, 1] += slopes[:, 0]  # the second difference is from the first point's end
    spans = np.hypot(*slopes.T)[::-1]
    y, x_out = np.mgrid[:height, :width].astype("float64")
    across, down = source(np.stack([x_out - middle[0], y - middle[1]]).reshape(2, -1))
    shape = height, width
    found = (down + middle[1]).reshape(shape), (across + middle[0]).reshape(shape)
    return sampled(smoothed(x, spans), *found)


def affine(a, b, c, d, e, f):
    return np.array([[a, b, c], [d, e, f], [0, 0, 1]])


def rotated(x, degrees):
    turn = math.radians(degrees)
    c, s = math.cos(turn), math.sin(turn)
    return warped(x, affine(c, -s, 0, s, c, 0))


def sheared(x, slope, steep=0.0):
    return warped(x, affine(1 + slope * steep, slope, 0, steep, 1, 0))


def shifted(x, down, right):
    return ndimage.shift(x, (down * x.shape[0], right * x.shape[1], 0), order=1, mode="reflect")


def windowed(x, axis, start, extent, length):
    """A part of an axis, made `length` pixels long by PIL's triangle."""
    scale = extent / length
    center = start + (np.arange(length) + 0.5) * scale - 0.5
    size = x.shape[axis]
    turned = (center + 0.5) % (2 * size)
    center = np.minimum(turned, 2 * size - turned) - 0.5
    distance = np.abs(np.arange(size) - center[:, None])
    weights = np.maximum(1 - distance / max(scale, 1.0), 0)
    return np.moveaxis(
        np.tensordot(weights / weights.sum(axis=1, keepdims=True), x, (1, axis)), 0, axis
    )


def zoomed(x, u):
    for axis, factor in enumerate((between(u[1], 0.6, 1.4), between(u[2], 0.7, 1.6))):
        size = x.shape[axis]
        x = windowed(x, axis, (size - size / factor) / 2, size / factor, size)
    return x


def resized(x, height, width):
    def one(channel):
        image = Image.fromarray(channel.astype("float32"))
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))

    return each_channel(one, x)


def cropped(x, u):
    top, left = (
        math.floor(n * (s - k + 1)) for n, s, k in zip(u[1:], x.shape, (7, 8), strict=False)
    )
    return x[top : top + 7, left : left + 8]


def resized_crop(x, u):
    size = x.shape[:2]
    for area, ratio in zip(u[3:13], u[13:], strict=True):
        side = math.sqrt(between(area, 0.3, 0.9) * size[0] * size[1])
        root = math.exp(between(ratio, math.log(0.75), math.log(4 / 3)) / 2)
        extent = round(side / root), round(side * root)
        if all(1 <= e <= s for e, s in zip(extent, size, strict=True)):
            break
    for axis, length in enumerate((8, 15)):
        start = math.floor(u[1 + axis] * (size[axis] - extent[axis] + 1))
        x = windowed(x, axis, start, extent[axis], length)
    return x


def flipped(x, u):
    return x[:: -1 if u[1] < 0.5 else 1, :: -1 if u[0] < 0.5 else 1]


def in_perspective(x, u):
    """The map that takes the corners to where they go, by eight linear equations."""
    height, width, _ = x.shape
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    half = np.array([width / 2, height / 2])
    goals = square * (1 - between(u[1:9].reshape(4, 2), 0.1, 0.3)) * half
    rows = []
    for (a, b), (c, d) in zip(square * half, goals, strict=True):
        rows += [[a, b, 1, 0, 0, 0, -c * a, -c * b], [0, 0, 0, a, b, 1, -d * a, -d * b]]
    forward = np.append(np.linalg.solve(np.array(rows), goals.ravel()), 1).reshape(3, 3)
    return warped(x, np.linalg.inv(forward))


def bent(x, u):
    height, width, _ = x.shape
    shorter, cells = min(height, width), 3
    grid = between(u[1:], -0.05, 0.1).reshape(cells + 3, cells + 3, 2) * shorter
    y, x_out = np.mgrid[:height, :width].astype("float64")
    at = [(y + 0.5) * cells / height + 1, (x_out + 0.5) * cells / width + 1]
    right, down = (
        ndimage.map_coordinates(grid[..., axis], at, order=3, prefilter=False, mode="nearest")
        for axis in range(2)
    )
    return sampled(x, y + down, x_out + right)


# Colours and tables


def grey_of(x):
    return (x @ LUMA)[..., None] if x.shape[-1] == 3 else x.mean(axis=-1, keepdims=True)


def contrasted(x, factor):
    mean = grey_of(x.mean(axis=(0, 1), keepdims=True)).mean()
    return mean + factor * (x - mean)


def saturated(x, factor):
    return x if x.shape[-1] == 1 else grey_of(x) + factor * (x - grey_of(x))


def hued(x, turns):
    if x.shape[-1] == 1:
        return x
    c, s = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    return x @ (np.linalg.inv(YIQ) @ turn @ YIQ).T


def jittered(x, u):
    x = contrasted(x * between(u[1], 0.6, 1.2), between(u[2], 0.5, 1.1))
    return hued(saturated(x, between(u[3], 0.4, 1.5)), between(u[4], -0.1, 0.2))


def equalized(x):
    def one(channel):
        return np.asarray(ImageOps.equalize(Image.fromarray(channel.astype("uint8"))))

    return each_channel(one, np.rint(x)).astype("float64")


def stretched(x):
    least, most = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    return np.where(most > least, (x - least) * 255 / np.maximum(most - least, 1), x)


def posterized(x, bits):
    return np.floor(np.rint(x) / 2 ** (8 - bits)) * 2 ** (8 - bits)


def solarized(x, threshold):
    return np.where(np.rint(x) >= 255 * threshold, 255 - np.rint(x), np.rint(x))


# Pixels


def sharpened(x, factor):
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    inside = x[1:-1, 1:-1]
    smooth = each_channel(lambda c: ndimage.convolve(c, kernel), x)[1:-1, 1:-1]
    out = x.copy()
    out[1:-1, 1:-1] = smooth + factor * (inside - smooth)
    return out


def noisy(x, u):
    radius, angle = pixel_noise(u[2:6], x.shape)
    normal = np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
    return x + 255 * between(u[1], 0.02, 0.1) * normal


def erased(x, u):
    size = x.shape[:2]
    side = math.sqrt(between(u[1], 0.1, 0.3) * size[0] * size[1])
    root = math.exp(between(u[2], math.log(0.5), math.log(2)) / 2)
    tall, wide = min(round(side * root), size[0]), min(round(side / root), size[1])
    top, left = math.floor(u[3] * (size[0] - tall + 1)), math.floor(u[4] * (size[1] - wide + 1))
    out, (fill, _) = x.copy(), pixel_noise(u[5:9], x.shape)
    out[top : top + tall, left : left + wide] = 255 * fill[top : top + tall, left : left + wide]
    return out


def blended(x, u, partner):
    alpha = between(u[2], 0.5, 2)
    share = stats.beta(alpha, alpha).ppf(u[1])
    return share * x + (1 - share) * partner


def pasted(x, u, partner):
    side, out = math.sqrt(1 - u[1]), x.copy()
    spans = []
    for axis, size in enumerate(x.shape[:2]):
        length = round(size * side)
        start = math.floor(u[2 + axis] * size) - length // 2
        spans.append(slice(max(start, 0), min(start + length, size)))
    out[tuple(spans)] = partner[tuple(spans)]
    return out


# Policies

OPERATIONS = {
    "identity": lambda x, a: x,
    "shear_x": lambda x, a: sheared(x, a),
    "shear_y": lambda x, a: sheared(x, 0, a),
    "translate_x": lambda x, a: shifted(x, 0, a),
    "translate_y": lambda x, a: shifted(x, a, 0),
    "rotate": rotated,
    "brightness": lambda x, a: (1 + a) * x,
    "saturation": lambda x, a: saturated(x, 1 + a),
    "contrast": lambda x, a: contrasted(x, 1 + a),
    "sharpness": lambda x, a: sharpened(x, 1 + a),
    "posterize": posterized,
    "solarize": solarized,
    "auto_contrast": lambda x, a: stretched(x),
    "equalize": lambda x, a: equalized(x),
    "invert": lambda x, a: 255 - x,
}
MOVES = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
SIGNED = (*MOVES, "brightness", "saturation", "contrast", "sharpness")
FOURTEEN = tuple(OPERATIONS)[:-1]
NINE = (
    "auto_contrast",
    "equalize",
    "posterize",
    "rotate",
    "solarize",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)


def chosen(u, names, strongest, magnitude):
    """An operation and its amount, of three numbers."""
    name = names[math.floor(u[0] * len(names))]
    strength = between(u[1], *magnitude)
    weakest, most = {"posterize": strongest["posterize"], "solarize": (1, 0)}.get(
        name, (0, strongest.get(name, 0))
    )
    amount = weakest + strength * (most - weakest)
    amount = round(amount) if name == "posterize" else amount
    return name, -amount if name in SIGNED and u[2] < 0.5 else amount


def strongest(shear, shift, degrees, factor, bits):
    return {
        "shear_x": shear,
        "shear_y": shear,
        "translate_x": shift,
        "translate_y": shift,
        "rotate": degrees,
        **dict.fromkeys(SIGNED[5:], factor),
        "posterize": bits,
    }


def operated(x, u, names, most, magnitude):
    name, amount = chosen(u, names, most, magnitude)
    return OPERATIONS[name](x, amount)


def auto_augmented(x, u, whole):
    pair = pairs("imagenet")[math.floor(u[0] * 25)]
    todo = []
    for slot, (index, probability, amount, signed) in enumerate(pair):
        if u[1 + 2 * slot] < probability:
            negative = signed and u[2 + 2 * slot] < 0.5
            todo.append((tuple(OPERATIONS)[int(index)], -amount if negative else amount))
    for name, amount in sorted(todo, key=lambda step: step[0] not in MOVES):
        x = whole(OPERATIONS[name](x, amount))
    return x


def aug_mixed(x, u, whole):
    """Of two chains of one operation each."""
    most = strongest(0.3, 1 / 3, 30, 0, (4, 1))
    left = 1 - u[1]
    shares = left * u[2], left * (1 - u[2])
    out = u[1] * x
    for chain, share in enumerate(shares):
        which = u[6 + 3 * chain : 9 + 3 * chain]
        out = out + share * whole(operated(x, which, NINE, most, (0, 0.6)))
    return out


# The table


@dataclass(frozen=True)
class Case:
    """A transform and its reference.

    Attributes:
        transform: The transform, its amounts ranges.
        reference: A function of (image, numbers), and perhaps of `whole` or the partner.
        tolerance: In levels, of float32: of coordinates, tables of quantiles, or rounded tables.
        colours: Whether other numbers of channels than 1 and 3 are refused.
        count: Samples.
        stray: Share of values that may be off, where what is rounded is then spread.
    """

    transform: Transform
    reference: Callable
    tolerance: float = 0.02
    colours: bool = False
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
    Case(A.RandomSaturation((0.2, 1.9)), ranged(saturated, 0.2, 1.9), colours=True),
    Case(A.RandomHue((-0.2, 0.4)), ranged(hued, -0.2, 0.4), 0.05, colours=True),
    Case(A.ColorJitter((0.6, 1.2), (0.5, 1.1), (0.4, 1.5), (-0.1, 0.2)), jittered, 0.05, True),
    Case(A.RandomGrayscale(0.5), sometimes(lambda x: saturated(x, 0)), colours=True),
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
        colours=True,
        count=20,
    ),
    Case(
        A.TrivialAugment(),
        lambda x, u: operated(
            x, u[1:], FOURTEEN, strongest(0.99, 32 / 224, 135, 0.99, (8, 2)), (0, 1)
        ),
        ROUNDED,
        colours=True,
        count=20,
    ),
    Case(A.AutoAugment(), auto_augmented, ROUNDED, colours=True, count=20, stray=0.02),
    # What its chains round adds up.
    Case(A.AugMix((0, 0.6), 2, 1), aug_mixed, 1.01, count=12),
]
NAMES = [type(case.transform).__name__ for case in CASES]
MIXES = [case for case in CASES if isinstance(case.transform, MixTransform)]
# dtype, channels, and channels of what has one or three, (height, width): odd and even, and of
# more than 255 pixels, below which equalizing does nothing.
KINDS = [
    ("uint8", 3, 3, (16, 21)),
    ("int16", 4, 1, (17, 18)),
    ("int32", 1, 1, (16, 21)),
    ("float16", 3, 3, (19, 15)),
    ("float32", 4, 3, (17, 18)),
    ("float64", 1, 1, (18, 20)),
]


def test_every_transform_has_a_reference():
    assert sorted(NAMES) == sorted(name for name in A.__all__ if name != "Pipeline")


def rough(count, channels, size):
    """No pixel is like the next; whole levels, all of which every dtype holds."""
    random = np.random.default_rng(0)
    return random.integers(20, 231, (count, *size, channels)).astype("float64")


def smooth(count, channels, size):
    """Waves of whole levels: OpenCV places pixels by 32nds."""
    y, x = np.mgrid[: size[0], : size[1]]
    waves = [
        125 + 100 * np.sin((x * (k % 3 + 1) + y * (k % 4 + 1)) / 9 + k)
        for k in range(count * channels)
    ]
    return np.rint(np.stack(waves).reshape(count, channels, *size)).transpose(0, 2, 3, 1)


def size_for(case):
    """A small image, of enough pixels."""
    return (17, 16) if isinstance(case.transform, A.RandomEqualize) else (9, 10)


def expected(case, images, dtype, *, first_alone=False):
    """What the reference makes of images (B, H, W, C), before the last rounding."""

    def whole(x):
        x = np.clip(x, 0, 255)
        return np.rint(x) if "int" in dtype else x.astype(dtype).astype("float64")

    out = []
    for position, image in enumerate(images):
        u = numbers(max(1, case.transform.num_draws), position)
        arguments = image, u
        if isinstance(case.transform, MixTransform):
            arguments += (images[0 if first_alone and not position else position - 1],)
        elif case.reference in (auto_augmented, aug_mixed):
            arguments += (whole,)
        out.append(np.clip(case.reference(*arguments), 0, 255))
    return np.stack(out)


def assert_close(out, exact, case, dtype, slack=0.0):
    assert out.dtype == dtype
    assert out.shape == exact.shape
    tolerance = case.tolerance
    if "int" in dtype:
        tolerance = max(0.5 + min(tolerance, 0.25), tolerance)
    if dtype == "float16":
        tolerance += 1 / 16  # half of the last of eleven bits, below 256
    difference = np.abs(out.astype("float64") - exact)
    assert (difference > tolerance + slack).mean() <= case.stray, difference.max()


@pytest.mark.every_variant
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_layer_gives_what_the_reference_says(case, to_numpy):
    kinds = KINDS[:5:2] if case.count > COUNT else KINDS
    for dtype, any_number, colours, size in kinds:
        images = rough(case.count, colours if case.colours else any_number, size)
        given = keras.ops.convert_to_tensor(images.astype(dtype))
        dtype = keras.backend.standardize_dtype(given.dtype)  # JAX has no float64 by default
        out = A.Pipeline([case.transform], seed=SEED)(given, training=True)
        assert_close(to_numpy(out), expected(case, images, dtype), case, dtype)


@pytest.mark.slow  # compiles for each
@pytest.mark.parametrize("engine", ["xla", "opencv"])
@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 3), ("float32", 1)])
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_data_set_gives_what_the_reference_says(case, dtype, channels, engine):
    """Of batches of which the last one is smaller; OpenCV to a level more."""
    tf = pytest.importorskip("tensorflow")
    if engine == "opencv":
        pytest.importorskip("cv2")
    slack, picture = (1.0, smooth) if engine == "opencv" else (0.0, rough)
    case = replace(case, stray=0.02) if engine == "opencv" and case.count > COUNT else case
    images = picture(case.count, channels, (16, 21))
    data = tf.data.Dataset.from_tensor_slices(images.astype(dtype)).batch(case.count - 1)
    out = A.Pipeline([case.transform], seed=SEED).augment(data, engine=engine)
    found = np.concatenate([batch.numpy() for batch in out])
    exact = expected(case, images, dtype, first_alone=True)
    assert_close(found, exact, case, dtype, slack)


# What is drawn


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
    """Over positions, draws, transforms, epochs and seeds, and between any two neighbours."""
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


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(c, marks=[pytest.mark.slow] * (c.count > COUNT), id=n)
        for c, n in zip(CASES, NAMES, strict=True)
        if hasattr(c.transform, "probability")
    ],
)
def test_probability_is_the_share_of_samples_that_are_changed(case, to_numpy):
    """And what is changed is changed as if all were: chance draws numbers of its own."""
    images = rough(300, 3, size_for(case)).astype("uint8")
    transform = case.transform
    if isinstance(transform, A.RandomFlip):
        transform = A.RandomFlip()

    def run(probability):
        given = replace(transform, probability=probability)
        return to_numpy(A.Pipeline([given], seed=SEED)(images, training=True))

    never, seldom, always = (run(probability) for probability in (0, 0.3, 1))
    changed, changing = ((each != never).any(axis=(1, 2, 3)) for each in (seldom, always))
    np.testing.assert_array_equal(seldom[changed], always[changed])
    share = 0.3 * changing.mean()
    assert share > 0.1
    assert abs(changed.mean() - share) <= 4 * np.sqrt(0.25 / 300)


@pytest.mark.parametrize("case", MIXES, ids=lambda case: type(case.transform).__name__)
def test_a_mix_is_the_same_in_any_batch(case, to_numpy):
    """With its partner; tests/augment/test_laws.py has the like of all other transforms."""
    pipeline = A.Pipeline([case.transform], seed=SEED)
    images = rough(6, 3, size_for(case)).astype("uint8")

    def augmented(positions):
        convert = keras.ops.convert_to_tensor
        keys = SampleKeys(SEED, convert(np.int32(0)), convert(np.array(positions, "int32")))
        found = pipeline.program.transform(
            keras.ops, {"images": convert(images[positions])}, keys, "uint8", led=True
        )
        return to_numpy(found["images"])

    whole = augmented([0, 1, 2, 3, 4, 5])
    parts = [augmented([0, 1, 2]), augmented([2, 3]), augmented([3, 4, 5])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
