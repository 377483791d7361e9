import keras
import numpy as np
import pytest

SHAPES = {
    "rows": ((8, 3), -1),
    "sequence": ((4, 5, 3), -1),
    "sequence-first": ((4, 3, 5), 1),
    "images": ((4, 3, 5, 2), -1),
    "images-first": ((4, 2, 3, 5), 1),
    "images-middle": ((4, 3, 2, 5), 2),
    "images-negative": ((4, 3, 2, 5), -2),
    "volumes": ((3, 2, 3, 2, 4), -1),
    "batch-axis": ((3, 5, 4), 0),
    "one-channel": ((4, 5, 1), -1),
}


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


@pytest.fixture(params=SHAPES.values(), ids=list(SHAPES))
def layout(request):
    """A shape of inputs, and the axis of its channels."""
    return request.param


@pytest.fixture
def reference():
    """Batch normalization in float64, as numpy writes the formula."""

    def column(values, rank, axis):
        shape = [1] * rank
        shape[axis] = -1
        return np.reshape(values, shape)

    def reference(x, gamma, beta, epsilon, axis, mask=None, group=None):
        size = group or len(x)
        y = np.empty_like(x)
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            kept = (
                np.ones(x.shape, bool)
                if mask is None
                else np.broadcast_to(mask[..., None], x.shape)
            )
            masked = np.ma.array(x[part], mask=~kept[part])
            others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
            mean, variance = (
                column(np.asarray(v), x.ndim, axis)
                for v in (masked.mean(others), masked.var(others))
            )
            y[part] = (x[part] - mean) / np.sqrt(variance + epsilon)
        return y * column(gamma, x.ndim, axis) + column(beta, x.ndim, axis)

    return reference
