"""A fixed number of equal windows along each spatial axis, and what becomes of each."""

from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

import keras
from keras import ops


def checked_data_format(data_format: str | None) -> str:
    """Returns the data format, Keras' setting if there is none."""
    given = keras.config.image_data_format() if data_format is None else data_format
    found = str(given).lower()
    if found not in ("channels_last", "channels_first"):
        raise ValueError(
            'Argument `data_format` must be "channels_last", "channels_first" or None. Received: '
            f"data_format={data_format!r}."
        )
    return found


def checked_sizes(sizes: int | Iterable[int], rank: int, name: str) -> tuple[int, ...]:
    """Returns `rank` positive integers: the given ones, or the given one for each axis."""
    found = tuple(sizes) if isinstance(sizes, Iterable) else (sizes,) * rank
    if len(found) != rank or not all(isinstance(n, Real) and n > 0 == n % 1 for n in found):
        raise ValueError(
            f"Argument `{name}` must be a positive integer, or a list of {rank}. Received: "
            f"{name}={sizes!r}."
        )
    return tuple(int(size) for size in found)


def spatial_axes(rank: int, data_format: str) -> range:
    """The axes between batch and channels, or behind both."""
    first = 1 if data_format == "channels_last" else 2
    return range(first, first + rank)


def pooled(
    inputs: Any, windows: tuple[int, ...], data_format: str, reduce: Callable[..., Any]
) -> Any:
    """Reduces each window; sizes that are known must be multiples of `windows`."""
    axes = spatial_axes(len(windows), data_format)
    _check_rank(inputs.shape, len(windows), data_format)
    sizes = list(ops.shape(inputs))
    split: list[Any] = []
    within = []
    for axis, size in enumerate(sizes):
        if axis not in axes:
            split.append(size)
            continue
        number = windows[axis - axes[0]]
        known = inputs.shape[axis]
        if known is not None and (known < number or known % number):
            raise ValueError(
                f"The number of windows must divide the size: {number} does not divide {known}. "
                f"Received: windows={windows} and inputs of shape {tuple(inputs.shape)}. Crop or "
                "resize the inputs, or take Keras' own adaptive pooling, whose windows overlap."
            )
        within.append(len(split) + 1)
        split += [number, size // number]
    return reduce(ops.reshape(inputs, split), axis=tuple(within))


def cropped(inputs: Any, windows: tuple[int, ...], data_format: str) -> Any:
    """Leaves out what is left over at the ends when sizes are divided by `windows`."""
    axes = spatial_axes(len(windows), data_format)
    _check_rank(inputs.shape, len(windows), data_format)
    sizes = ops.shape(inputs)
    slices = [
        slice(0, sizes[axis] - sizes[axis] % windows[axis - axes[0]])
        if axis in axes
        else slice(None)
        for axis in range(len(sizes))
    ]
    return inputs[tuple(slices)]


def _check_rank(shape: Any, spatial: int, data_format: str) -> None:
    if len(shape) != spatial + 2:
        raise ValueError(
            f"Inputs must have {spatial + 2} axes: batch, {spatial} spatial, and channels "
            f"({data_format}). Received: inputs of shape {tuple(shape)}."
        )
