"""Batch normalization by the batch at hand, whose statistics can be looked at."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def batch_normalizations(layers: list[Any]) -> list[Any]:
    """Returns the batch normalizations that would use the batch's statistics in training."""
    return [
        layer
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


def normalizing_by_the_batch(
    layer: Any, record: Callable[[Any, Any, Any], None] | None = None
) -> Callable[..., Any]:
    """Returns a `call` for a batch normalization that takes the batch's statistics.

    The layer runs in inference mode, with the statistics of its input in the place of its moving
    averages: none of its variables changes, whatever averages it keeps.

    Args:
        layer: A built `keras.layers.BatchNormalization`.
        record: Is called with mean, variance (dividing by n) and n, each of shape `(channels,)`.
    """
    original = layer.call

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        del training
        mean, variance, count = statistics(inputs, layer.axis, mask)
        if record is not None:
            record(mean, variance, count)
        # Every variable needs a value in the scope: it hides those that an outer scope holds.
        values = {id(variable): (variable, variable.value) for variable in layer.variables}
        values[id(layer.moving_mean)] = (layer.moving_mean, mean)
        values[id(layer.moving_variance)] = (layer.moving_variance, variance)
        with keras.StatelessScope(list(values.values())):
            return original(inputs, training=False, mask=mask)

    return call


def statistics(inputs: Any, axis: int, mask: Any) -> tuple[Any, Any, Any]:
    """Returns mean, variance and number of the entries that count, for each channel."""
    x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
    axes = [i for i in range(len(x.shape)) if i != axis % len(x.shape)]
    counted = ops.ones_like(x, dtype="bool")
    if mask is not None:
        counted = ops.logical_and(counted, ops.expand_dims(ops.cast(mask, "bool"), -1))
    count = ops.sum(ops.cast(counted, x.dtype), axes)
    # Sums of a batch in which all is masked are zero, and weigh nothing later on.
    divisor = ops.maximum(count, 1)
    mean = ops.sum(ops.where(counted, x, 0), axes) / divisor
    shape = [-1 if i not in axes else 1 for i in range(len(x.shape))]
    centered = ops.where(counted, x - ops.reshape(mean, shape), 0)
    return mean, ops.sum(ops.square(centered), axes) / divisor, count
