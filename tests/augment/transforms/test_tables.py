"""Look-up tables against PIL, composed and alone."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

import kerastricks as kt
from kerastricks.augment.passes.table import TablePass
from kerastricks.augment.threefry import SampleKeys

A = kt.augment
PHOTO = load_sample_image("flower.jpg")[100:164, 200:296]
DULL = 60 + PHOTO // 3


def pil(function, image, *arguments):
    return np.asarray(function(Image.fromarray(image), *arguments))


@pytest.mark.parametrize("threshold", [0, 64, 128, 255])
def test_solarize_is_that_of_pil(run, threshold):
    out = run([A.RandomSolarize(threshold / 255)], PHOTO[None])[0]
    np.testing.assert_array_equal(out, pil(ImageOps.solarize, PHOTO, threshold))


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_is_that_of_pil(run, bits):
    out = run([A.RandomPosterize(bits)], PHOTO[None])[0]
    np.testing.assert_array_equal(out, pil(ImageOps.posterize, PHOTO, bits))


@pytest.mark.parametrize(
    "image", [PHOTO, DULL, np.full_like(PHOTO, 9)], ids=["own", "dull", "flat"]
)
def test_equalize_is_that_of_pil(run, image):
    out = run([A.RandomEqualize()], image[None])[0]
    np.testing.assert_array_equal(out, pil(ImageOps.equalize, image))


@pytest.mark.parametrize(
    "image", [PHOTO, DULL, np.full_like(PHOTO, 9)], ids=["own", "dull", "flat"]
)
def test_auto_contrast_is_that_of_pil(run, image):
    """Which truncates where this rounds."""
    out = run([A.RandomAutoContrast()], image[None])[0].astype(int)
    assert set(np.unique(out - pil(ImageOps.autocontrast, image))) <= {0, 1}


def test_an_image_is_judged_by_itself_alone(run):
    """In Keras 3.15 the levels of the whole batch are counted together."""
    for transform in (A.RandomEqualize(), A.RandomAutoContrast()):
        alone = run([transform], PHOTO[None])
        beside = run([transform], np.stack([PHOTO, DULL, np.zeros_like(PHOTO)]))
        np.testing.assert_array_equal(beside[:1], alone)


def test_one_table_is_what_the_transforms_do_one_by_one(run):
    steps = [
        A.RandomSolarize(0.4),
        A.RandomEqualize(),
        A.RandomPosterize(5),
        A.RandomAutoContrast(),
        A.RandomEqualize(),
    ]
    images = np.stack([PHOTO, DULL])
    expected = images
    for step in steps:
        expected = run([step], expected)
    np.testing.assert_array_equal(run(steps, images), expected)
    assert "1 pass" in A.Pipeline(steps, seed=0).explain()


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_number_of_channels(run, channels):
    images = np.random.default_rng(0).integers(20, 99, (2, 9, 11, channels)).astype("uint8")
    out = run([A.RandomEqualize(), A.RandomSolarize()], images)
    for channel in range(channels):
        alone = run([A.RandomEqualize(), A.RandomSolarize()], images[..., channel : channel + 1])
        np.testing.assert_array_equal(out[..., channel], alone[..., 0])


def test_other_ranges_are_read_at_256_levels(run):
    out = run([A.RandomEqualize()], PHOTO[None].astype("float32") / 255, value_range=(0, 1))
    np.testing.assert_allclose(out[0] * 255, pil(ImageOps.equalize, PHOTO), atol=1e-4)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, (0.5, 0.2), "half", None])
def test_thresholds_outside_the_range_are_refused(threshold):
    with pytest.raises(ValueError, match=r"RandomSolarize: `threshold` is a number from 0 to 1"):
        A.RandomSolarize(threshold)


@pytest.mark.parametrize("bits", [0, 9, 2.5, (3, 2), None])
def test_bits_that_are_none_are_refused(bits):
    with pytest.raises(ValueError, match=r"RandomPosterize: `bits`.*Received: bits="):
        A.RandomPosterize(bits)


@pytest.mark.parametrize(
    "transforms",
    [
        [A.RandAugment(2, 0.5)],
        [A.RandomAutoContrast(0.5), A.RandomEqualize(0.3)],
        [A.RandomSolarize()],
    ],
)
def test_levels_need_not_be_counted_where_no_table_reads_them(transforms, tensor, ops, to_numpy):
    keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.arange(100, dtype="int32")))
    counts = tensor(np.random.default_rng(0).integers(0, 9, (100, 3, 256)).astype("int32"))
    pipeline = A.Pipeline(transforms, seed=0)
    (section,) = pipeline.program.sections
    tables = [step for step in section.plan.passes if isinstance(step, TablePass)]
    assert tables
    for step in tables:
        drawn = step.draw(ops, keys, (8, 8))
        reads = to_numpy(step.reads_counts(ops, drawn))
        all_counted, none_counted = (
            to_numpy(step.table(ops, drawn, each) + ops.zeros_like(counts))
            for each in (counts, ops.zeros_like(counts))
        )
        same = (all_counted == none_counted).all(axis=(1, 2))
        assert same[~reads].all()
        assert reads.any() == step.needs_counts
        assert not reads.any() or not same[reads].all()
