import numpy as np
import pytest
from PIL import Image
from scipy import stats

import kerastricks as kt
from kerastricks.augment.threefry import SampleKeys


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


@pytest.mark.parametrize("degrees", [15, (-15, 15), (10, 40)])
def test_angles_are_uniform_over_the_range(ops, tensor, to_numpy, degrees):
    rotation = kt.augment.RandomRotation(degrees)
    keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.arange(4000, dtype="int32")))
    matrices = to_numpy(rotation.matrix(ops, keys.uniform(ops, 0, 2), (8, 8)))
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    low, high = rotation.degrees
    assert angles.min() >= low - 1e-4
    assert angles.max() <= high + 1e-4
    assert stats.kstest(angles, "uniform", (low, high - low)).pvalue > 1e-3


def test_probability_is_the_share_of_samples_that_turn(ops, tensor, to_numpy):
    count, probability = 4000, 0.3
    rotation = kt.augment.RandomRotation((10, 20), probability)
    keys = SampleKeys(1, tensor(np.int32(0)), tensor(np.arange(count, dtype="int32")))
    matrices = to_numpy(rotation.matrix(ops, keys.uniform(ops, 0, 2), (8, 8)))
    turned = (matrices != np.eye(3)).any(axis=(1, 2))
    error = np.sqrt(probability * (1 - probability) / count)
    assert abs(turned.mean() - probability) <= 4 * error


def test_a_number_is_the_symmetric_range():
    assert kt.augment.RandomRotation(15) == kt.augment.RandomRotation((-15, 15))


def test_config_round_trip():
    rotation = kt.augment.RandomRotation((5, 10), 0.5)
    assert kt.augment.RandomRotation.from_config(rotation.get_config()) == rotation


@pytest.mark.parametrize("degrees", [-15, 400, (20, 10), (1, 2, 3), "15", None, float("nan"), True])
def test_angles_that_are_no_range_are_refused(degrees):
    with pytest.raises(ValueError, match=r"RandomRotation: `degrees` is a number f from 0 to 360"):
        kt.augment.RandomRotation(degrees)
