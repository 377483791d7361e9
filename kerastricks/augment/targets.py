"""Find images and what lies on them in what a user passes, and put them back among the rest."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from kerastricks.augment.target_contract import (
    agreed,
    check_boxes,
    check_images,
    check_labels,
    check_masks,
    check_points,
)

Parts = dict[str, Any]
"""What a pipeline changes: "images", and perhaps "segmentation_masks", "bounding_boxes" (with
"boxes" and perhaps "labels") and "keypoints"; where samples mix, "labels" and "weights" too."""

Restore = Callable[[Parts], Any]

PIXELWISE = ("images", "segmentation_masks", "bounding_boxes", "keypoints")
"""What moves with the pixels. In a batch of videos each of these has the frames' axis."""

_CHECKS = {
    "segmentation_masks": check_masks,
    "bounding_boxes": check_boxes,
    "keypoints": check_points,
}


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
    check_labels(images, inputs.get("labels"), mixes=mixes)
    changed = (*PIXELWISE, "labels") if mixes else PIXELWISE
    parts = {key: inputs[key] for key in changed if key in inputs}
    for key, check in _CHECKS.items():
        if key in parts:
            check(images, parts[key])
    parts["images"] = agreed(parts, inputs.get("labels"))
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
    check_labels(parts["images"], element[1:2], mixes=mixes)
    check_labels(parts["images"], element[2:])
    parts["images"] = agreed({"images": parts["images"]}, element[1:])
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
