"""Find images and what lies on them in what a user passes, and put them back among the rest."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from kerastricks.augment.kernels import Tensor

Parts = dict[str, Any]
"""What a pipeline changes: "images", and perhaps "segmentation_masks", "bounding_boxes" (with
"boxes" and perhaps "labels") and "keypoints"; where samples mix, "labels" and "weights" too."""

Restore = Callable[[Parts], Any]

PIXELWISE = ("images", "segmentation_masks", "bounding_boxes", "keypoints")
"""What moves with the pixels. In a batch of videos each of these has the frames' axis."""


def split(inputs: Any, *, mixes: bool = False) -> tuple[Parts, Restore]:
    """Take what is changed out of an array, or a dictionary, and say how to put it back.

    Args:
        inputs: Images, or a dictionary with "images" and perhaps "labels", "segmentation_masks",
            "bounding_boxes" and "keypoints".
        mixes: Whether labels are changed.

    Returns:
        The parts that are changed, and a function that gives `inputs` with others in their place.
        Labels that are not changed are the very objects that came in.

    Raises:
        ValueError: No images, unknown entries, or targets that do not fit the images.
        TypeError: The images are no array.
    """
    if not isinstance(inputs, Mapping):
        return {"images": check_images(inputs)}, lambda parts: parts["images"]
    if "images" not in inputs:
        raise ValueError(
            'A dictionary needs the images under the key "images". '
            f"Received the keys: {sorted(map(str, inputs))}"
        )
    for key in inputs:
        if key not in (*PIXELWISE, "labels"):
            served = ", ".join(f'"{name}"' for name in (*PIXELWISE, "labels"))
            raise ValueError(
                f"The key {key!r} is unknown. A pipeline serves {served}; take others out of the "
                f"dictionary. Received the keys: {sorted(map(str, inputs))}"
            )
    images = check_images(inputs["images"])
    check_labels(images, inputs.get("labels"))
    changed = (*PIXELWISE, "labels") if mixes else PIXELWISE
    parts = {key: inputs[key] for key in changed if key in inputs}
    _check_masks(images, parts.get("segmentation_masks"))
    _check_boxes(images, parts.get("bounding_boxes"))
    _check_rows(images, "keypoints", parts.get("keypoints"), 2, "(batch, points, 2), as (x, y)")
    return parts, lambda new: {**inputs, **new}


def split_element(element: Any, *, mixes: bool = False) -> tuple[Parts, Restore]:
    """Do as `split` for a data set's element, which may also be (images, labels[, weights]).

    Args:
        element: Images, a dictionary, or a tuple of one to three entries that begins with either.
        mixes: Whether labels and weights are changed.

    Raises:
        ValueError: As for `split`, or a tuple of another length.
    """
    if not isinstance(element, tuple):
        return split(element, mixes=mixes)
    if not 1 <= len(element) <= 3:
        raise ValueError(
            "A data set's element is images, (images, labels), (images, labels, weights), or a "
            f'dictionary with "images". Received a tuple of {len(element)} entries.'
        )
    parts, restore = split(element[0], mixes=mixes)
    check_labels(parts["images"], element[1:2])
    if not mixes or len(element) == 1:
        return parts, lambda new: (restore(new), *element[1:])
    # Labels of both places are one structure, which a mix maps over.
    inside = {"labels": parts["labels"]} if "labels" in parts else {}
    all_parts = {**parts, "labels": (inside, element[1])}
    if len(element) == 3:
        all_parts["weights"] = element[2]

    def restored(new: Parts) -> Any:
        inner, beside = new["labels"]
        first = restore(
            {**{k: v for k, v in new.items() if k not in ("labels", "weights")}, **inner}
        )
        return first, beside, *([new["weights"]] if len(element) == 3 else [])

    return all_parts, restored


def batched(parts: Parts) -> Parts:
    """Make batches of one of what belongs to a single image."""
    out: Parts = keras.tree.map_structure(lambda x: x[None], parts)
    return out


def unbatched(parts: Parts) -> Parts:
    """Undo `batched`."""
    out: Parts = keras.tree.map_structure(lambda x: x[0], parts)
    return out


def check_images(images: Any) -> Tensor:
    """Return images of shape (B, H, W, C), (H, W, C) or (B, T, H, W, C), or say what is wrong."""
    if not hasattr(images, "shape") or not hasattr(images, "dtype"):
        raise TypeError(
            "Images are an array of shape (batch, height, width, channels) or (height, width, "
            f"channels). Received: {type(images).__name__}"
        )
    rank = _rank(images)
    if rank not in (3, 4, 5):
        shape = "of unknown rank" if rank is None else f"{tuple(images.shape)}"
        raise ValueError(
            "Images have the shape (batch, height, width, channels) or (height, width, channels); "
            "greyscale images have one channel, and videos are (batch, frames, height, width, "
            f"channels). Received: shape={shape}"
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
            'images. Pass masks in a dictionary, under the key "segmentation_masks".'
        )


def _check_masks(images: Tensor, masks: Any) -> None:
    if masks is None:
        return
    shape, expected = _shape(masks), tuple(images.shape)[:-1]
    if (
        shape is None
        or not _fits(shape[: len(expected)], expected)
        or len(shape) > len(expected) + 1
    ):
        raise ValueError(
            '"segmentation_masks" have the shape (batch, height, width) of the images, or one more '
            f"axis. Received: {_told(masks)} beside images of shape {tuple(images.shape)}"
        )


def _check_boxes(images: Tensor, boxes: Any) -> None:
    if boxes is None:
        return
    if not isinstance(boxes, Mapping) or "boxes" not in boxes or set(boxes) - {"boxes", "labels"}:
        keys = sorted(map(str, boxes)) if isinstance(boxes, Mapping) else type(boxes).__name__
        raise ValueError(
            f'"bounding_boxes" is a dictionary with "boxes" and perhaps "labels". Received: {keys}'
        )
    _check_rows(images, '"boxes"', boxes["boxes"], 4, "(batch, boxes, 4)")
    labels, shape = boxes.get("labels"), _shape(boxes["boxes"])
    if labels is not None and (_shape(labels) is None or not _fits(_shape(labels), shape[:-1])):
        raise ValueError(
            'The "labels" of "bounding_boxes" have the shape (batch, boxes), -1 where there is no '
            f"box. Received: {_told(labels)} beside boxes of shape {shape}"
        )


def _check_rows(images: Tensor, name: str, rows: Any, width: int, wanted: str) -> None:
    if rows is None:
        return
    shape, leading = _shape(rows), tuple(images.shape)[:-3]
    fits = shape is not None and len(shape) == len(leading) + 2 and shape[-1] in (width, None)
    if not fits or not _fits(shape[: len(leading)], leading):
        raise ValueError(
            f"{name} have the shape {wanted}, without the batch for a single image. "
            f"Received: {_told(rows)} beside images of shape {tuple(images.shape)}"
        )


def _fits(shape: Any, expected: Any) -> bool:
    """Whether shapes are the same as far as they are known."""
    pairs = list(zip(shape, expected, strict=False))
    return len(shape) == len(expected) and all(a is None or b is None or a == b for a, b in pairs)


def _shape(x: Any) -> Any:
    return tuple(x.shape) if hasattr(x, "shape") and _rank(x) is not None else None


def _told(x: Any) -> str:
    shape = _shape(x)
    return type(x).__name__ if shape is None else f"shape={shape}"


def _rank(x: Any) -> int | None:
    try:
        return len(x.shape)
    except ValueError:  # a TensorFlow tensor of unknown rank
        return None
