"""Images of rank 2, 3 and 4 as one batch, and values as images again."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.addons.image._kernels import Tensor, batch_of_unknown_rank


def as_batch(images: Any) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """See images as a batch.

    Args:
        images: (H, W), (H, W, C) or (B, H, W, C), of whole or floating-point numbers.

    Returns:
        The batch (B, H, W, C), and a function that gives a batch the rank that `images` has.

    Raises:
        TypeError: If the values are no numbers.
        ValueError: If the rank is none of these.
    """
    images = ops.convert_to_tensor(images)
    dtype = dtype_of(images)
    if not (keras.backend.is_float_dtype(dtype) or keras.backend.is_int_dtype(dtype)):
        raise TypeError(
            "Images are whole or floating-point numbers. "
            f"Received: images of dtype {dtype!r}; convert them with `keras.ops.cast`."
        )
    if (unknown := batch_of_unknown_rank(images)) is not None:
        return unknown
    rank = len(images.shape)
    if rank == 2:
        return images[None, :, :, None], lambda batch: batch[0, :, :, 0]
    if rank == 3:
        return images[None], lambda batch: batch[0]
    if rank == 4:
        return images, lambda batch: batch
    raise ValueError(
        "Images are (height, width), (height, width, channels) or (batch, height, width, "
        f"channels). Received: images of shape {tuple(images.shape)}"
    )


def dtype_of(images: Tensor) -> str:
    """The name of a tensor's dtype."""
    return str(keras.backend.standardize_dtype(images.dtype))


def floating(images: Tensor) -> Tensor:
    """Values to calculate with: float64 stays, all else becomes float32."""
    return ops.cast(images, "float64" if dtype_of(images) == "float64" else "float32")


def as_dtype(values: Tensor, dtype: str) -> Tensor:
    """Floating-point values as a dtype of images: whole numbers are the nearest in range."""
    if keras.backend.is_float_dtype(dtype):
        return ops.cast(values, dtype)
    return ops.saturate_cast(ops.round(values), dtype)


def known(value: Any) -> np.ndarray | None:
    """The numbers of a value, or None where a graph is traced that will be given them later."""
    try:
        return np.asarray(value)
    except (NotImplementedError, RuntimeError, TypeError):
        return None


def choice(name: str, value: str, choices: Iterable[str]) -> str:
    """One of several words, in capitals or not.

    Raises:
        ValueError: If it is none of them.
    """
    word = value.lower() if isinstance(value, str) else value
    if word not in (choices := tuple(choices)):
        raise ValueError(f"`{name}` must be one of {choices}. Received: {name}={value!r}")
    return word


def pair(name: str, value: Any) -> tuple[int, int]:
    """An integer for both axes, or two, all positive.

    Raises:
        TypeError: If it is neither an integer nor several.
        ValueError: If there are not two, or one is not positive.
    """
    try:
        values = (value, value) if np.ndim(value) == 0 else tuple(value)
        height, width = (int(number) for number in values)
        if height < 1 or width < 1 or (height, width) != tuple(values):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"`{name}` must be a positive integer, or two of them (height, width). "
            f"Received: {name}={value!r}"
        ) from None
    return height, width
