import keras
import numpy as np
import pytest
from scipy import stats

import kerastricks as kt

Crop, Pad = kt.augment.RandomCrop, kt.augment.Pad


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
@pytest.mark.parametrize("size", [(5, 7), (6, 10), (11, 17)])
def test_each_image_gives_a_part_of_itself_bit_for_bit(run, images, size, dtype):
    out = run([Crop(*size)], images.astype(dtype))
    assert out.shape == (6, *size, 3)
    assert out.dtype == dtype
    windows = np.lib.stride_tricks.sliding_window_view(images, size, axis=(1, 2))
    for part, own in zip(out, windows, strict=True):
        same = (own == np.moveaxis(part, -1, 0)).all(axis=(-1, -2, -3))
        assert same.any()


def test_every_place_is_as_likely_and_each_image_has_its_own(draw):
    matrices = draw(Crop(16, 26), size=(20, 30))
    # Center to center, so that places are offsets from the middle.
    top = matrices[:, 1, 2] + (20 - 16) / 2
    left = matrices[:, 0, 2] + (30 - 26) / 2
    places = np.bincount((5 * top + left).astype(int), minlength=25)
    assert stats.chisquare(places).pvalue > 1e-3


def test_without_chance_the_middle_is_cut_out(run, images):
    out = run([Crop(5, 7, probability=0)], images)
    np.testing.assert_array_equal(out, images[:, 3:8, 5:12])


def test_padding_first_reaches_beyond_the_border(run):
    images = np.full((64, 8, 8, 1), 5, "uint8")
    out = run([Pad(4, 4), Crop(8, 8)], images, fill_mode="constant")
    assert out.shape == images.shape
    assert {0, 5} == set(np.unique(out))


def test_images_that_are_too_small_are_refused(run, images):
    with pytest.raises(ValueError, match=r"RandomCrop cuts 12 x 7 .*Received images of 11 x 17"):
        run([Crop(12, 7)], images)


@pytest.mark.parametrize("height", [0, -1, 2.5, "tall", None])
def test_a_size_that_is_no_number_of_pixels_is_refused(height):
    with pytest.raises(ValueError, match=r"RandomCrop: `height` is a whole number"):
        Crop(height, 3)


@pytest.mark.parametrize("place", [{"engine": "xla"}, {}, {"device": "CPU:0"}])
def test_images_that_turn_out_too_small_are_refused(place):
    """Of a size that is not known beforehand."""
    tf = pytest.importorskip("tensorflow")
    images = [np.zeros((size, 9, 3), "uint8") for size in (9, 12, 7)]
    spec = tf.TensorSpec((None, None, 3), tf.uint8)
    dataset = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=spec)
    pipeline = kt.augment.Pipeline([Pad(1, 1), Crop(10, 8)], seed=0)
    out = iter(pipeline.augment(dataset, num_parallel_calls=1, **place))
    assert next(out).shape == next(out).shape == (10, 8, 3)
    with pytest.raises(tf.errors.OpError, match="takes 8 x 6 pixels"):
        next(out)


def test_batches_that_turn_out_too_small_are_refused():
    tf = pytest.importorskip("tensorflow")
    images = [np.zeros((2, size, 9, 3), "uint8") for size in (9, 12, 7)]
    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)
    dataset = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=spec)
    transforms = [Crop(8, 6), kt.augment.MixUp()]
    out = iter(kt.augment.Pipeline(transforms, seed=0).augment(dataset, num_parallel_calls=1))
    assert next(out).shape == next(out).shape == (2, 8, 6, 3)
    with pytest.raises(tf.errors.OpError, match="takes 8 x 6 pixels"):
        next(out)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_layer_refuses_images_that_turn_out_too_small(jit_compile):
    """XLA leaves assertions out, and must refuse all the same."""
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("shapes are known beforehand")
    pipeline = kt.augment.Pipeline([Pad(1, 1), Crop(10, 8)], seed=0)
    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)
    augment = tf.function(pipeline, input_signature=[spec], jit_compile=jit_compile)
    assert augment(np.zeros((2, 8, 6, 3), "uint8")).shape == (2, 10, 8, 3)
    message = "smaller_than_what_is_cut_out" if jit_compile else "takes 8 x 6 pixels"
    for size in ((7, 9), (9, 5)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            augment(np.zeros((2, *size, 3), "uint8"))
