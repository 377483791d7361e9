"""Softmax's sparse relative: the projection onto the probability simplex."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def sparsemax(logits: Any, axis: int = -1) -> Any:
    """Projects onto the probability simplex: a softmax most of whose outputs are exactly 0.

    Use it for attention, or where few of many labels apply. Where all classes shall go on
    learning, use softmax: outputs of 0 pass no gradient.

        f(z)[i] = max(z[i] - tau(z), 0),  with tau such that the outputs sum to 1

    Of the logits in descending order z(1) >= z(2) >= ..., those belong to the support for which
    1 + k * z(k) > z(1) + ... + z(k); tau is their sum less 1, divided by their number. The maximum
    is subtracted first, which changes nothing but the rounding. In half precision the sums are
    taken in float32.

    A logit of -inf gets the probability 0. Where a slice holds NaN or +inf, or -inf alone, there is
    no such projection, and all of it is NaN, as with softmax.

    Args:
        logits: A floating-point tensor of rank 1 or more.
        axis: The axis along which outputs sum to 1. Defaults to the last.

    Returns:
        A tensor of the same shape and type.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> y = tfa.activations.sparsemax(keras.ops.array([[-1.0, 0.5, 1.0], [3.0, 3.0, 3.0]]))
    >>> [[round(float(value), 4) for value in row] for row in y]
    [[0.0, 0.25, 0.75], [0.3333, 0.3333, 0.3333]]

    Reference:
        Martins, Astudillo (2016), From Softmax to Sparsemax: A Sparse Model of Attention and
        Multi-Label Classification, algorithm 1 and eq. 9 (gradient).

    Differs from TensorFlow Addons in: large logits keep their precision, in which that one's sums
    drown. `keras.activations.sparsemax` (3.15.1) is not used: where more than one of its
    outputs is positive, they do not sum to 1.
    """
    logits = ops.convert_to_tensor(logits)
    dtype = keras.backend.standardize_dtype(logits.dtype)
    z = ops.cast(logits, "float32") if dtype in ("float16", "bfloat16") else logits
    z = z - ops.stop_gradient(ops.max(z, axis=axis, keepdims=True))
    # An infinite maximum has left NaN behind, as infinity less itself.
    impossible = ops.sum(ops.where(ops.isnan(z), z, ops.zeros_like(z)), axis=axis, keepdims=True)
    # As tau is -1 at least, what is below gets 0 just the same. So all numbers are finite, as
    # exported files want it: the selections that tf2onnx makes, but for those by `isnan`, multiply
    # by 0 and 1.
    z = ops.maximum(z, -1)
    support = _support(ops.stop_gradient(z), axis)
    kept = ops.where(support, z, ops.zeros_like(z))
    size = ops.sum(ops.cast(support, z.dtype), axis=axis, keepdims=True)
    tau = (ops.sum(kept, axis=axis, keepdims=True) - 1) / size
    outputs = ops.where(support, ops.maximum(z - tau, 0), ops.zeros_like(z))
    return ops.cast(outputs + ops.stop_gradient(impossible), dtype)


def _support(z: Any, axis: int) -> Any:
    """Where the outputs are positive, for logits whose maximum is 0."""
    descending = ops.flip(ops.sort(z, axis=axis), axis=axis)
    sums = ops.cumsum(descending, axis=axis)
    k = ops.cumsum(ops.ones_like(z), axis=axis)
    inside = 1 + k * descending > sums
    # Logits equal to the smallest one inside are inside too, so that a comparison finds all.
    least = ops.min(ops.where(inside, descending, ops.zeros_like(z)), axis=axis, keepdims=True)
    return z >= least
