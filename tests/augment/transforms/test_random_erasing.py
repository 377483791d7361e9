import numpy as np
import pytest
from scipy import stats

import kerastricks as kt

Erasing = kt.augment.RandomErasing


def covers(run, transform, count=600, size=(40, 60)):
    """Top, left, bottom and right of each cover."""
    images = np.full((count, *size, 1), 255, "uint8")
    out = run([transform], images)[..., 0] == 0
    boxes = []
    for image in out:
        rows, columns = image.any(axis=1).nonzero()[0], image.any(axis=0).nonzero()[0]
        if len(rows):
            boxes.append((rows[0], columns[0], rows[-1] + 1, columns[-1] + 1))
            assert image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert image.sum() == (rows[-1] + 1 - rows[0]) * (columns[-1] + 1 - columns[0])
    return np.array(boxes).T


def test_areas_and_shapes_are_those_of_the_stated_law(run):
    top, left, bottom, right = covers(run, Erasing((0.1, 0.2), (0.5, 2), 0, probability=1))
    tall, wide = bottom - top, right - left
    # Sides are whole pixels, about 16 of them: areas are off by a few per cent.
    jitter = np.random.default_rng(0).uniform(0.97, 1.03, len(tall))
    assert stats.kstest(tall * wide * jitter / 2400, "uniform", (0.1, 0.1)).pvalue > 1e-3
    ratios = np.log2(tall / wide * jitter)
    assert stats.kstest(ratios, "uniform", (-1, 2)).pvalue > 1e-3


def test_every_place_within_the_image_is_as_likely(run):
    top, left, bottom, _ = covers(run, Erasing(0.04, (1, 1), 0, probability=1))
    assert set(bottom - top) == {10}
    assert stats.chisquare(np.bincount(top, minlength=31)).pvalue > 1e-3
    assert stats.chisquare(np.bincount(left, minlength=51)).pvalue > 1e-3


def test_noise_fills_the_range(run):
    images = np.full((1, 64, 64, 3), -1.0, "float32")
    out = run([Erasing(1.0, (1, 1), probability=1)], images, value_range=(-1, 1))
    assert stats.kstest(out.ravel(), "uniform", (-1, 2)).pvalue > 1e-3


def test_the_rest_stays(run, images):
    out = run([Erasing(0.2, fill_value=255, probability=1)], images)
    np.testing.assert_array_equal(out[out != 255], images[out != 255])


def test_fills_that_are_no_values_are_refused(run, images):
    with pytest.raises(ValueError, match=r"RandomErasing: `fill_value` is a value"):
        Erasing(fill_value="snow")
    with pytest.raises(ValueError, match=r"`fill_value` lies within value_range=\(0, 255\)"):
        run([Erasing(fill_value=300)], images)


@pytest.mark.parametrize("arguments", [{"area": 2}, {"aspect_ratio": 0}, {"area": (0.2, 0.1)}])
def test_ranges_out_of_bounds_are_refused(arguments):
    with pytest.raises(ValueError, match=r"RandomErasing: `(area|aspect_ratio)` is a number"):
        Erasing(**arguments)
