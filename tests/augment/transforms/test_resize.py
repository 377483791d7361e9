import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

import kerastricks as kt

Resize = kt.augment.Resize
PHOTO = load_sample_image("china.jpg")


@pytest.mark.parametrize("size", [(224, 224), (64, 500), (900, 700), (427, 640), (8, 6)])
def test_agrees_with_pil(run, size):
    """To one level: PIL rounds between the axes."""
    out = run([Resize(*size)], PHOTO[None])[0]
    expected = np.asarray(Image.fromarray(PHOTO).resize(size[::-1], Image.BILINEAR))
    difference = np.abs(out.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.2


def test_proportions_are_kept_by_borders_where_asked(run):
    images = np.full((1, 20, 40, 1), 7, "uint8")
    out = run([Resize(30, 30, keep_aspect_ratio=True)], images, fill_mode="constant")[0, :, :, 0]
    np.testing.assert_array_equal(out[8:22], 7)
    assert (out[:7] == 0).all()
    assert (out[23:] == 0).all()


def test_a_constant_image_stays_constant(run):
    images = np.full((2, 50, 31, 3), 137, "uint8")
    np.testing.assert_array_equal(run([Resize(20, 77)], images), np.full((2, 20, 77, 3), 137))


def test_a_float_mean_is_kept(run):
    """A quarter of the size: each pixel is read by weights that add up to a sixteenth."""
    images = np.random.default_rng(0).uniform(size=(1, 64, 64, 1)).astype("float32")
    inside = np.zeros_like(images)
    inside[:, 8:-8, 8:-8] = images[:, 8:-8, 8:-8]
    out = run([Resize(16, 16)], inside, value_range=(0, 1))
    assert out.sum() * 16 == pytest.approx(inside.sum(), rel=1e-5)


@pytest.mark.parametrize("size", [(0, 3), (3, 1.5), (3, "w")])
def test_a_size_that_is_no_number_of_pixels_is_refused(size):
    with pytest.raises(ValueError, match=r"Resize: `(height|width)` is a whole number of pixels"):
        Resize(*size)
