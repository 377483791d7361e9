"""Videos: one draw for all frames."""

import numpy as np
import pytest

import kerastricks as kt

TRANSFORMS = [
    kt.augment.RandomFlip(),
    kt.augment.RandomRotation(20),
    kt.augment.RandomBrightness(0.3),
    kt.augment.RandomErasing(),
]


@pytest.fixture
def videos():
    return np.random.default_rng(0).integers(0, 256, (4, 5, 11, 8, 3)).astype("uint8")


def test_all_frames_of_a_video_get_what_its_first_would(videos, run):
    out = run(TRANSFORMS, videos)
    assert out.shape == videos.shape
    for frame in range(5):
        np.testing.assert_array_equal(out[:, frame], run(TRANSFORMS, videos[:, frame]))


def test_what_lies_on_frames_moves_with_them(videos, to_numpy):
    masks = videos[..., 0].astype("int32")
    boxes = np.tile(np.float32([[1, 1, 5, 5]]), (4, 5, 1, 1))
    points = np.tile(np.float32([[2, 3]]), (4, 5, 1, 1))
    pipeline = kt.augment.Pipeline(TRANSFORMS[:2], seed=0, bounding_box_format="xyxy")
    out = pipeline(
        {
            "images": videos,
            "labels": np.arange(4),
            "segmentation_masks": masks,
            "bounding_boxes": {"boxes": boxes, "labels": np.ones((4, 5, 1), "int32")},
            "keypoints": points,
        },
        training=True,
    )
    one = kt.augment.Pipeline(TRANSFORMS[:2], seed=0, bounding_box_format="xyxy")(
        {
            "images": videos[:, 2],
            "segmentation_masks": masks[:, 2],
            "bounding_boxes": {"boxes": boxes[:, 2]},
            "keypoints": points[:, 2],
        },
        training=True,
    )
    assert to_numpy(out["labels"]).tolist() == [0, 1, 2, 3]
    for key in ("segmentation_masks", "keypoints"):
        np.testing.assert_allclose(to_numpy(out[key])[:, 2], to_numpy(one[key]), atol=1e-5)
    found = to_numpy(out["bounding_boxes"]["boxes"])[:, 2]
    np.testing.assert_allclose(found, to_numpy(one["bounding_boxes"]["boxes"]), atol=1e-5)


@pytest.mark.compiling
def test_a_data_set_of_videos_agrees_with_the_layer(videos, to_numpy):
    tf = pytest.importorskip("tensorflow")
    labels = np.eye(4, dtype="float32")
    transforms = [*TRANSFORMS[:2], kt.augment.MixUp(1.0)]
    data = tf.data.Dataset.from_tensor_slices((videos, labels)).batch(3)
    parts = list(kt.augment.Pipeline(transforms, seed=0).augment(data))
    assert parts[0][0].shape == (3, 5, 11, 8, 3)
    layer = kt.augment.Pipeline(transforms, seed=0)({"images": videos, "labels": labels})
    out, mixed = (np.concatenate([part[number] for part in parts]) for number in range(2))
    np.testing.assert_allclose(mixed[1:], to_numpy(layer["labels"])[1:], atol=1e-6)
    assert np.abs(out[1:].astype(int) - to_numpy(layer["images"])[1:]).max() <= 1


def test_single_videos_are_batches_of_one(videos, to_numpy):
    """A data set of (T, H, W, C) would be taken for batches of images."""
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices(videos)
    pipeline = kt.augment.Pipeline(TRANSFORMS[:1], seed=0)
    out = pipeline.augment(data.batch(1)).unbatch()
    assert out.element_spec == data.element_spec
    found = np.stack(list(out))
    np.testing.assert_array_equal(found, to_numpy(pipeline(videos, training=True)))
    mirrored = (found != videos).any(axis=(2, 3, 4))
    np.testing.assert_array_equal(mirrored, mirrored[:, :1].repeat(5, axis=1))
    assert 0 < mirrored.mean() < 1
