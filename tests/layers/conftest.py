import keras
import pytest


@pytest.fixture
def gradients():
    """Gradients of a scalar function by arrays and variables, in the backend's own way."""
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]


def _tensorflow(function, x, variables=()):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    found = tape.gradient(value, [x, *[variable.value for variable in variables]])
    return [keras.ops.convert_to_numpy(gradient) for gradient in found]


def _jax(function, x, variables=()):
    import jax

    def of(x, values):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(x)

    found, others = jax.grad(of, argnums=(0, 1))(
        jax.numpy.asarray(x), [variable.value for variable in variables]
    )
    return [keras.ops.convert_to_numpy(gradient) for gradient in (found, *others)]


def _torch(function, x, variables=()):
    import torch

    x = torch.tensor(x, requires_grad=True)
    found = torch.autograd.grad(function(x), [x, *[variable.value for variable in variables]])
    return [keras.ops.convert_to_numpy(gradient) for gradient in found]
