"""Damaged files among good ones."""

import keras
import numpy as np
import pytest

import kerastricks as kt

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of four images, of which one is cut off, one empty and one a text."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for number in range(8):
        path = folder / "ab"[number // 4] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        keras.utils.save_img(path, random.integers(0, 256, (12, 12, 3)), scale=False)
    (folder / "a" / "1.png").write_bytes((folder / "a" / "1.png").read_bytes()[:60])
    (folder / "a" / "2.png").write_bytes(b"")
    (folder / "b" / "7.png").write_text("no image")
    return folder


def directory(folder):
    return keras.utils.image_dataset_from_directory(
        folder, batch_size=None, image_size=(12, 12), shuffle=False, verbose=False
    )


def augmented(dataset, **arguments):
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0)
    return pipeline.augment(dataset, num_parallel_calls=1, **arguments)


def test_a_damaged_image_raises_unless_asked_otherwise(folder):
    with pytest.raises(tf.errors.OpError):
        list(augmented(directory(folder)))


@pytest.mark.compiling
def test_damaged_images_are_skipped_and_counted_when_asked(folder):
    dataset = augmented(directory(folder), unreadable="skip").batch(4)
    for epoch in range(2):
        told = rf"In iteration {epoch} .* 3 of 8 elements could not .* number 1, 2, 7, counted"
        with pytest.warns(UserWarning, match=told):
            labels = np.concatenate([labels for _, labels in dataset])
        assert labels.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.compiling
def test_good_data_are_left_as_they_are():
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3)).astype("uint8")
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(4)
    expected, out = augmented(dataset), augmented(dataset, unreadable="skip")
    assert out.element_spec == expected.element_spec
    for a, b in zip(out, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_data_of_which_nothing_can_be_read_raise():
    broken = tf.data.Dataset.range(3).map(lambda _: tf.io.decode_png(b"?", channels=3))
    broken = broken.map(lambda image: tf.ensure_shape(image, (4, 4, 3)))
    with pytest.raises(tf.errors.UnknownError, match="None of 3 elements in a row could be read"):
        list(augmented(broken, unreadable="skip"))


def test_a_source_that_fails_for_ever_ends():
    lines = tf.data.TextLineDataset(["/no such file"])
    images = lines.map(lambda line: tf.zeros((4, 4, 3), tf.uint8))
    with pytest.raises(tf.errors.UnknownError, match="None of 100 elements in a row"):
        list(augmented(images, unreadable="skip"))


@pytest.mark.compiling
def test_what_python_cannot_read_is_skipped_too():
    def load(number):
        if number == 1:
            raise OSError("truncated")
        return np.full((4, 4, 3), number, "uint8")

    data = tf.data.Dataset.range(4).map(lambda n: tf.numpy_function(load, [n], tf.uint8))
    data = data.map(lambda image: tf.ensure_shape(image, (4, 4, 3)))
    with pytest.warns(UserWarning, match=r"1 of 4 .*truncated"):
        out = [int(image[0, 0, 0]) for image in augmented(data, unreadable="skip")]
    assert out == [0, 2, 3]


def test_what_was_left_out_is_told_when_an_iteration_is_left(folder):
    with pytest.warns(UserWarning, match=r"2 of \d elements"):
        assert len(list(augmented(directory(folder), unreadable="skip").take(4))) == 4


@pytest.mark.parametrize(
    "arguments", [{"unreadable": "ignore"}, {"unreadable": "skip", "service": "grpc://host:5000"}]
)
def test_other_wishes_are_refused(arguments):
    with pytest.raises(ValueError, match=r"`unreadable` is .*Received: unreadable='"):
        augmented(tf.data.Dataset.from_tensors(np.zeros((4, 4, 3), "uint8")), **arguments)
    with pytest.raises(TypeError, match="takes a `tf"):
        augmented([1, 2], unreadable="skip")
