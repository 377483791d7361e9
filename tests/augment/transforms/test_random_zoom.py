import keras
import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sklearn.datasets import load_sample_image

import kerastricks as kt

Zoom = kt.augment.RandomZoom
FLOWER = load_sample_image("flower.jpg")[100:300, 200:440]


def test_shrinking_is_antialiased(run):
    """Stripes of one pixel at a quarter of the size are gray, not stripes of another width."""
    stripes = np.tile(np.array([0, 200], "uint8"), 32)[None, None, :, None].repeat(8, 1)
    out = run([Zoom((0.25, 0.25))], stripes)
    np.testing.assert_allclose(out[0, :, 25:39], 100, atol=1)


@pytest.mark.parametrize("scale", [0.3, 0.5, 0.8, 1.0, 1.7])
def test_the_middle_is_pils_resized_image(run, scale):
    """Which rounds between the axes; away from the border, which PIL does not continue."""
    height, width = (round(scale * n / 2) * 2 for n in FLOWER.shape[:2])
    exact = (height / 200, height / 200), (width / 240, width / 240)
    out = run([Zoom(*exact)], FLOWER[None])[0]
    expected = np.asarray(Image.fromarray(FLOWER).resize((width, height), Image.BILINEAR))
    rows, columns = min(200, height) // 2 - 8, min(240, width) // 2 - 8
    middle = out[100 - rows : 100 + rows, 120 - columns : 120 + columns].astype(int)
    y, x = height // 2, width // 2
    difference = middle - expected[y - rows : y + rows, x - columns : x + columns]
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("scale", [0.3, 0.8])
def test_with_a_rotation_it_is_nearly_the_same(run, scale):
    """The triangle is then a smoothing before bilinear sampling: on a photograph 1 level off."""
    zoom, still = Zoom((scale, scale)), kt.augment.RandomRotation((1e-6, 1e-6))
    difference = run([zoom], FLOWER[None]).astype(int) - run([zoom, still], FLOWER[None])
    assert 0 < np.abs(difference).mean() < 1


def test_neutral_scales_change_nothing(run, images):
    np.testing.assert_array_equal(run([Zoom((1, 1))], images), images)
    np.testing.assert_array_equal(run([Zoom(0.5, probability=0)], images), images)


@pytest.mark.parametrize("limits", [0.2, (0.5, 2.0)])
def test_scales_are_uniform_and_keep_proportions(draw, limits):
    zoom = Zoom(limits)
    matrices = draw(zoom)
    np.testing.assert_array_equal(matrices[:, 0, 0], matrices[:, 1, 1])
    low, high = zoom.scale
    scales = 1 / matrices[:, 0, 0]
    assert stats.kstest(scales, "uniform", (low, high - low)).pvalue > 1e-3


def test_height_and_width_may_have_ranges_of_their_own(draw):
    matrices = draw(Zoom((1, 2), width_scale=(0.5, 1)))
    tall, wide = 1 / matrices[:, 1, 1], 1 / matrices[:, 0, 0]
    assert stats.kstest(tall, "uniform", (1, 1)).pvalue > 1e-3
    assert stats.kstest(wide, "uniform", (0.5, 0.5)).pvalue > 1e-3
    assert abs(np.corrcoef(tall, wide)[0, 1]) < 0.06


def test_a_number_is_the_range_about_one():
    assert Zoom(0.25) == Zoom((0.75, 1.25))


@pytest.mark.parametrize("scale", [1, -0.1, (0, 2), (2, 1), (1, 2, 3), "big", None, float("nan")])
def test_scales_that_are_no_range_above_zero_are_refused(scale):
    with pytest.raises(ValueError, match=r"RandomZoom: `scale`.*Received: scale="):
        Zoom(scale)


@pytest.mark.parametrize("fill_mode", ["wrap", "reflect", "nearest"])
def test_a_constant_stays_one_where_nothing_is_filled(fill_mode):
    """Whatever takes part in a pixel, its weights add up to 1, at a seam as well."""
    images = np.full((2, 16, 23, 1), 100.0, "float32")
    zoom = kt.augment.RandomZoom((0.8, 0.8))
    pipeline = kt.augment.Pipeline([zoom], value_range=(0, 255), fill_mode=fill_mode, seed=0)
    out = keras.ops.convert_to_numpy(pipeline(images, training=True))
    np.testing.assert_allclose(out, 100.0, rtol=1e-5)
