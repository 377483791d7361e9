import numpy as np
import pytest
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_image

import kerastricks as kt

Sharpness = kt.augment.RandomSharpness
PHOTO = load_sample_image("flower.jpg")[100:164, 200:296]


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.0])
def test_agrees_with_pil(run, factor):
    """Which rounds the smoothed image, and truncates."""
    out = run([Sharpness((factor, factor))], PHOTO[None])[0].astype(int)
    expected = np.asarray(ImageEnhance.Sharpness(Image.fromarray(PHOTO)).enhance(factor))
    assert np.abs(out - expected).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (3, 3)])
def test_the_border_stays(run, shape):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 1)).astype("uint8")
    out = run([Sharpness((0, 0))], images)
    np.testing.assert_array_equal(out[:, [0, -1]], images[:, [0, -1]])
    np.testing.assert_array_equal(out[:, :, [0, -1]], images[:, :, [0, -1]])


def test_factors_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match=r"RandomSharpness: `factor` is a number f from 0"):
        Sharpness(-1)
