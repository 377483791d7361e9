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


@pytest.mark.parametrize("sigma", [-1, 200, (2, 1), "wide"])
def test_deviations_out_of_bounds_are_refused(sigma):
    with pytest.raises(ValueError, match=r"RandomGaussianBlur: `sigma` is a number from 0 to 100"):
        Blur(sigma)
