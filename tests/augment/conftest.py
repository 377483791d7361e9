import keras
import numpy as np
import pytest


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
