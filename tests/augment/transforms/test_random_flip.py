import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.threefry import SampleKeys

AXES = {"horizontal": (2,), "vertical": (1,), "horizontal_and_vertical": (1, 2)}


@pytest.mark.parametrize("mode", AXES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_sure_flip_is_the_mirror_image_bit_for_bit(images, to_numpy, mode, dtype):
    images = images.astype(dtype)
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip(mode, probability=1)], seed=0)
    out = to_numpy(pipeline(images, training=True))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, np.flip(images, AXES[mode]))


def test_probability_zero_is_the_identity(images, to_numpy):
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip(probability=0)], seed=0)
    np.testing.assert_array_equal(to_numpy(pipeline(images, training=True)), images)


def test_two_sure_flips_cancel(images, to_numpy):
    flip = kt.augment.RandomFlip("vertical", probability=1)
    pipeline = kt.augment.Pipeline([flip, flip], seed=0)
    np.testing.assert_array_equal(to_numpy(pipeline(images, training=True)), images)


@pytest.mark.parametrize("mode", AXES)
@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_directions_flip_independently_at_the_stated_rate(ops, tensor, to_numpy, mode, probability):
    count = 4000
    flip = kt.augment.RandomFlip(mode, probability)
    keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.arange(count, dtype="int32")))
    matrices = to_numpy(flip.matrix(ops, keys.uniform(ops, 0, flip.num_draws), (8, 8)))
    flipped = {2: matrices[:, 0, 0] == -1, 1: matrices[:, 1, 1] == -1}
    error = np.sqrt(probability * (1 - probability) / count)
    for axis, seen in flipped.items():
        expected = probability if axis in AXES[mode] else 0
        assert abs(seen.mean() - expected) <= 4 * error
    if len(AXES[mode]) == 2:
        both = probability**2
        error = np.sqrt(both * (1 - both) / count)
        assert abs((flipped[1] & flipped[2]).mean() - both) <= 4 * error


def test_is_frozen():
    with pytest.raises(AttributeError):
        kt.augment.RandomFlip().probability = 1.0


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match=r"one of 'horizontal'.*Received: mode='sideways'"):
        kt.augment.RandomFlip("sideways")


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), "half", True, None])
def test_a_probability_outside_0_to_1_is_refused(probability):
    with pytest.raises(ValueError, match=r"RandomFlip: `probability`.*from 0 to 1\. Received"):
        kt.augment.RandomFlip(probability=probability)
