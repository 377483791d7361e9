import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy import ndimage

import kerastricks as kt
from kerastricks.augment.threefry import SampleKeys, threefry_2x32

TRANSFORMS = [kt.augment.RandomFlip("horizontal"), kt.augment.RandomRotation(degrees=15)]


def test_the_pixels_follow_from_seed_epoch_and_position_alone(to_numpy):
    """An oracle in numpy and scipy from the documented rules: every backend gives these pixels."""
    images = np.random.default_rng(0).uniform(size=(6, 14, 19, 3)).astype("float32")
    pipeline = kt.augment.Pipeline(TRANSFORMS, value_range=(0, 1), seed=7)
    pipeline(images, training=True)
    out = to_numpy(pipeline(images, training=True))  # the second call is epoch 1

    class Numpy:
        bitwise_and, bitwise_or, bitwise_xor = np.bitwise_and, np.bitwise_or, np.bitwise_xor
        left_shift, right_shift = np.left_shift, np.right_shift

    def uniform(position, transform, draw):
        key = np.array([7], "int32"), np.array([1], "int32")
        counter = np.array([position], "int32"), np.array([transform << 16 | draw // 2], "int32")
        word = threefry_2x32(Numpy, key, counter)[draw % 2]
        return (word.view("uint32")[0] >> 8) / 2**24

    center = np.array([(14 - 1) / 2, (19 - 1) / 2])[:, None]
    grid = np.mgrid[:14, :19].reshape(2, -1) - center
    for n in range(6):
        angle = np.radians(-15 + 30 * uniform(n, 1, 1))
        cosine, sine = np.cos(angle), np.sin(angle)
        source = np.array([[cosine, sine], [-sine, cosine]]) @ grid  # rows are (y, x)
        source[1] *= -1 if uniform(n, 0, 0) < 0.5 else 1
        for c in range(3):
            expected = ndimage.map_coordinates(
                images[n, :, :, c].astype("float64"), source + center, order=1, mode="reflect"
            )
            np.testing.assert_allclose(out[n, :, :, c].ravel(), expected, atol=1e-4)


def test_fused_equals_one_after_the_other(images, to_numpy):
    flip = kt.augment.RandomFlip(probability=1)
    quarter = kt.augment.RandomRotation((90, 90))
    square = images[:, :, :11]
    out = to_numpy(kt.augment.Pipeline([flip, quarter], seed=0)(square, training=True))
    np.testing.assert_array_equal(out, np.rot90(square[:, :, ::-1], axes=(1, 2)))
    out = to_numpy(kt.augment.Pipeline([quarter, flip], seed=0)(square, training=True))
    np.testing.assert_array_equal(out, np.rot90(square, axes=(1, 2))[:, :, ::-1])


def test_flipping_a_turned_image_is_flipping_its_pixels(images, to_numpy):
    turn = kt.augment.RandomRotation((33, 33))
    values = {"seed": 0, "output_dtype": "float32"}
    turned = to_numpy(kt.augment.Pipeline([turn], **values)(images, training=True))
    both = [turn, kt.augment.RandomFlip("vertical", probability=1)]
    out = to_numpy(kt.augment.Pipeline(both, **values)(images, training=True))
    np.testing.assert_allclose(out, turned[:, ::-1], atol=0.01)


def test_permuting_or_splitting_a_batch_permutes_or_splits_the_result(
    ops, tensor, to_numpy, images
):
    pipeline = kt.augment.Pipeline(TRANSFORMS, seed=0)

    def run(order):
        keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.array(order, "int32")))
        out = pipeline.program.transform(ops, {"images": tensor(images[order])}, keys, "uint8")
        return to_numpy(out["images"])

    whole = run([0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(run([3, 0, 5, 1, 4, 2]), whole[[3, 0, 5, 1, 4, 2]])
    np.testing.assert_array_equal(np.concatenate([run([0, 1, 2]), run([3, 4, 5])]), whole)


def test_calls_differ_and_runs_repeat(images, to_numpy):
    def run():
        pipeline = kt.augment.Pipeline(TRANSFORMS, seed=11)
        return [to_numpy(pipeline(images, training=True)) for _ in range(2)]

    first, second = run(), run()
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[1]).any()


def test_samples_of_a_batch_differ(to_numpy):
    images = np.tile(np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 1)), (6, 1, 1, 1))
    out = to_numpy(kt.augment.Pipeline(TRANSFORMS, seed=0)(images.astype("float32")))
    assert len({image.tobytes() for image in out}) == 6


def test_no_seed_follows_keras_and_is_kept():
    keras.utils.set_random_seed(5)
    first = kt.augment.Pipeline(TRANSFORMS)
    other = kt.augment.Pipeline(TRANSFORMS)
    keras.utils.set_random_seed(5)
    assert kt.augment.Pipeline(TRANSFORMS).seed == first.seed != other.seed
    assert kt.augment.Pipeline.from_config(first.get_config()).seed == first.seed


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_any_channels_and_a_single_image(to_numpy, channels):
    images = np.random.default_rng(0).integers(0, 256, (1, 7, 12, channels)).astype("uint8")
    batch = to_numpy(kt.augment.Pipeline(TRANSFORMS, seed=0)(images, training=True))
    single = to_numpy(kt.augment.Pipeline(TRANSFORMS, seed=0)(images[0], training=True))
    assert batch.shape == images.shape
    np.testing.assert_array_equal(single, batch[0])


def test_channels_are_moved_alike(to_numpy):
    gray = np.random.default_rng(0).uniform(0, 255, (4, 9, 9, 1)).astype("float32")
    out = to_numpy(kt.augment.Pipeline(TRANSFORMS, seed=0)(np.repeat(gray, 3, axis=-1)))
    np.testing.assert_array_equal(out[..., 0], out[..., 2])


def test_not_training_is_the_identity(images, to_numpy):
    pipeline = kt.augment.Pipeline(TRANSFORMS, seed=0)
    out = to_numpy(pipeline(images, training=False))
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, images)


def test_not_training_still_gives_the_declared_dtype(images, to_numpy):
    pipeline = kt.augment.Pipeline(TRANSFORMS, seed=0, output_dtype="float32")
    for training in (False, True):
        assert to_numpy(pipeline(images, training=training)).dtype == np.float32
    np.testing.assert_array_equal(to_numpy(pipeline(images, training=False)), images)


def test_no_transforms_change_only_the_dtype(images, to_numpy):
    pipeline = kt.augment.Pipeline([], output_dtype="float32")
    out = to_numpy(pipeline(images, training=True))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, images)
    assert pipeline.explain().startswith("0 transforms, 0 passes")


def test_explain_counts_passes_and_bytes():
    text = kt.augment.Pipeline(TRANSFORMS, seed=0, output_dtype="float32").explain((10, 20, 3))
    assert "2 transforms, 1 pass over the pixels" in text
    assert "fill_mode='reflect'" in text
    assert "reads 600 bytes as uint8, writes 2,400 bytes as float32" in text
    assert "random numbers a sample: 3" in text


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "0", True])
def test_wrong_seeds_are_refused(seed):
    with pytest.raises(ValueError, match=r"`seed` is an integer from 0 to 2\*\*32 - 1"):
        kt.augment.Pipeline(TRANSFORMS, seed=seed)


def test_what_is_no_transform_is_refused():
    with pytest.raises(TypeError, match=r"Received: transforms\[1\]=<Dense .*of type Dense"):
        kt.augment.Pipeline([kt.augment.RandomFlip(), keras.layers.Dense(2)])
    with pytest.raises(TypeError, match=r"`transforms` is a list"):
        kt.augment.Pipeline(kt.augment.RandomFlip())


def test_other_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"one of 'reflect', .* Received: fill_mode='mirror'"):
        kt.augment.Pipeline([], fill_mode="mirror")
    with pytest.raises(ValueError, match=r"within value_range=\(0, 255\). Received: fill_value=-1"):
        kt.augment.Pipeline([], fill_mode="constant", fill_value=-1)


def test_needs_no_tensorflow():
    pytest.importorskip("jax")
    code = """
import os, sys
os.environ["KERAS_BACKEND"] = "jax"
sys.modules["tensorflow"] = None
import numpy as np
from kerastricks.augment import Pipeline, RandomRotation
print(Pipeline([RandomRotation(10)], seed=0)(np.zeros((1, 4, 4, 1), "uint8")).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(1, 4, 4, 1)", done.stderr


def test_the_plan_says_which_passes_move_how_many_bytes():
    steps = [
        kt.augment.RandomResizedCrop(16, 16),
        kt.augment.RandomFlip(),
        kt.augment.RandomHue(0.1),
        kt.augment.RandomNoise(),
    ]
    text = kt.augment.Pipeline(steps, seed=0, output_dtype="float32").explain((32, 48, 3))
    assert text.startswith("4 transforms, 3 passes over the pixels")
    assert "reads 4,608 bytes as uint8, writes 768 bytes as uint8" in text
    assert "reads 768 bytes as uint8, writes 3,072 bytes as float32" in text
    assert "random numbers a sample: 32" in text  # 23 + 1 + 2 + 6


@pytest.mark.compiling
def test_a_transform_that_stands_twice_is_done_twice(images, run):
    blur = kt.augment.RandomGaussianBlur((2, 2), probability=1)
    once = run([blur], images)
    np.testing.assert_array_equal(run([blur, blur], images), run([blur], once))
    assert (run([blur, blur], images) != once).any()


def test_explain_lists_the_passes_of_chains():
    text = kt.augment.Pipeline([kt.augment.AugMix(num_chains=2)], seed=0).explain()
    assert "1 transform, 6 passes" in text
    assert "chain 2: one look-up table" in text
