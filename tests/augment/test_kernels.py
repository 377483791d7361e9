"""The array namespaces agree: a transform gives the same, whichever of them it is handed."""

import keras
import numpy as np
import pytest

from kerastricks.augment.kernels import numpy as small

tensorflow = pytest.importorskip("kerastricks.augment.kernels.tensorflow")

COMPILES_OR_CHECKS = {
    *("compiled", "jitted", "ensure_shape"),
    *("checked_at_least", "checked_lengths", "checked_nowhere"),
}
"""What graphs of TensorFlow alone have."""
RNG = np.random.default_rng(0)
F = RNG.normal(size=(4, 6)).astype("float32")
F[0, :3] = 0.5, -1.5, 2.5
OTHER = RNG.normal(size=(6,)).astype("float32")
POSITIVE = np.abs(F) + 0.1
I = RNG.integers(-50, 50, (4, 6)).astype("int32")  # noqa: E741 - beside F
BITS = RNG.integers(0, 8, (4, 6)).astype("int32")
TRUE = F > 0
SEGMENTS = np.array([2, 0, 2, 4], "int32")
CASES = {
    "abs": [(lambda ops, x: ops.abs(x), F), (lambda ops, x: ops.abs(x), I)],
    "arange": [
        (lambda ops: ops.arange(5, dtype="int32"),),
        (lambda ops: ops.arange(5, dtype="float32"),),
    ],
    "bitwise_and": [(lambda ops, x, y: ops.bitwise_and(x, y), I, BITS)],
    "bitwise_or": [(lambda ops, x, y: ops.bitwise_or(x, y), I, BITS)],
    "bitwise_xor": [(lambda ops, x, y: ops.bitwise_xor(x, y), I, BITS)],
    "cast": [
        (lambda ops, x: ops.cast(x, "int32"), F),
        (lambda ops, x: ops.cast(x, "float32"), I),
        (lambda ops, x: ops.cast(x, "float32"), TRUE),
        (lambda ops: ops.cast(0.5, "float32"),),
    ],
    "ceil": [(lambda ops, x: ops.ceil(x), F)],
    "clip": [
        (lambda ops, x: ops.clip(x, -0.5, 0.5), F),
        (lambda ops, x: ops.clip(x, -3, 9), I),
    ],
    "concatenate": [(lambda ops, x, y: ops.concatenate([x, y], axis=1), F, F[:, :1])],
    "cos": [(lambda ops, x: ops.cos(x), F)],
    "cumsum": [
        (lambda ops, x: ops.cumsum(x, axis=1), F),
        (lambda ops, x: ops.cumsum(x, axis=0), I),
    ],
    "exp": [(lambda ops, x: ops.exp(x), F)],
    "floor": [(lambda ops, x: ops.floor(x), F)],
    "fori_loop": [
        (lambda ops, x: ops.fori_loop(1, 4, lambda n, v: v * ops.cast(n, "float32"), x), F),
        (lambda ops, x: ops.fori_loop(2, 5, lambda n, v: v + n, x), I),
        (lambda ops, x: ops.fori_loop(3, 3, lambda n, v: v + n, x), I),
    ],
    "left_shift": [(lambda ops, x, y: ops.left_shift(x, y), I, BITS)],
    "log": [(lambda ops, x: ops.log(x), POSITIVE)],
    "logical_and": [(lambda ops, x, y: ops.logical_and(x, y), TRUE, TRUE[::-1].copy())],
    "logical_not": [(lambda ops, x: ops.logical_not(x), TRUE)],
    "logical_or": [(lambda ops, x, y: ops.logical_or(x, y), TRUE, TRUE[::-1].copy())],
    "max": [
        (lambda ops, x: ops.max(x), F),
        (lambda ops, x: ops.max(x, axis=1), I),
        (lambda ops, x: ops.max(x, axis=0, keepdims=True), F),
    ],
    "maximum": [
        (lambda ops, x, y: ops.maximum(x, y), F, OTHER),
        (lambda ops, x: ops.maximum(x, 1), I),
        (lambda ops, x: ops.maximum(x, 0.25), F),
    ],
    "min": [
        (lambda ops, x: ops.min(x), F),
        (lambda ops, x: ops.min(x, axis=1), I),
        (lambda ops, x: ops.min(x, axis=0, keepdims=True), F),
    ],
    "minimum": [
        (lambda ops, x, y: ops.minimum(x, y), F, OTHER),
        (lambda ops, x: ops.minimum(x, 1), I),
        (lambda ops, x: ops.minimum(x, 0.25), F),
    ],
    "ones": [(lambda ops: ops.ones((2, 3)),), (lambda ops: ops.ones((2,), "int32"),)],
    "ones_like": [(lambda ops, x: ops.ones_like(x), F), (lambda ops, x: ops.ones_like(x), I)],
    "reshape": [(lambda ops, x: ops.reshape(x, (-1, 3)), F)],
    "right_shift": [(lambda ops, x, y: ops.right_shift(x, y), I, BITS)],
    "round": [(lambda ops, x: ops.round(x), F), (lambda ops, x: ops.round(x), I)],
    "segment_sum": [
        (lambda ops, x, at: ops.segment_sum(x, at, 6), I[:, 0].copy(), SEGMENTS),
        (lambda ops, x, at: ops.segment_sum(x, at, 6), F, SEGMENTS),
    ],
    "shape": [(lambda ops, x: ops.cast(ops.shape(x), "int32"), F)],
    "slice": [
        (lambda ops, x: ops.slice(x, (1, 2), (2, 3)), F),
        (lambda ops, x, at: ops.slice(x, (0, at[1, 2]), (3, 2)), I, BITS),
    ],
    "sqrt": [(lambda ops, x: ops.sqrt(x), POSITIVE)],
    "stack": [(lambda ops, x, y: ops.stack([x, y], axis=-1), F, F[::-1].copy())],
    "sum": [
        (lambda ops, x: ops.sum(x), I),
        (lambda ops, x: ops.sum(x, axis=1), F),
        (lambda ops, x: ops.sum(x, axis=1, keepdims=True), I),
    ],
    "take": [
        (lambda ops, x, at: ops.take(x, at, axis=1), F, BITS[0] % 6),
        (lambda ops, x, at: ops.take(x, at, axis=0), I, BITS % 4),
    ],
    "where": [
        (lambda ops, c, x, y: ops.where(c, x, y), TRUE, F, F + 1),
        (lambda ops, c, x: ops.where(c[:, :1], 7, x), TRUE, I),
    ],
    "zeros_like": [(lambda ops, x: ops.zeros_like(x), F), (lambda ops, x: ops.zeros_like(x), I)],
}


def names_of(module):
    """What a module has for others."""
    own = {"builtins", "Any", "Callable", "Demand", "NDArray", "Sequence", "Tensor", "np", "tf"}
    return {name for name in vars(module) if not name.startswith("_")} - own


def test_both_have_the_same_names_and_each_is_tried():
    assert names_of(small) == names_of(tensorflow) - COMPILES_OR_CHECKS == set(CASES)
    assert names_of(tensorflow) >= COMPILES_OR_CHECKS


@pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name, cases in CASES.items() for n in range(len(cases))]
)
def test_both_give_what_keras_does(name, number, to_numpy):
    import tensorflow as tf

    call, *arrays = CASES[name][number]
    expected = to_numpy(call(keras.ops, *map(keras.ops.convert_to_tensor, arrays)))
    for out in (call(small, *arrays), call(tensorflow, *map(tf.constant, arrays)).numpy()):
        assert (out.dtype, out.shape) == (expected.dtype, expected.shape)
        # Two roundings of float32 may lie between the libraries' curves and orders of addition.
        rounded = name in ("cos", "cumsum", "exp", "log", "segment_sum", "sqrt", "sum")
        np.testing.assert_allclose(out, expected, rtol=3e-7 if rounded else 0, atol=0)
