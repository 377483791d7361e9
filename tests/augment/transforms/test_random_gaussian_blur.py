import numpy as np
import pytest
from scipy import ndimage

import kerastricks as kt

Blur = kt.augment.RandomGaussianBlur
IMAGES = np.random.default_rng(0).uniform(size=(2, 20, 31, 3)).astype("float32")
SCIPY = {"reflect": "reflect", "nearest": "reflect", "constant": "reflect", "wrap": "grid-wrap"}


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.7])
@pytest.mark.parametrize("mode", SCIPY)
def test_agrees_with_scipy(run, sigma, mode):
    out = run([Blur(sigma, probability=1)], IMAGES, value_range=(0, 1), fill_mode=mode)
    widths = (0, sigma, sigma, 0)
    expected = ndimage.gaussian_filter(IMAGES, widths, mode=SCIPY[mode], truncate=3)
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_each_image_has_its_own_width(run):
    """In Keras 3.15 all images of a batch share one."""
    images = np.repeat(IMAGES[:1], 8, axis=0)
    out = run([Blur((0.5, 3.0), probability=1)], images, value_range=(0, 1))
    assert len({image.std().round(6) for image in out}) == 8


def test_probability_is_the_share_of_samples_that_are_blurred(run):
    images = np.tile(np.array([[0, 1], [1, 0]], "float32")[None, :, :, None], (2000, 1, 1, 1))
    out = run([Blur(1.0, probability=0.3)], images, value_range=(0, 1))
    blurred = (out != images).any(axis=(1, 2, 3)).mean()
    assert abs(blurred - 0.3) <= 4 * np.sqrt(0.3 * 0.7 / 2000)


@pytest.mark.parametrize("sigma", [-1, 200, (2, 1), "wide"])
def test_deviations_out_of_bounds_are_refused(sigma):
    with pytest.raises(ValueError, match=r"RandomGaussianBlur: `sigma` is a number from 0 to 100"):
        Blur(sigma)
