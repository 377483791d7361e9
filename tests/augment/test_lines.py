import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.border import Border
from kerastricks.augment.kernels import compiled
from kerastricks.augment.lines import lines

A = kt.augment
PAD = {"reflect": "symmetric", "wrap": "wrap", "nearest": "edge"}


@pytest.mark.parametrize("fill_mode", PAD)
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (2, 4, 5, 1), (1, 1, 6, 1), (1, 6, 1, 2)])
def test_neighbors_are_those_of_numpys_padded_images(ops, tensor, to_numpy, fill_mode, axis, shape):
    images = np.random.default_rng(0).integers(0, 256, shape).astype("uint8")
    # Images that end on both sides of a pixel are wrapped round once.
    radius = min(3, shape[axis]) if fill_mode == "wrap" else 3
    ends = [(radius, radius) if along == axis else (0, 0) for along in range(4)]
    padded = np.pad(images, ends, mode=PAD[fill_mode])
    for known in (radius, ops.cast(radius, "int32")):
        moved = lines(ops, tensor(images), axis, Border(fill_mode, 0.0), known)
        for number in range(2 * radius + 1):
            wanted = np.moveaxis(np.moveaxis(padded, axis, 0)[number:][: shape[axis]], 0, axis)
            for each in (float(number), ops.cast(number, "float32")):
                out = to_numpy(moved(each))
                assert out.dtype == "uint8"
                np.testing.assert_array_equal(out, wanted.reshape(*shape[:2], -1))


@pytest.mark.parametrize("shape", [(2, 20, 24, 3), (2, 1, 64, 1), (2, 64, 1, 1)])
@pytest.mark.parametrize(
    "transforms",
    [
        [A.RandomGaussianBlur(10.0, probability=1)],
        [A.RandomRotation(20), A.RandomZoom((0.05, 0.05))],
    ],
)
def test_sums_too_long_to_be_written_out_are_loops(transforms, shape, to_numpy):
    """In calls that are compiled and in others, and in data sets."""
    images = np.random.default_rng(0).integers(0, 256, shape).astype("uint8")
    pipeline = A.Pipeline(transforms, seed=0)

    def call(images):
        return pipeline.run({"images": images}, keras.ops.convert_to_tensor(0, "int32"))["images"]

    out = to_numpy(compiled(call)(keras.ops.convert_to_tensor(images)))
    assert out.shape == shape
    assert out.std() < images.std()
    pytest.importorskip("tensorflow")
    import tensorflow as tf

    data = tf.data.Dataset.from_tensors(images)
    (batch,) = pipeline.augment(data, engine="xla")
    assert np.abs(batch.numpy().astype("int32") - out).max() <= 1
