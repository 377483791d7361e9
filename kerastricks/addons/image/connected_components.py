"""Labels of connected components."""

from typing import Any

from keras import ops

from kerastricks.addons.image._kernels import Tensor


def connected_components(images: Any, name: str | None = None) -> Tensor:
    """Number the connected components of images.

    Pixels belong together that lie beside or above each other and have the same value, other than
    0 (`scipy.ndimage.label` for masks). Components are numbered from 1 on by their first pixels,
    image by image, row by row; numbers go on from image to image.

    Every pixel refers to one of its component, at last to the first. Links are shortened while they
    are made, which takes about as many rounds as the logarithm of the number of pixels, even for
    spirals.

    Args:
        images: (H, W) or (B, H, W), whole or floating-point numbers, or booleans.
        name: Taken for compatibility; has no effect.

    Returns:
        int32 tensor of the same shape; 0 where the images are 0.

    Raises:
        TypeError: If the rank is none of these.

    Example:
    >>> import keras
    >>> labels = connected_components([[1, 1, 0, 1], [0, 2, 2, 1]])
    >>> keras.ops.convert_to_numpy(labels).tolist()
    [[1, 1, 0, 2], [0, 3, 3, 2]]

    Reference:
        Zhang, Azad, Buluc (2020), Parallel algorithms for finding connected components using
        linear algebra (FastSV).
    """
    images = ops.convert_to_tensor(images)
    rank = len(images.shape)
    if rank not in (2, 3):
        raise TypeError(
            "`images` must be (height, width) or (batch, height, width). "
            f"Received: images of shape {tuple(images.shape)}"
        )
    batch = images if rank == 3 else images[None]
    count, height, width = ops.shape(batch)
    size = height * width
    own = ops.reshape(ops.cast(ops.arange(size), "int32"), (1, height, width))
    own = own + ops.zeros((count, 1, 1), dtype="int32")
    whose = ops.reshape(ops.cast(ops.arange(count), "int32") * size, (count, 1, 1))
    exists = ops.cast(batch, "bool")
    # From the last pixel to the first, so that the largest number of a component is its first.
    first = size - 1 - _turned(_largest(_turned(batch), own, whose))
    is_first = ops.cast(ops.logical_and(exists, first == own), "int32")
    numbers = ops.cast(ops.cumsum(ops.reshape(is_first, (-1,))), "int32")
    labels = ops.where(exists, ops.take(numbers, whose + first, axis=0), 0)
    return labels if rank == 3 else labels[0]


def _turned(batch: Tensor) -> Tensor:
    """Images (B, H, W) by half a turn."""
    return ops.flip(ops.flip(batch, 1), 2)  # Keras 3.10 on TensorFlow flips along one axis at once


def _largest(batch: Tensor, own: Tensor, whose: Tensor) -> Tensor:
    """The largest of the numbers `own`, (B, H, W), in the component of each pixel.

    Args:
        batch: Images (B, H, W).
        own: Numbers of the pixels within their image, int32.
        whose: The number of the first pixel of each image in the whole batch, (B, 1, 1).
    """
    exists = ops.cast(batch, "bool")
    across = ops.logical_and(batch[:, :, 1:] == batch[:, :, :-1], exists[:, :, 1:])
    down = ops.logical_and(batch[:, 1:] == batch[:, :-1], exists[:, 1:])
    shape = ops.shape(own)
    pixels = shape[0] * shape[1] * shape[2]

    def beside(numbers: Tensor) -> Tensor:
        """The largest number of a pixel and those that it is linked with."""
        for linked, before, behind, axis in (
            (across, numbers[:, :, :-1], numbers[:, :, 1:], 2),
            (down, numbers[:, :-1], numbers[:, 1:], 1),
        ):
            nothing = ops.zeros_like(before)
            for other, ends in (
                (ops.where(linked, behind, nothing), (0, 1)),
                (ops.where(linked, before, nothing), (1, 0)),
            ):
                around = [ends if place == axis else (0, 0) for place in range(3)]
                numbers = ops.maximum(numbers, ops.pad(other, around))
        return numbers

    def referred(parents: Tensor) -> Tensor:
        return ops.take(ops.reshape(parents, (-1,)), whose + parents, axis=0)

    def body(parents: Tensor, ancestors: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = beside(ancestors)
        # What a pixel has found goes to the one that it refers to as well.
        told = ops.segment_max(
            ops.reshape(found, (-1,)), ops.reshape(whose + parents, (-1,)), pixels
        )
        parents = ops.maximum(ops.maximum(parents, ops.reshape(told, shape)), found)
        further = referred(parents)
        return parents, further, ops.any(further != ancestors)

    start = (own, own, ops.cast(True, "bool"))
    return ops.while_loop(lambda *state: state[2], body, start)[1]
