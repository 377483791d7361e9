"""PyTorch's own batch normalization, one pass over memory where Keras' formula takes many."""

from typing import Any

import torch


def applies(x: Any, axis: int, epsilon: float) -> bool:
    """Whether PyTorch takes the arguments: it divides by n - 1, and refuses an epsilon of 0."""
    return bool(x.numel() > x.shape[axis] and epsilon > 0)


def normalize_batch(
    x: Any, gamma: Any, beta: Any, epsilon: float, axis: int
) -> tuple[Any, Any, Any, int]:
    """Returns the outputs, mean, variance (divided by the count) and count of a batch."""
    count = x.numel() // x.shape[axis]
    # A momentum of 1 leaves in the buffers what the batch has.
    mean, variance = torch.zeros_like(gamma), torch.zeros_like(gamma)
    outputs = _normalized(x, mean, variance, gamma, beta, epsilon, axis, training=True)
    return outputs, mean, variance * ((count - 1) / count), count


def normalize(
    x: Any, mean: Any, variance: Any, gamma: Any, beta: Any, epsilon: float, axis: int
) -> Any:
    """Returns `x` normalized by the given statistics."""
    return _normalized(x, mean, variance, gamma, beta, epsilon, axis, training=False)


def _normalized(
    x: Any,
    mean: Any,
    variance: Any,
    gamma: Any,
    beta: Any,
    epsilon: float,
    axis: int,
    training: bool,
) -> Any:
    # The fast paths are those of PyTorch's memory formats: images and volumes with the channels
    # second, or last in memory, and rows. A sequence with the channels last becomes rows.
    rows = axis == x.ndim - 1 and x.ndim not in (4, 5) and x.is_contiguous()
    channels_second = x.reshape(-1, x.shape[axis]) if rows else x.movedim(axis, 1)
    outputs = torch.nn.functional.batch_norm(
        channels_second, mean, variance, gamma, beta, training, 1.0, epsilon
    )
    return outputs.reshape(x.shape) if rows else outputs.movedim(1, axis)
