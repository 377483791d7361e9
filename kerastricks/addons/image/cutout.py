"""Cutout: a rectangle of each image is painted over."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch, dtype_of, known
from kerastricks.addons.image._kernels import Seed, Tensor, uniform


def cutout(images: Any, mask_size: Any, offset: Any = (0, 0), constant_values: Any = 0) -> Tensor:
    """Paint over a rectangle of each image.

    It covers rows offset[0] - mask_height / 2 up to, not including, offset[0] + mask_height / 2,
    and columns alike, as far as they lie within the image.

    Args:
        images: (B, H, W, C), whole or floating-point numbers.
        mask_size: Even height and width of the rectangle in pixels, one integer or two.
        offset: Its center (y, x) in pixels, for all images, or (B, 2). Defaults to (0, 0).
        constant_values: The value to paint, cast to the images' dtype. Defaults to 0.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: If the images are not of rank 4, a size is odd, or an argument has the wrong
            length.

    Example:
    >>> import keras
    >>> images = keras.ops.ones((1, 3, 4, 1))
    >>> keras.ops.convert_to_numpy(cutout(images, (2, 2), (1, 2)))[0, :, :, 0].tolist()
    [[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]]

    Reference:
        DeVries, Taylor (2017), Improved Regularization of Convolutional Neural Networks with
        Cutout.

    Differs from TensorFlow Addons in: a rectangle that lies outside of the image covers nothing,
    and raises there.
    """
    images = _checked(images)
    _, height, width, _ = ops.shape(images)
    half_height, half_width = (size // 2 for size in _sizes(mask_size))
    offset = ops.cast(ops.convert_to_tensor(offset), "int32")
    centers = offset[None] if len(offset.shape) == 1 else offset
    if len(centers.shape) != 2 or centers.shape[1] not in (None, 2):
        raise ValueError(
            "`offset` must be (y, x), or one such row for each image. "
            f"Received: offset of shape {tuple(offset.shape)}"
        )
    covered = ops.logical_and(
        _within(height, centers[:, 0], half_height)[:, :, None],
        _within(width, centers[:, 1], half_width)[:, None, :],
    )
    paint = ops.cast(constant_values, dtype_of(images))
    return ops.where(covered[..., None], paint, images)


def random_cutout(
    images: Any, mask_size: Any, constant_values: Any = 0, seed: Seed = None
) -> Tensor:
    """Paint over a rectangle of each image, where it lies by chance.

    Its center (y, x) is drawn uniformly from the whole numbers

        mask_height / 2 <= y < H - mask_height / 2,    mask_width / 2 <= x < W - mask_width / 2

    so that all of it lies within the image; where it is as large as the image or larger, the center
    is H // 2 or W // 2. As in TensorFlow Addons, the last row and the last column of an image that
    is larger than the rectangle are never covered.

    Args:
        images: (B, H, W, C), whole or floating-point numbers.
        mask_size: Even height and width of the rectangle in pixels, one integer or two.
        constant_values: The value to paint, cast to the images' dtype. Defaults to 0.
        seed: An integer makes what the calls of a program draw a sequence that it fixes. Defaults
            to None, which follows `keras.utils.set_random_seed`. Inside a function that JAX
            compiles give a `keras.random.SeedGenerator`.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: If the images are not of rank 4, or a size is odd.

    Example:
    >>> import keras
    >>> images = random_cutout(keras.ops.ones((8, 6, 6, 1)), (2, 4), seed=1)
    >>> [int(keras.ops.sum(image)) for image in images]
    [28, 28, 28, 28, 28, 28, 28, 28]

    Reference:
        DeVries, Taylor (2017), Improved Regularization of Convolutional Neural Networks with
        Cutout.

    Differs from TensorFlow Addons in: rows and columns are drawn independently. There, with a
    `seed` in a graph, hence in `tf.data`, both are the same number: the rectangles of square images
    all lie on the diagonal. The numbers that a seed gives are others.
    """
    images = _checked(images)
    batch, height, width, _ = ops.shape(images)
    drawn = uniform((2, batch), seed)
    centers = [
        _center(share, size, length)
        for share, size, length in zip(
            (drawn[0], drawn[1]), _sizes(mask_size), (height, width), strict=True
        )
    ]
    return cutout(images, mask_size, ops.stack(centers, axis=1), constant_values)


def _checked(images: Any) -> Tensor:
    images = ops.convert_to_tensor(images)
    as_batch(images)
    if len(images.shape) != 4:
        raise ValueError(
            "`images` must be (batch, height, width, channels). "
            f"Received: images of shape {tuple(images.shape)}"
        )
    return images


def _sizes(mask_size: Any) -> tuple[Any, Any]:
    """Height and width, integers where they are known."""
    numbers = known(mask_size)
    if numbers is None:
        sizes = ops.broadcast_to(ops.cast(ops.convert_to_tensor(mask_size), "int32"), (2,))
        return sizes[0], sizes[1]
    if numbers.shape not in ((), (1,), (2,)) or (numbers % 2 != 0).any():
        raise ValueError(
            "`mask_size` must be an even number, or two of them (height, width). "
            f"Received: mask_size={mask_size!r}"
        )
    height, width = numbers if numbers.size == 2 else (numbers.item(),) * 2
    return int(height), int(width)


def _within(length: Any, centers: Tensor, half: Any) -> Tensor:
    """Which of `length` pixels lie within `half` of each center, (B, length)."""
    distance = ops.cast(ops.arange(length), "int32")[None, :] - centers[:, None]
    return ops.logical_and(distance >= -half, distance < half)


def _center(share: Tensor, size: Any, length: Any) -> Tensor:
    """Centers for shares in [0, 1), int32."""
    size, length = ops.cast(size, "int32"), ops.cast(length, "int32")
    places = ops.maximum(length - size // 2 * 2, 1)
    step = ops.cast(ops.floor(share * ops.cast(places, "float32")), "int32")
    first = ops.where(size >= length, length // 2, size // 2)
    # A share just below 1 times the number of places may round up to it.
    return first + ops.minimum(step, places - 1)
