"""Find the images in what a user passes, and put them back among the rest."""

from collections.abc import Callable, Mapping
from typing import Any

from kerastricks.augment.kernels import Tensor

Restore = Callable[[Tensor], Any]

_UNSERVED = ("segmentation_masks", "bounding_boxes", "keypoints")


def split(inputs: Any) -> tuple[Tensor, Restore]:
    """Take the images out of an array, or a dictionary, and say how to put new ones in.

    Args:
        inputs: Images, or a dictionary with "images" and perhaps "labels".

    Returns:
        The images, and a function that gives `inputs` with other images. Labels are the very
        objects that came in.

    Raises:
        ValueError: No images, or entries that would no longer lie on the transformed images.
        TypeError: The images are no array.
    """
    if not isinstance(inputs, Mapping):
        return check_images(inputs), lambda images: images
    if "images" not in inputs:
        raise ValueError(
            'A dictionary needs the images under the key "images". '
            f"Received the keys: {sorted(map(str, inputs))}"
        )
    for key in inputs:
        if key in ("images", "labels"):
            continue
        reason = (
            "is not served yet, and would no longer lie on the transformed images"
            if key in _UNSERVED
            else "is unknown"
        )
        raise ValueError(
            f'The key {key!r} {reason}. This pipeline serves "images" and "labels"; take the '
            f"others out of the dictionary. Received the keys: {sorted(map(str, inputs))}"
        )
    images = check_images(inputs["images"])
    check_labels(images, inputs.get("labels"))
    return images, lambda new: {**inputs, "images": new}


def split_element(element: Any) -> tuple[Tensor, Restore]:
    """Do as `split` for a data set's element, which may also be (images, labels[, weights]).

    Args:
        element: Images, a dictionary, or a tuple of one to three entries that begins with either.

    Raises:
        ValueError: As for `split`, or a tuple of another length.
    """
    if not isinstance(element, tuple):
        return split(element)
    if not 1 <= len(element) <= 3:
        raise ValueError(
            "A data set's element is images, (images, labels), (images, labels, weights), or a "
            f'dictionary with "images". Received a tuple of {len(element)} entries.'
        )
    images, restore = split(element[0])
    check_labels(images, element[1:2])
    return images, lambda new: (restore(new), *element[1:])


def check_images(images: Any) -> Tensor:
    """Return images of shape (B, H, W, C) or (H, W, C), or say what is wrong with them."""
    if not hasattr(images, "shape") or not hasattr(images, "dtype"):
        raise TypeError(
            "Images are an array of shape (batch, height, width, channels) or (height, width, "
            f"channels). Received: {type(images).__name__}"
        )
    rank = _rank(images)
    if rank not in (3, 4):
        shape = "of unknown rank" if rank is None else f"{tuple(images.shape)}"
        raise ValueError(
            "Images have the shape (batch, height, width, channels) or (height, width, channels); "
            f"greyscale images have one channel. Received: shape={shape}"
        )
    return images


def check_labels(images: Tensor, labels: Any) -> None:
    """Refuse labels that are pictures as large as the images: they would not move along."""
    if isinstance(labels, Mapping):
        labels = tuple(labels.values())
    if isinstance(labels, (tuple, list)):
        for label in labels:
            check_labels(images, label)
        return
    if not hasattr(labels, "shape") or _rank(labels) is None:
        return
    shape, size = tuple(labels.shape), tuple(images.shape)[-3:-1]
    first = len(images.shape) - 3
    if len(shape) < first + 2:
        return
    # Where sizes are not known beforehand, labels of three axes or more pass for pictures.
    unknown = None in size and None in shape[first : first + 2] and len(shape) > first + 2
    if (shape[first : first + 2] == size and None not in size) or unknown:
        raise ValueError(
            f"Labels of shape {shape} cover images of shape {tuple(images.shape)} pixel by pixel; "
            "labels pass through as they are, so they would no longer lie on the transformed "
            "images. Masks and target pictures are not served yet."
        )


def _rank(x: Any) -> int | None:
    try:
        return len(x.shape)
    except ValueError:  # a TensorFlow tensor of unknown rank
        return None
