"""Converters, refused arguments and the config."""

import keras
import numpy as np
import pytest

import kerastricks as kt

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
AVERAGES = ["exponential", "debiased", "cumulative"]


def array(value):
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value))


def batch(seed=0, shape=(16, 3)):
    return np.random.default_rng(seed).normal(2.0, 3.0, size=shape).astype("float32")


def averages(layer):
    return array(layer.moving_mean), array(layer.moving_variance)


def test_converters():
    make = kt.layers.BatchNormalization
    assert make.from_keras_momentum(0.9, axis=1).alpha == 0.1
    assert make.from_torch_momentum(0.1, axis=1).alpha == 0.1
    assert make.from_torch_momentum(0.1, axis=1).axis == 1
    assert make.from_torch_momentum(0.1).average == "exponential"
    assert make.from_torch_momentum(None).average == "cumulative"
    with pytest.raises(ValueError, match="alpha"):
        make.from_torch_momentum(0)
    with pytest.raises(ValueError, match="momentum"):
        make.from_keras_momentum(1)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_equals_torch_in_its_convention(momentum):
    torch = pytest.importorskip("torch")
    ours = kt.layers.BatchNormalization.from_torch_momentum(
        momentum, axis=1, epsilon=1e-5, unbiased_variance=True
    )
    theirs = torch.nn.BatchNorm2d(3, momentum=momentum, device="cpu")
    for step in range(3):
        x = batch(step, (4, 3, 2, 2))
        y = theirs(torch.tensor(x, device="cpu")).detach().numpy()
        np.testing.assert_allclose(array(ours(x, training=True)), y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(averages(ours)[0], theirs.running_mean.numpy(), **FLOAT32)
    np.testing.assert_allclose(averages(ours)[1], theirs.running_var.numpy(), **FLOAT32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"average": "mean"}, r"`average` must be.*Received: average='mean'"),
        ({"virtual_batch_size": 0}, r"must be a positive integer.*virtual_batch_size=0"),
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kt.layers.BatchNormalization(**arguments)


@pytest.mark.parametrize("size", [2.0, True, "2"])
def test_a_size_is_an_integer(size):
    with pytest.raises(TypeError, match=r"`virtual_batch_size` must be a positive integer.*type"):
        kt.layers.BatchNormalization(virtual_batch_size=size)


@pytest.mark.parametrize(
    "argument", [{"average": "debiased"}, {"unbiased_variance": True}, {"virtual_batch_size": 2}]
)
def test_renorm_excludes_them(argument):
    if "renorm" not in keras.layers.BatchNormalization().get_config():
        pytest.skip("this Keras has no renorm")
    name = next(iter(argument))
    with pytest.raises(ValueError, match=rf"renorm=True.*Received: {name}="):
        kt.layers.BatchNormalization(renorm=True, **argument)


def test_synchronized_excludes_virtual_batches():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow synchronizes")
    with pytest.raises(ValueError, match=r"synchronized=True.*virtual_batch_size=2"):
        kt.layers.BatchNormalization(synchronized=True, virtual_batch_size=2)


@pytest.mark.parametrize("average", AVERAGES)
def test_config(average):
    layer = kt.layers.BatchNormalization(
        average=average, alpha=0.3, unbiased_variance=True, virtual_batch_size=8
    )
    again = kt.layers.BatchNormalization.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.average, again.unbiased_variance, again.virtual_batch_size) == (average, True, 8)
