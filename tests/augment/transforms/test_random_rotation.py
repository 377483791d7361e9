import numpy as np
import pytest
from PIL import Image

import kerastricks as kt


def turn(degrees, images, to_numpy, **kwargs):
    rotation = kt.augment.RandomRotation((degrees, degrees))
    pipeline = kt.augment.Pipeline([rotation], seed=0, **kwargs)
    return to_numpy(pipeline(images, training=True))


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize(("size", "dtype"), [(8, "float32"), (9, "uint8")])
def test_quarter_turns_of_a_square_are_exact(to_numpy, quarters, size, dtype):
    images = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype(dtype)
    out = turn(90 * quarters, images, to_numpy)
    np.testing.assert_array_equal(out, np.rot90(images, quarters, axes=(1, 2)))


def test_half_turn_of_any_image_is_both_flips(images, to_numpy):
    np.testing.assert_array_equal(turn(180, images, to_numpy), images[:, ::-1, ::-1])


def test_turns_the_way_pil_does(to_numpy):
    """Away from the border, where PIL knows no reflection; PIL rounds its weights."""
    ramp = np.add.outer(np.arange(32.0), 3 * np.arange(32.0)).astype("uint8")
    expected = np.asarray(Image.fromarray(ramp).rotate(30, resample=Image.Resampling.BILINEAR))
    out = turn(30, ramp[None, :, :, None], to_numpy)[0, :, :, 0]
    difference = out.astype(int) - expected.astype(int)
    assert np.abs(difference[8:-8, 8:-8]).max() <= 1


def test_a_number_is_the_symmetric_range():
    assert kt.augment.RandomRotation(15) == kt.augment.RandomRotation((-15, 15))


@pytest.mark.parametrize("degrees", [-15, 400, (20, 10), (1, 2, 3), "15", None, float("nan"), True])
def test_angles_that_are_no_range_are_refused(degrees):
    with pytest.raises(ValueError, match=r"RandomRotation: `degrees` is a number f from 0 to 360"):
        kt.augment.RandomRotation(degrees)
