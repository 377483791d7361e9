"""Every transform with arguments drawn from its signature, and what lies on images with odd values.

A clear error, or images of the shape and dtype that were promised, in range, that a pipeline from
the config gives too; masks, boxes and points that lie on them.
"""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
from hypothesis import strategies as st

import kerastricks as kt
from kerastricks.augment.boxes import FORMATS

SPEC = importlib.util.spec_from_file_location("arguments", Path(__file__).with_name("arguments.py"))
arguments = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(arguments)
amounts, drawn_from, numbers = arguments.amounts, arguments.drawn_from, arguments.numbers

TRANSFORMS = [getattr(kt.augment, name) for name in kt.augment.__all__ if name != "Pipeline"]
OF_A_SIZE = kt.augment.RandomCrop, kt.augment.RandomResizedCrop, kt.augment.Resize
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype("uint8")
DTYPES = st.sampled_from(["uint8", "float32", "float16", "int32"])


def dtype_of(x):
    return keras.backend.standardize_dtype(x.dtype)


def judged(pipeline, batch, out):
    """Holds what a pipeline gave to what it promises."""
    images = numbers(out["images"])
    low, high = pipeline.values.value_range
    assert np.isfinite(images).all()
    assert low <= images.min(initial=high)
    assert images.max(initial=low) <= high
    dtype = pipeline.values.output_dtype or dtype_of(batch["images"])
    assert dtype_of(out["images"]) == dtype
    size = IMAGES.shape[1:3]
    for transform in pipeline.transforms:
        if isinstance(transform, OF_A_SIZE):
            size = transform.height, transform.width
        elif isinstance(transform, kt.augment.Pad):
            size = size[0] + 2 * transform.height, size[1] + 2 * transform.width
    assert images.shape == (2, *size, 3)
    labels = numbers(out["labels"])
    np.testing.assert_allclose(labels.sum(-1), 1, rtol=1e-6)
    assert labels.min() >= 0
    written = json.loads(json.dumps(keras.saving.serialize_keras_object(pipeline)))
    again = keras.saving.deserialize_keras_object(written)
    np.testing.assert_array_equal(numbers(again(batch, training=True)["images"]), images)


@amounts(12, 300)
def test_transforms(examples, fuzz, attempted, count):
    def hold(drawn):
        kind, given, dtype = drawn
        transform = attempted(lambda: kind(**given))
        if transform is None:
            return
        pipeline = attempted(lambda: kt.augment.Pipeline([transform], seed=1))
        if pipeline is None:
            return
        batch = {"images": IMAGES.astype(dtype), "labels": np.eye(2, dtype="float32")}
        out = attempted(lambda: pipeline(batch, training=True))
        if out is None:
            return
        judged(pipeline, batch, out)
        count("right", kind)

    kinds = TRANSFORMS if examples > 5 * len(TRANSFORMS) else ()

    def drawn(some):
        return drawn_from(some, DTYPES)

    fuzz(drawn(TRANSFORMS), examples, hold, kinds, drawn)


MOVED = [
    kt.augment.RandomFlip("horizontal"),
    kt.augment.RandomRotation(20),
    kt.augment.RandomPerspective(0.3),
    kt.augment.RandomResizedCrop(6, 5),
    kt.augment.MixUp(0.3),
    kt.augment.CutMix(1.0),
    kt.augment.RandomErasing(),
]
COLORED = [
    kt.augment.RandomBrightness(0.2),
    kt.augment.RandomEqualize(),
    kt.augment.RandomSharpness(0.5),
    kt.augment.AutoAugment(),
    kt.augment.AugMix(),
]
OF_PIPELINES = {
    "transforms": st.lists(st.sampled_from(MOVED + COLORED), max_size=3),
    "value_range": st.sampled_from([(0, 255), (-10.5, 300), (0, 1e6)]),
    "seed": st.integers(0, 2**32 - 1),
    "bounding_box_format": st.sampled_from([None, "xyxy"]),
    "output_dtype": st.sampled_from([None, "float32", "uint8", "float16", "bfloat16"]),
    "fill_mode": st.sampled_from(["reflect", "constant", "nearest", "wrap"]),
}


@amounts(4, 60)
def test_pipelines(examples, fuzz, attempted, count):
    def hold(drawn):
        kind, given, dtype = drawn
        pipeline = attempted(lambda: kind(**given))
        if pipeline is None:
            return
        batch = {"images": IMAGES.astype(dtype), "labels": np.eye(2, dtype="float32")}
        out = attempted(lambda: pipeline(batch, training=True))
        if out is None:
            return
        judged(pipeline, batch, out)
        as_they_are = pipeline(batch, training=False)["images"]
        wanted = IMAGES.clip(*pipeline.values.value_range)
        np.testing.assert_allclose(numbers(as_they_are), wanted, rtol=1e-2, atol=0.5)
        count("right")

    fuzz(drawn_from([kt.augment.Pipeline], DTYPES, named=OF_PIPELINES), examples, hold)


ODD_NUMBERS = st.floats(-20, 30, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -1e30])


@st.composite
def targets(draw):
    """Boxes, labels, masks and points for a batch of two, of which some do not fit it."""
    count = draw(st.integers(0, 3))

    def rows(width):
        shape = draw(
            st.sampled_from(
                [(2, count, width)] * 6 + [(count, width), (2, count, 3), (3, count, width)]
            )
        )
        numbers = draw(st.lists(ODD_NUMBERS, min_size=24, max_size=24))
        return np.resize(np.array(numbers, "float32"), shape)

    labels = np.zeros(draw(st.sampled_from([(2, count)] * 6 + [(2, count + 1), (2,)])), "float32")
    if draw(st.booleans()):
        labels = labels.astype("int32")
    size = draw(st.sampled_from([(2, 9, 7, 1)] * 4 + [(2, 9, 7), (2, 8, 7, 1), (9, 7, 1)]))
    kind = draw(st.sampled_from(["uint8", "int32", "float32"]))
    masks = np.random.default_rng(0).integers(0, 5, size).astype(kind)
    return {
        "bounding_boxes": {"boxes": rows(4), "labels": labels},
        "segmentation_masks": masks,
        "keypoints": rows(2),
        "labels": np.eye(2, dtype="float32"),
    }


@amounts(8, 400)
def test_boxes_masks_and_points(examples, fuzz, attempted, count):
    def hold(drawn):
        transform, given, style, kept = drawn
        given = {name: value for name, value in given.items() if name in kept}
        pipeline = kt.augment.Pipeline([transform], seed=1, bounding_box_format=style)
        out = attempted(lambda: pipeline({"images": IMAGES, **given}, training=True))
        if out is None:
            return
        assert out.keys() == {"images", *given}
        size = numbers(out["images"]).shape[1:3]
        if "segmentation_masks" in given:
            was, now = given["segmentation_masks"], numbers(out["segmentation_masks"])
            if was.dtype.kind != "f":  # classes; masks of floats may be mixed
                assert set(np.unique(now)) <= {0, *np.unique(was)}
            assert dtype_of(out["segmentation_masks"]) == str(was.dtype)
            assert now.shape == (2, *size, *was.shape[3:])
        if "bounding_boxes" in given:
            boxes, labels = (numbers(out["bounding_boxes"][key]) for key in ("boxes", "labels"))
            assert boxes.shape == (*labels.shape, 4)
            assert dtype_of(out["bounding_boxes"]["labels"]) == str(
                given["bounding_boxes"]["labels"].dtype
            )
            corners = numbers(
                keras.utils.bounding_boxes.convert_format(
                    boxes, source=style, target="xyxy", height=size[0], width=size[1]
                )
            )[labels != -1]
            assert np.isfinite(corners).all(), (boxes, labels)
            limits = np.array([size[1], size[0]] * 2)
            assert (corners >= -1e-3).all(), (boxes, labels)
            assert (corners <= limits + 1e-3).all(), (boxes, labels)
        if "keypoints" in given:
            points = numbers(out["keypoints"])
            assert points.shape[:1] + points.shape[2:] == (2, 2)
            assert np.isfinite(points).all() or not np.isfinite(given["keypoints"]).all()
        count("right", type(transform))

    keys = ["bounding_boxes", "segmentation_masks", "keypoints", "labels"]
    fuzz(
        st.tuples(
            st.sampled_from(MOVED),
            targets(),
            st.sampled_from(FORMATS),
            # Where more lie on the images, more are refused.
            st.sets(st.sampled_from(keys), min_size=1).map(lambda some: {*some, "labels"}),
        ),
        examples,
        hold,
    )


@st.composite
def boxes_inside(draw):
    """Corners of boxes within the images, a pixel wide at least."""
    count = draw(st.integers(0, 3))
    share = st.floats(0, 1, width=32)
    rows = []
    for _ in range(2 * count):
        left, top = draw(share) * 6, draw(share) * 8
        right, bottom = left + 1 + draw(share) * (6 - left), top + 1 + draw(share) * (8 - top)
        rows.append((left, top, right, bottom))
    return np.array(rows, "float32").reshape(2, count, 4)


@amounts(4, 100)
def test_every_format_of_boxes_gives_the_same(examples, fuzz, count):
    def converted(boxes, source, target, size):
        height, width = size
        return numbers(
            keras.utils.bounding_boxes.convert_format(
                boxes, source=source, target=target, height=height, width=width
            )
        ).astype("float32")

    def moved(transform, style, boxes):
        pipeline = kt.augment.Pipeline([transform], seed=1, bounding_box_format=style)
        labels = np.arange(boxes.shape[1], dtype="int32")[None].repeat(2, 0)
        given = {"boxes": converted(boxes, "xyxy", style, (9, 7)), "labels": labels}
        out = pipeline(
            {"images": IMAGES, "bounding_boxes": given, "labels": np.eye(2, dtype="float32")},
            training=True,
        )
        size = tuple(out["images"].shape)[1:3]
        boxes, labels = (numbers(out["bounding_boxes"][key]) for key in ("boxes", "labels"))
        boxes = converted(boxes, style, "xyxy", size)
        return np.where(labels[..., None] == -1, 0, boxes), labels

    def hold(drawn):
        transform, style, boxes = drawn
        (wanted, their_labels), (got, labels) = (
            moved(transform, each, boxes) for each in ("xyxy", style)
        )
        np.testing.assert_array_equal(labels, their_labels)
        np.testing.assert_allclose(got, wanted, atol=1e-4)
        count("right")

    fuzz(
        st.tuples(st.sampled_from(MOVED), st.sampled_from(FORMATS), boxes_inside()), examples, hold
    )
