import numpy as np
import pytest

import kerastricks as kt


@pytest.fixture
def pipeline():
    return kt.augment.Pipeline([kt.augment.RandomFlip(probability=1)], seed=0)


def test_labels_pass_through_untouched(pipeline, images, to_numpy):
    labels = np.arange(6, dtype="int16")
    out = pipeline({"images": images, "labels": labels}, training=True)
    assert set(out) == {"images", "labels"}
    assert out["labels"] is labels
    np.testing.assert_array_equal(to_numpy(out["images"]), images[:, :, ::-1])


def test_unknown_keys_are_refused(pipeline, images):
    with pytest.raises(ValueError, match=r"The key 'image_id' is unknown.*'image_id', 'images'"):
        pipeline({"images": images, "image_id": np.arange(6)}, training=True)


def test_a_dictionary_without_images_is_refused(pipeline):
    with pytest.raises(ValueError, match='under the key "images"'):
        pipeline({"labels": np.arange(6)}, training=True)


def test_pictures_as_labels_are_refused(pipeline, images):
    with pytest.raises(ValueError, match=r"Labels of shape \(6, 11, 17, 1\).*segmentation_masks"):
        pipeline({"images": images, "labels": images[..., :1]}, training=True)


@pytest.mark.parametrize("shape", [(), (8,), (8, 8), (2, 2, 2, 8, 8, 3)])
def test_wrong_rank_is_refused(pipeline, shape):
    with pytest.raises(ValueError, match=r"\(batch, height, width, channels\).*Received: shape=\("):
        pipeline(np.zeros(shape, "float32"), training=True)


@pytest.mark.parametrize("dtype", ["bool", "complex64"])
def test_values_that_are_no_real_numbers_are_refused(pipeline, dtype):
    with pytest.raises((TypeError, ValueError), match=dtype):
        pipeline(np.zeros((1, 4, 4, 1), dtype), training=True)


def test_lists_are_refused(pipeline):
    with pytest.raises(TypeError, match=r"Images are an array.*Received: list"):
        pipeline([[[1.0]]], training=True)


def test_masks_are_refused_where_sizes_are_not_known_beforehand(pipeline):
    """As behind a decoder of image files."""
    tf = pytest.importorskip("tensorflow")

    def pairs():
        yield np.zeros((8, 8, 3), "uint8"), np.zeros((8, 8, 1), "uint8")

    spec = [tf.TensorSpec((None, None, channels), tf.uint8) for channels in (3, 1)]
    dataset = tf.data.Dataset.from_generator(pairs, output_signature=tuple(spec))
    with pytest.raises(ValueError, match="pixel by pixel"):
        pipeline.augment(dataset)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"segmentation_masks": np.zeros((6, 11, 16))}, "segmentation_masks"),
        ({"segmentation_masks": np.zeros((5, 11, 17))}, "segmentation_masks"),
        ({"segmentation_masks": np.zeros((6, 11, 17, 1, 1))}, "segmentation_masks"),
        ({"keypoints": np.zeros((6, 4, 3))}, "keypoints have the shape"),
        ({"keypoints": np.zeros((5, 4, 2))}, "keypoints have the shape"),
        ({"bounding_boxes": np.zeros((6, 4, 4))}, "is a dictionary"),
        ({"bounding_boxes": {"boxes": np.zeros((6, 4))}}, '"boxes" have the shape'),
        ({"bounding_boxes": {"boxes": np.zeros((6, 2, 4)), "ids": 0}}, "is a dictionary"),
        (
            {"bounding_boxes": {"boxes": np.zeros((6, 2, 4)), "labels": np.zeros((6, 3))}},
            'The "labels" of',
        ),
    ],
)
def test_targets_that_do_not_fit_the_images_are_refused(images, target, message):
    pipeline = kt.augment.Pipeline([], bounding_box_format="xyxy")
    with pytest.raises(ValueError, match=rf"{message}.*Received"):
        pipeline({"images": images, **target}, training=True)


def test_boxes_without_a_format_are_refused(pipeline, images):
    boxes = {"bounding_boxes": {"boxes": np.zeros((6, 2, 4))}}
    with pytest.raises(ValueError, match="bounding_box_format="):
        pipeline({"images": images, **boxes}, training=True)


def test_unknown_formats_are_refused():
    with pytest.raises(ValueError, match=r"`bounding_box_format` is one of 'xyxy'.*Received"):
        kt.augment.Pipeline([], bounding_box_format="coco")
    with pytest.raises(ValueError, match=r"`minimum_visibility` is the share.*Received"):
        kt.augment.Pipeline([], minimum_visibility=2)
