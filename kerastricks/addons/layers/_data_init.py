"""First values of lengths and biases from a batch (Salimans, Kingma 2016, eq. 5 and 6)."""

from typing import Any

from keras import ops

from kerastricks.addons.layers._substitution import call_with

EPSILON = 1e-10
"""What is added to variances, as in TensorFlow Addons."""


def answers_of(clone: Any, layer: Any, kernel: Any, value: Any, inputs: Any) -> Any:
    """What a clone of the layer answers with the layer's variables, a given kernel and no bias."""
    bias = getattr(layer, "bias", None)
    values = []
    for own, original in zip(clone.weights, layer.weights, strict=True):
        if original is kernel:
            values.append((own, value))
        elif original is bias:
            values.append((own, ops.zeros(own.shape, dtype=own.dtype)))
        else:
            values.append((own, ops.cast(original.value, own.dtype)))
    return ops.cast(call_with(clone, values, inputs), value.dtype)


def first_scales(answers: Any, layer: Any, units: int, recurrent: bool) -> tuple[Any, Any]:
    """Returns 1 / std and -mean / std of the answers of each unit.

    A recurrent layer has several gates to a unit, which share its scale.
    """
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    rank = len(answers.shape)
    channels = 1 if channels_first else rank - 1
    axes = [axis for axis in range(rank) if axis != channels]
    mean, variance = ops.moments(answers, axes)
    scale = 1 / ops.sqrt(variance + EPSILON)
    shift = -mean * scale
    found = answers.shape[channels]
    if recurrent and found != units:
        scale = ops.tile(scale, (units // found,))
    elif found != units:
        raise ValueError(
            "`data_init` needs a kernel whose last axis is that of the layer's outputs. Received: "
            f"a kernel with {units} and outputs with {found} entries there, of the class "
            f"{type(layer).__name__}. Use data_init=False."
        )
    return scale, shift
