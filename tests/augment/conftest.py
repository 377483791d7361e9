import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.kernels import compiled
from kerastricks.augment.threefry import SampleKeys


def to_numpy(x):
    if hasattr(x, "detach"):  # numpy 2 warns about the conversion Keras does for torch
        return x.detach().cpu().numpy()
    return np.asarray(x)


@pytest.fixture(name="to_numpy")
def to_numpy_fixture():
    return to_numpy


@pytest.fixture(params=["keras", "tensorflow"])
def ops(request):
    """Both array namespaces that the room is written against."""
    if request.param == "keras":
        return keras.ops
    pytest.importorskip("tensorflow")
    from kerastricks.augment.kernels import tensorflow

    return tensorflow


@pytest.fixture
def tensor(ops):
    """Turn numpy arrays into tensors of the namespace under test."""
    if ops is keras.ops:
        return keras.ops.convert_to_tensor
    import tensorflow as tf

    return tf.convert_to_tensor


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 11, 17, 3)).astype("uint8")


@pytest.fixture
def run(to_numpy):
    """Run transforms on images, as a pipeline of their own."""

    def run(transforms, images, **kwargs):
        pipeline = kt.augment.Pipeline(transforms, **{"seed": 0, **kwargs})
        return to_numpy(pipeline(images, training=True))

    return run


@pytest.fixture
def draw(ops, tensor, to_numpy):
    """The matrices that a transform draws for many samples."""

    def draw(transform, count=4000, size=(20, 30), seed=0):
        keys = SampleKeys(seed, tensor(np.int32(0)), tensor(np.arange(count, dtype="int32")))
        uniforms = keys.uniform(ops, 0, max(1, transform.num_draws))
        build = (compiled if ops is keras.ops else (lambda f: f))(
            lambda uniforms: transform.matrix(ops, uniforms, size)
        )
        return to_numpy(build(uniforms)).astype("float64")

    return draw
