import numpy as np
import pytest
from scipy import stats

import kerastricks as kt

Noise = kt.augment.RandomNoise
GRAY = np.full((4, 48, 64, 3), 0.5, "float32")


def noise(run, std, images=GRAY, **kwargs):
    return run([Noise(std, probability=1)], images, value_range=(-9, 10), **kwargs) - 0.5


def test_noise_is_normal_and_of_the_stated_deviation(run):
    values = noise(run, 0.1) / (0.1 * 19)
    for image in values:
        assert stats.kstest(image.ravel(), "norm").pvalue > 1e-3


def test_no_value_knows_of_another(run):
    values = noise(run, 0.1)
    for axis in (0, 1, 2, 3):
        a, b = (
            np.take(values, range(1, values.shape[axis]), axis),
            np.take(values, range(values.shape[axis] - 1), axis),
        )
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.03


def test_images_beyond_the_count_of_one_draw_have_noise_throughout(run):
    """A sample may draw 131,072 numbers; an image of 300 x 300 x 3 has 270,000 values."""
    large = np.full((1, 300, 300, 3), 0.5, "float32")
    values = noise(run, 0.1, large)
    assert len(np.unique(values)) > 250_000


@pytest.mark.parametrize("std", [-0.1, 1.5, (0.2, 0.1), None])
def test_deviations_out_of_bounds_are_refused(std):
    with pytest.raises(ValueError, match=r"RandomNoise: `std` is a number from 0 to 1"):
        Noise(std)
