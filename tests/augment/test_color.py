"""Laws of the color pass: one matrix, whatever the transforms."""

import colorsys

import keras
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

import kerastricks as kt
from kerastricks.augment.color import LUMA, blend_with_gray, turn_of_hue

A = kt.augment
PHOTO = load_sample_image("flower.jpg")[None, 100:164, 200:296]
MILD = 100 + PHOTO // 5
"""Far from both ends, so that nothing is clipped."""
FIXED = [
    A.RandomBrightness((1.1, 1.1)),
    A.RandomContrast((0.8, 0.8)),
    A.RandomSaturation((1.3, 1.3)),
    A.RandomHue((0.04, 0.04)),
]


def one_by_one(run, transforms, images, **kwargs):
    for transform in transforms:
        images = run([transform], images, **kwargs)
    return images


def test_one_matrix_is_what_the_transforms_do_one_by_one(run):
    images = MILD.astype("float32")
    fused = run(FIXED, images)
    np.testing.assert_allclose(fused, one_by_one(run, FIXED, images), atol=1e-3)
    # Whole numbers are rounded once, not four times.
    assert np.abs(run(FIXED, MILD) - fused).max() <= 0.5 + 1e-3


def test_their_order_makes_no_difference_where_nothing_is_clipped(run):
    images = MILD.astype("float32")
    expected = run(FIXED, images)
    for order in ([3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]):
        out = run([FIXED[i] for i in order], images)
        np.testing.assert_allclose(out, expected, atol=1e-3)


def test_color_jitter_is_the_four_of_them(run):
    jitter = A.ColorJitter((1.1, 1.1), (0.8, 0.8), (1.3, 1.3), (0.04, 0.04))
    images = MILD.astype("float32")
    np.testing.assert_allclose(run([jitter], images), run(FIXED, images), atol=1e-3)


def test_neutral_parameters_change_nothing(run):
    neutral = [
        A.RandomBrightness(0),
        A.RandomSaturation(0),
        A.RandomHue(0),
        A.RandomContrast(0),
        A.ColorJitter(),
        A.RandomInvert(0),
        A.RandomGrayscale(0),
    ]
    np.testing.assert_array_equal(run(neutral, PHOTO), PHOTO)


def test_contrast_is_taken_about_the_mean_of_the_turned_image(run):
    """Of what the geometry before it has made, corners and all."""
    turn, contrast = A.RandomRotation((30, 30)), A.RandomContrast((0.5, 0.5))
    both = run([turn, contrast], PHOTO, fill_mode="constant")
    turned = run([turn], PHOTO, fill_mode="constant")
    np.testing.assert_array_equal(both, run([contrast], turned))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_number_of_channels_may_be_scaled(run, channels):
    images = np.random.default_rng(0).integers(80, 120, (3, 6, 7, channels)).astype("uint8")
    scaled = [A.RandomBrightness((1.2, 1.2)), A.RandomContrast((0.5, 0.5)), A.RandomInvert(1)]
    bright = 1.2 * images.astype("float64")
    mean = bright.mean(axis=(1, 2, 3), keepdims=True)
    expected = 255 - (mean + 0.5 * (bright - mean))
    assert np.abs(run(scaled, images) - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("transform", [FIXED[2], FIXED[3], A.RandomGrayscale(1)])
def test_a_gray_image_has_no_color_and_two_channels_are_none(run, transform):
    gray = PHOTO[..., :1]
    np.testing.assert_array_equal(run([transform], gray), gray)
    three = np.repeat(gray, 3, axis=-1)
    np.testing.assert_array_equal(run([transform], three), three)
    name = type(transform).__name__
    with pytest.raises(ValueError, match=rf"{name} works on colors.*Received images of 2 channels"):
        run([transform], PHOTO[..., :2])


def test_a_range_that_does_not_begin_at_zero(run):
    """Black is the darkest value, wherever that is."""
    images = np.array([-1.0, 0.0, 1.0], "float32").reshape(1, 1, 3, 1)
    out = run([A.RandomBrightness((0.5, 0.5))], images, value_range=(-1, 1))
    np.testing.assert_allclose(out.ravel(), [-1, -0.5, 0])
    out = run([A.RandomInvert(1)], images, value_range=(-1, 1))
    np.testing.assert_allclose(out.ravel(), [1, 0, -1])


@pytest.mark.parametrize("turns", [-0.4, 0.1, 1 / 3, 0.5])
def test_hue_turns_chroma_and_keeps_luma_and_saturation(to_numpy, turns):
    tensor = keras.ops.convert_to_tensor(np.array([turns], "float32"))
    matrix = to_numpy(turn_of_hue(keras.ops, tensor, 3))[0].astype("float64")
    back = to_numpy(turn_of_hue(keras.ops, -tensor, 3))[0].astype("float64")
    np.testing.assert_allclose(matrix @ back, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(matrix @ np.ones(3), 1, atol=1e-6)
    np.testing.assert_allclose(np.array(LUMA) @ matrix, LUMA, atol=1e-6)
    # The way round is that of HSV: red, yellow, green, blue.
    turned = matrix @ np.array([0.52, 0.5, 0.5])
    hue = colorsys.rgb_to_hsv(*turned)[0]
    assert abs((hue - turns + 0.5) % 1 - 0.5) < 0.08


def test_a_blend_of_one_is_the_identity(to_numpy):
    ones = keras.ops.ones((2,))
    np.testing.assert_array_equal(
        to_numpy(blend_with_gray(keras.ops, ones, 3)), np.tile(np.eye(3), (2, 1, 1))
    )
