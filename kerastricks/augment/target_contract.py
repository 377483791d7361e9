"""What images, and what lies on them, must look like to be served."""

from collections.abc import Mapping
from typing import Any

import keras

from kerastricks.augment.kernels import Demand, Tensor, agreeing

_POINTS = "(batch, points, 2), as (x, y)"
_BOXES = "(batch, boxes, 4)"


def check_images(images: Any) -> Tensor:
    """Return images of shape (B, H, W, C), (H, W, C) or (B, T, H, W, C), or say what is wrong."""
    if not hasattr(images, "shape") or not hasattr(images, "dtype"):
        raise TypeError(
            "Images are an array of shape (batch, height, width, channels) or (height, width, "
            f"channels). Received: {type(images).__name__}"
        )
    rank = rank_of(images)
    if rank not in (3, 4, 5):
        shape = "of unknown rank" if rank is None else f"{tuple(images.shape)}"
        raise ValueError(
            "Images have the shape (batch, height, width, channels) or (height, width, channels); "
            "grayscale images have one channel, and videos are (batch, frames, height, width, "
            f"channels). Received: shape={shape}"
        )
    if 0 in tuple(images.shape)[-3:]:
        raise ValueError(
            f"Images have one pixel and one channel at least. Received: shape={tuple(images.shape)}"
        )
    if _kind(images) is None:
        raise ValueError(
            f"Images are of an integer or floating-point dtype. Received: {images.dtype}"
        )
    return images


def check_dense(images: Any) -> None:
    """Refuse the kinds of tensors that hold images of many sizes, where none are served."""
    if hasattr(images, "nested_row_lengths") or hasattr(images, "dense_shape"):
        raise TypeError(
            "A pipeline that is called takes dense images, all of one size: `augment` of a data "
            "set serves ragged ones, where the pipeline brings them to one size. "
            f"Received: {type(images).__name__} of shape {tuple(images.shape)}"
        )


def check_labels(images: Tensor, labels: Any, *, mixes: bool = False) -> None:
    """Refuse labels of another batch, and pictures, which would not move along.

    Args:
        images: The images.
        labels: A structure of arrays, or None.
        mixes: Whether labels are mixed, so that each must be an array.
    """
    if isinstance(labels, Mapping):
        labels = tuple(labels.values())
    if isinstance(labels, (tuple, list)):
        for label in labels:
            check_labels(images, label, mixes=mixes)
        return
    if not hasattr(labels, "shape"):
        if mixes and labels is not None:
            raise TypeError(
                "Labels that are mixed are arrays, one-hot in floating point, such as those of "
                f"keras.utils.to_categorical. Received: {labels!r} ({type(labels).__name__})"
            )
        return
    if rank_of(labels) is None:
        return
    shape, size = tuple(labels.shape), tuple(images.shape)[-3:-1]
    first = len(images.shape) - 3
    if first and (not shape or not fits(shape[:1], tuple(images.shape)[:1])):
        raise ValueError(
            "Labels and weights have the images' batch for their first axis. "
            f"Received: shape={shape} beside images of shape {tuple(images.shape)}"
        )
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


def check_masks(images: Tensor, masks: Any) -> None:
    """Refuse masks that do not cover their images."""
    shape, expected = shape_of(masks), tuple(images.shape)[:-1]
    if (
        shape is None
        or not fits(shape[: len(expected)], expected)
        or len(shape) > len(expected) + 1
    ):
        raise ValueError(
            '"segmentation_masks" have the shape (batch, height, width) of the images, or one more '
            f"axis. Received: {told(masks)} beside images of shape {tuple(images.shape)}"
        )
    if _kind(masks) is None and str(masks.dtype).rpartition(".")[2] != "bool":
        raise ValueError(
            '"segmentation_masks" are of an integer, floating-point or boolean dtype. '
            f"Received: {masks.dtype}"
        )


def check_points(images: Tensor, points: Any) -> None:
    """Refuse keypoints that are no pairs of numbers for each image."""
    _check_rows(images, "keypoints", points, 2, _POINTS)


def check_boxes(images: Tensor, boxes: Any) -> None:
    """Refuse boxes that are no dictionary of rows for each image, and labels that do not fit."""
    if not isinstance(boxes, Mapping) or "boxes" not in boxes or set(boxes) - {"boxes", "labels"}:
        keys = sorted(map(str, boxes)) if isinstance(boxes, Mapping) else type(boxes).__name__
        raise ValueError(
            f'"bounding_boxes" is a dictionary with "boxes" and perhaps "labels". Received: {keys}'
        )
    _check_rows(images, '"boxes"', boxes["boxes"], 4, _BOXES)
    labels, shape = boxes.get("labels"), shape_of(boxes["boxes"])
    if labels is None:
        return
    if shape_of(labels) is None or not fits(shape_of(labels), shape[:-1]):
        raise ValueError(
            'The "labels" of "bounding_boxes" have the shape (batch, boxes), -1 where there is no '
            f"box. Received: {told(labels)} beside boxes of shape {shape}"
        )
    if _kind(labels) not in ("int", "float"):
        raise ValueError(
            'The "labels" of "bounding_boxes" are of a dtype that holds -1, the label of what is '
            f"no box, such as int32. Received: {labels.dtype}"
        )


def agreed(parts: Mapping[str, Any], beside: Any = ()) -> Tensor:
    """Give the images, on condition that what lies on them has lengths that go with theirs.

    Of lengths that are known beforehand the other functions know already.

    Args:
        parts: "images", and perhaps "segmentation_masks", "bounding_boxes" and "keypoints".
        beside: A structure of labels and weights.
    """
    images = parts["images"]
    batch = rank_of(images) - 3  # type: ignore[operator]
    lead = range(batch)
    demands: list[Demand] = []

    def demand(name: str, x: Any, axes: Any, of: Any) -> None:
        demands.extend((name, x, axis, of, axis) for axis in axes)

    if batch:
        for label in keras.tree.flatten(beside):
            demand("labels or weights", label, (0,), images)
    if "segmentation_masks" in parts:
        demand("segmentation_masks", parts["segmentation_masks"], range(batch + 2), images)
    if "keypoints" in parts:
        demand("keypoints", parts["keypoints"], lead, images)
        demands.append(("keypoints", parts["keypoints"], -1, 2, 0))
    if "bounding_boxes" in parts:
        boxes = parts["bounding_boxes"]
        demand("boxes", boxes["boxes"], lead, images)
        demands.append(("boxes", boxes["boxes"], -1, 4, 0))
        if boxes.get("labels") is not None:
            demand("the labels of boxes", boxes["labels"], range(batch + 1), boxes["boxes"])
    return agreeing(images, demands)


def _check_rows(images: Tensor, name: str, rows: Any, width: int, wanted: str) -> None:
    shape, leading = shape_of(rows), tuple(images.shape)[:-3]
    right = shape is not None and len(shape) == len(leading) + 2 and shape[-1] in (width, None)
    if not right or not fits(shape[: len(leading)], leading):
        raise ValueError(
            f"{name} have the shape {wanted}, without the batch for a single image. "
            f"Received: {told(rows)} beside images of shape {tuple(images.shape)}"
        )
    if _kind(rows) is None:
        raise ValueError(
            f"{name} are of an integer or floating-point dtype. Received: {rows.dtype}"
        )


def _kind(x: Any) -> str | None:
    """Tell the kind of numbers that an array holds: "int", "uint" or "float"."""
    try:
        dtype = keras.backend.standardize_dtype(getattr(x.dtype, "name", x.dtype))
    except (TypeError, ValueError):
        return None
    for kind, begins in (("int", "int"), ("uint", "uint"), ("float", ("float", "bfloat"))):
        if dtype.startswith(begins):
            return kind
    return None


def fits(shape: Any, expected: Any) -> bool:
    """Whether shapes are the same as far as they are known."""
    pairs = list(zip(shape, expected, strict=False))
    return len(shape) == len(expected) and all(a is None or b is None or a == b for a, b in pairs)


def shape_of(x: Any) -> Any:
    """The shape, None where there is none or its rank is unknown."""
    return tuple(x.shape) if hasattr(x, "shape") and rank_of(x) is not None else None


def told(x: Any) -> str:
    """What to say of something that was received."""
    shape = shape_of(x)
    return type(x).__name__ if shape is None else f"shape={shape}"


def rank_of(x: Any) -> int | None:
    """How many axes there are, None for a TensorFlow tensor of unknown rank."""
    try:
        return len(x.shape)
    except ValueError:
        return None
