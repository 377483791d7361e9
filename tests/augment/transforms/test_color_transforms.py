"""Each color transform against PIL, its draws, and its arguments."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats
from sklearn.datasets import load_sample_image

import kerastricks as kt
from kerastricks.augment.threefry import SampleKeys

A = kt.augment
PHOTO = load_sample_image("flower.jpg")[100:164, 200:296]
FACTORS = {
    A.RandomBrightness: ImageEnhance.Brightness,
    A.RandomContrast: ImageEnhance.Contrast,
    A.RandomSaturation: ImageEnhance.Color,
}


@pytest.mark.parametrize("transform", FACTORS)
@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.7])
def test_factors_are_those_of_pil(run, transform, factor):
    """PIL rounds the gray, or the mean, and truncates: up to 1.7 levels and one more."""
    out = run([transform((factor, factor))], PHOTO[None])[0].astype(int)
    expected = np.asarray(FACTORS[transform](Image.fromarray(PHOTO)).enhance(factor))
    assert np.abs(out - expected).max() <= (2 if factor > 1 else 1)


def test_gray_is_that_of_pil(run):
    out = run([A.RandomGrayscale(1)], PHOTO[None])[0].astype(int)
    expected = np.asarray(Image.fromarray(PHOTO).convert("L"))[..., None]
    assert np.abs(out - expected).max() <= 1
    assert out.shape == (64, 96, 3)


def test_negatives_are_those_of_pil(run):
    out = run([A.RandomInvert(1)], PHOTO[None])[0]
    np.testing.assert_array_equal(out, np.asarray(ImageOps.invert(Image.fromarray(PHOTO))))


@pytest.fixture
def drawn(ops, tensor, to_numpy):
    def drawn(transform, mean=(0.5, 0.5, 0.5), count=4000):
        keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.arange(count, dtype="int32")))
        means = tensor(np.tile(np.array(mean, "float32"), (count, 1)))
        parts = transform.matrix(ops, keys.uniform(ops, 0, max(1, transform.num_draws)), means)
        return [to_numpy(part).astype("float64") for part in parts]

    return drawn


@pytest.mark.parametrize("limits", [0.3, (0.5, 2.0)])
@pytest.mark.parametrize("transform", [A.RandomBrightness, A.RandomContrast])
def test_factors_are_uniform(drawn, transform, limits):
    factor = transform(limits)
    matrix, _ = drawn(factor)
    low, high = factor.factor
    assert stats.kstest(matrix[:, 0, 0], "uniform", (low, high - low)).pvalue > 1e-3


def test_saturations_are_uniform(drawn):
    matrix, offset = drawn(A.RandomSaturation(0.4))
    factors = matrix[:, 0, 0] - matrix[:, 1, 0]
    assert stats.kstest(factors, "uniform", (0.6, 0.8)).pvalue > 1e-3
    assert not offset.any()


def test_hues_are_uniform(drawn):
    matrix, _ = drawn(A.RandomHue((-0.1, 0.2)))
    # Of the plane of chroma the trace of a rotation is 2 cos, and luma adds 1.
    turns = np.arccos(np.clip((np.trace(matrix, axis1=1, axis2=2) - 1) / 2, -1, 1)) / (2 * np.pi)
    assert stats.kstest(turns[turns > 0.1], "uniform", (0.1, 0.1)).pvalue > 1e-3
    assert (turns > 0.1).mean() == pytest.approx(1 / 3, abs=0.03)


def test_the_draws_of_a_jitter_are_independent(drawn):
    matrix, offset = drawn(A.ColorJitter(0.5, 0.5))
    product, moved = matrix[:, 0, 0], offset[:, 0]
    # b c of brightness and contrast, and (1 - c) b m as the offset, m = 0.5.
    brightness = product + moved / 0.5
    contrast = product / brightness
    assert stats.kstest(brightness, "uniform", (0.5, 1)).pvalue > 1e-3
    assert stats.kstest(contrast, "uniform", (0.5, 1)).pvalue > 1e-3
    assert abs(np.corrcoef(brightness, contrast)[0, 1]) < 0.06


@pytest.mark.parametrize("factor", [-0.1, 2, (2, 1), (-1, 1), "bright", None, True])
@pytest.mark.parametrize("transform", FACTORS)
def test_factors_that_are_no_range_are_refused(transform, factor):
    with pytest.raises(ValueError, match=rf"{transform.__name__}: `factor` is a number f from 0"):
        transform(factor)


@pytest.mark.parametrize("hue", [0.6, (0.2, 0.1), (-1, 0), "red"])
def test_hues_beyond_half_a_turn_are_refused(hue):
    with pytest.raises(ValueError, match=r"RandomHue: `hue` is a number f from 0 to 0.5"):
        A.RandomHue(hue)
