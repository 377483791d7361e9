"""Transforms that put given colors where nothing of the image comes to lie."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch, dtype_of, known
from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image.transform import transformed


def transform_and_replace(image: Any, transforms: Any, replace: Any) -> Tensor:
    """Transform one image, nearest pixels, and put colors where nothing of it comes to lie.

    Args:
        image: (H, W, C).
        transforms: As in `transform`, one that is affine.
        replace: A number for all channels, or one for each.

    Returns:
        An image of the same shape and dtype.

    Raises:
        ValueError: If the image is not of rank 3, or `replace` has the wrong length.
    """
    image = ops.convert_to_tensor(image)
    batch, _ = as_batch(image)
    if len(image.shape) != 3:
        raise ValueError(
            "`image` must be (height, width, channels); map over the images of a batch. "
            f"Received: an image of shape {tuple(image.shape)}"
        )
    colors = ops.reshape(ops.cast(replace, dtype_of(batch)), (-1,))
    numbers, channels = known(replace), batch.shape[-1]
    if numbers is not None and channels is not None and numbers.size not in (1, channels):
        raise ValueError(
            f"`replace` must be one number, or one for each of the {channels} channels. "
            f"Received: replace={replace!r}"
        )
    # A channel of ones shows where the image has come to lie.
    marked = ops.concatenate([batch, ops.ones_like(batch[..., :1])], axis=-1)
    moved = transformed(marked, transforms, "nearest", "constant", 0.0, affine=True)[0]
    return ops.where(moved[..., -1:] == 1, moved[..., :-1], colors)
