"""Every transform against PIL, scipy and closed forms, which know the random numbers alone.

The references begin with Threefry in numpy: from a sample's name to its pixels nothing there is
the package's own.
"""

from dataclasses import replace

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.mixing import MixTransform
from kerastricks.augment.threefry import SampleKeys

from .references.cases import CASES, COUNT, MIXES, NAMES
from .references.policies import aug_mixed, auto_augmented
from .references.random_numbers import SEED, numbers

A = kt.augment
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
    for dtype, any_number, colors, size in kinds:
        images = rough(case.count, colors if case.colors else any_number, size)
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
