"""Augment a batch a part at a time: what lies between the loops over its pixels stays small."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kerastricks.augment.kernels import Tensor, buffers

PART = 1 << 21
"""Bytes of images that are worked on at once. Half as many cost a tenth of the time more."""


def rows_of_a_part(bytes_of_an_image: int) -> int:
    """Give how many images are worked on at once: a power of two, which divides most batches.

    At least two: compilers treat a single one differently, and round its numbers differently.

    >>> [rows_of_a_part(3 * side**2) for side in (32, 224, 2000)]
    [512, 8, 2]
    """
    return 1 << max(1, (PART // max(1, bytes_of_an_image)).bit_length() - 1)


def in_parts(
    function: Callable[[Tensor, Any], Any],
    images: Tensor,
    drawn: Any,
    rows: int,
    overlap: int = 0,
) -> Tensor:
    """Apply a function that gives a row for each image, to so many rows at a time.

    All parts are of one size, as a function is compiled for one: the last begins where it must to
    end with the batch, and gives some rows again.

    Args:
        function: Of images and of what was drawn for them.
        images: Tensor (B + overlap, H, W, C).
        drawn: A structure of tensors (B, ...), or (B + overlap, ...).
        rows: Rows that a part gives.
        overlap: Images that lead a part, and give none.

    Returns:
        Tensor (B, height, width, C).
    """
    count = int(images.shape[0]) - overlap
    if count <= rows:
        return as_tensor(function(images, drawn))
    # Slices of tensors take a tenth of a millisecond each, those of arrays nothing; but images,
    # which are larger, are not copied when they are handed on.
    drawn = tf.nest.map_structure(np.asarray, drawn)
    out = np.empty(0)
    for start in range(0, count, rows):
        first = min(start, count - rows)

        def part(x: Any, first: int = first) -> Any:
            return x[first : first + rows + int(x.shape[0]) - count]

        found = np.asarray(function(part(images), tf.nest.map_structure(part, drawn)))
        if not start:
            out = buffers.empty((count, *found.shape[1:]), found.dtype)
        out[first : first + rows] = found
    return buffers.handed_over(out)


def as_tensor(images: Any) -> Tensor:
    """Hand an array over to TensorFlow; it must not be written to any more."""
    return buffers.handed_over(images) if isinstance(images, np.ndarray) else images
