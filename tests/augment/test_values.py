import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.values import ValueContract


def test_whole_numbers_are_rounded_half_to_even_not_truncated(to_numpy):
    values = keras.ops.convert_to_tensor([0.5, 1.5, 127.5, 127.4999, 254.9, -3.0, 300.0])
    out = to_numpy(ValueContract((0, 255), None).finish(keras.ops, values, "uint8"))
    np.testing.assert_array_equal(out, np.array([0, 2, 128, 127, 255, 0, 255], "uint8"))


def test_floats_are_clipped_but_not_rounded(to_numpy):
    values = keras.ops.convert_to_tensor([-0.1, 0.3, 1.1])
    out = to_numpy(ValueContract((0, 1), None).finish(keras.ops, values, "float32"))
    np.testing.assert_array_equal(out, np.array([0, 0.3, 1], "float32"))


def test_whole_numbers_are_clipped_to_a_narrower_range(to_numpy):
    values = keras.ops.convert_to_tensor(np.array([0, 100, 255], "uint8"))
    out = to_numpy(ValueContract((15.5, 235), None).finish(keras.ops, values, "uint8"))
    np.testing.assert_array_equal(out, np.array([16, 100, 235], "uint8"))


def test_uint8_rotation_is_the_rounded_float_rotation(images, to_numpy):
    def rotate(given, **kwargs):
        pipeline = kt.augment.Pipeline([kt.augment.RandomRotation(20)], seed=3, **kwargs)
        return to_numpy(pipeline(given, training=True))

    exact = rotate(images, output_dtype="float32")
    np.testing.assert_array_equal(exact, rotate(images.astype("float32")))
    out = rotate(images)
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, np.round(exact))
    assert not (out == np.trunc(exact)).all()


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32"])
def test_every_dtype_stays_itself(images, to_numpy, dtype):
    pipeline = kt.augment.Pipeline([kt.augment.RandomRotation(20)], seed=3)
    out = pipeline(images.astype(dtype), training=True)
    assert to_numpy(out).dtype == dtype


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), 255, (0, 1, 2), (0, float("inf")), None])
def test_no_range_is_refused(value_range):
    with pytest.raises(ValueError, match=r"`value_range` is the pair .* Received: value_range="):
        ValueContract(value_range, None)


def test_an_output_dtype_that_cannot_hold_the_range_is_refused():
    with pytest.raises(ValueError, match=r"dtype='int8'` cannot hold .*=\(0.0, 255.0\)"):
        ValueContract((0, 255), "int8")
    with pytest.raises(ValueError, match="'uint8'` cannot hold values"):
        ValueContract((0, 1), "uint8")
    with pytest.raises(ValueError, match="`output_dtype` is an integer or floating-point"):
        ValueContract((0, 1), "bool")


def test_images_that_cannot_lie_in_the_range_are_refused(images):
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], value_range=(0, 1), seed=0)
    with pytest.raises(ValueError, match=r"uint8 do not fit value_range=\(0, 1\)"):
        pipeline(images, training=True)


@pytest.mark.parametrize(
    ("values", "value_range"),
    [((0, 255), (0, 1)), ((-1, 1), (0, 1)), ((-40, 255), (0, 255))],
)
def test_values_far_outside_of_the_range_are_refused(values, value_range):
    images = np.linspace(*values, 48, dtype="float32").reshape(1, 4, 4, 3)
    transforms = [kt.augment.RandomFlip()]
    pipeline = kt.augment.Pipeline(transforms, seed=0, value_range=value_range)
    with pytest.raises(ValueError, match=r"Images have values from .* outside of value_range"):
        pipeline(images)


def test_scaled_values_in_a_range_of_bytes_are_warned_of_once():
    images = np.linspace(0, 1, 48, dtype="float32").reshape(1, 4, 4, 3)
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0)
    with pytest.warns(UserWarning, match=r"pass value_range=\(0, 1\)"):
        pipeline(images)
    pipeline(images)
    kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0)(0 * images)  # black


def test_little_beyond_the_range_is_clipped(to_numpy):
    images = np.linspace(-5, 260, 48, dtype="float32").reshape(1, 4, 4, 3)
    out = to_numpy(kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0)(images))
    assert (out.min(), out.max()) == (0, 255)


def test_a_data_set_has_its_first_batch_looked_at():
    tf = pytest.importorskip("tensorflow")
    images = np.linspace(0, 255, 48, dtype="float32").reshape(1, 4, 4, 3)
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0, value_range=(0, 1))
    data = pipeline.augment(tf.data.Dataset.from_tensors(images))
    with pytest.raises(tf.errors.InvalidArgumentError, match="outside of value_range"):
        next(iter(data))
