import gc

import keras
import numpy as np
import pytest

import kerastricks as kt

tf = pytest.importorskip("tensorflow")

TRANSFORMS = [
    kt.augment.RandomFlip("horizontal"),
    kt.augment.RandomRotation(degrees=15),
    kt.augment.RandomErasing(fill_value=7),
]
IMAGES = np.random.default_rng(0).integers(0, 256, (23, 12, 9, 3)).astype("uint8")


def make_pipeline(**kwargs):
    return kt.augment.Pipeline(TRANSFORMS, seed=4, **kwargs)


def assert_nearly_equal(out, expected):
    """Rounding may differ by a level, which equalizing then spreads."""
    difference = np.abs(out.astype(int) - expected)
    assert np.mean(difference > 1) < 0.02
    assert np.mean(difference > 0) < 0.1


def collect(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def slices(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0])


def flips(data=None, **arguments):
    """What compiles in no time, where any transform shows the law."""
    data = slices(IMAGES) if data is None else data
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=4)
    return pipeline.augment(data.batch(8), num_parallel_calls=1, **arguments)


@pytest.fixture(scope="module")
def expected():
    return collect(make_pipeline().augment(slices(IMAGES).batch(23)))


@pytest.fixture(scope="module")
def flipped():
    """Three epochs of another run."""
    dataset = flips()
    return [collect(dataset) for _ in range(3)]


@pytest.mark.compiling
@pytest.mark.parametrize(("batch_size", "num_parallel_calls"), [(1, None), (4, 3), (16, 1)])
def test_batch_size_and_parallel_calls_change_nothing(expected, batch_size, num_parallel_calls):
    dataset = slices(IMAGES).batch(batch_size)
    out = make_pipeline().augment(dataset, num_parallel_calls=num_parallel_calls)
    np.testing.assert_array_equal(collect(out), expected)


@pytest.mark.compiling
def test_single_images_are_samples_too(expected):
    out = make_pipeline().augment(slices(IMAGES))
    assert out.element_spec.shape == (12, 9, 3)
    np.testing.assert_array_equal(collect(out.batch(5)), expected)


def test_images_of_unknown_size_are_served(expected):
    spec = tf.TensorSpec((None, None, 3), tf.uint8)
    dataset = tf.data.Dataset.from_generator(lambda: iter(IMAGES), output_signature=spec)
    out = make_pipeline().augment(dataset)
    assert out.element_spec == spec
    assert_nearly_equal(collect(out.batch(5)), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "transforms",
    [
        [kt.augment.Resize(16, 12), kt.augment.RandomInvert()],
        [kt.augment.RandomResizedCrop(16, 12), kt.augment.RandomFlip()],
        [kt.augment.RandomCrop(8, 6), kt.augment.RandomElastic()],
    ],
)
def test_images_of_many_sizes_become_one(transforms, to_numpy):
    """How far they shrink is then known at run time alone."""
    random = np.random.default_rng(0)
    sizes = (20, 31), (8, 90)
    images = [random.integers(0, 256, (*size, 3)).astype("uint8") for size in sizes]
    spec = tf.TensorSpec((None, None, 3), tf.uint8)
    dataset = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=spec)
    out = kt.augment.Pipeline(transforms, seed=0).augment(dataset)
    assert None not in out.element_spec.shape
    for position, (image, seen) in enumerate(zip(images, out, strict=True)):
        known = tf.data.Dataset.from_tensors(image).repeat(position + 1)
        *_, expected = kt.augment.Pipeline(transforms, seed=0).augment(known)
        difference = np.abs(seen.numpy().astype(int) - expected.numpy())
        assert difference.max() <= 1


def test_the_layer_and_the_data_set_agree_to_rounding(expected, to_numpy):
    out = to_numpy(make_pipeline()(IMAGES, training=True))
    assert_nearly_equal(out, expected)


@pytest.mark.compiling
def test_epochs_differ_and_runs_repeat(flipped):
    dataset = flips()
    for epoch in flipped:
        np.testing.assert_array_equal(collect(dataset), epoch)
    assert (flipped[0] != flipped[1]).any()


@pytest.mark.compiling
def test_repeat_before_and_after_draws_anew():
    before, after = collect(flips(slices(IMAGES).repeat(2))), collect(flips().repeat(2))
    for out in (before, after):
        assert len(out) == 46
        assert (out[:23] != out[23:]).any()


@pytest.mark.slow
def test_iterations_side_by_side_keep_their_epochs():
    dataset = make_pipeline().augment(slices(IMAGES).batch(8))
    alone = [collect(dataset) for _ in range(2)]
    dataset = make_pipeline().augment(slices(IMAGES).batch(8))
    pairs = [(a.numpy(), b.numpy()) for a, b in zip(dataset, dataset, strict=True)]
    for epoch, batches in zip(alone, zip(*pairs, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(batches), epoch)


@pytest.mark.compiling
def test_an_iterator_outlives_its_data_set(flipped):
    iterator = iter(flips())
    gc.collect()
    np.testing.assert_array_equal(collect(iterator), flipped[0])


def test_an_iterator_resumes_in_mid_epoch(tmp_path):
    """With what its mix has carried along, and its epoch, which the next one follows."""

    def start():
        transforms = [kt.augment.RandomFlip(), kt.augment.MixUp(1.0)]
        pipeline = kt.augment.Pipeline(transforms, seed=4)
        return pipeline.augment(slices(IMAGES).batch(2), engine="xla", num_parallel_calls=1)

    dataset = start()
    epochs = [collect(dataset) for _ in range(3)]
    dataset = start()
    collect(dataset)
    iterator = iter(dataset)
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(tmp_path / "epoch")
    dataset = start()
    resumed = iter(dataset)
    tf.train.Checkpoint(iterator=resumed).restore(path)
    np.testing.assert_array_equal(collect(resumed), epochs[1][2:])
    np.testing.assert_array_equal(collect(dataset), epochs[2])


@pytest.mark.compiling
def test_a_training_goes_on_with_a_later_epoch(flipped):
    np.testing.assert_array_equal(collect(flips(initial_epoch=1)), flipped[1])


class Epoch(keras.callbacks.Callback):
    number = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.number = epoch


@pytest.mark.compiling
def test_a_training_that_was_interrupted_sees_what_it_would_have_seen(tmp_path):
    """The numbers of epochs are `fit`'s own, which the backup restores."""
    seen = []

    def fit(*callbacks):
        epoch = Epoch()
        data = flips(
            slices(IMAGES.astype("float32"), np.arange(23) % 2),
            initial_epoch=lambda: epoch.number,
        )
        layers = [keras.Input((12, 9, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)

        def note(images, labels):
            seen[-1].append((epoch.number, images.numpy()))
            return images

        def noted(images, labels):
            noted = tf.py_function(note, [images, labels], tf.float32)
            return tf.ensure_shape(noted, images.shape), labels

        seen.append([])
        model.fit(
            data.map(noted),
            epochs=3,
            verbose=0,
            shuffle=False,
            callbacks=[backup, epoch, *callbacks],
        )

    def interrupt(batch, logs):
        if len(seen[-1]) > 5:
            raise KeyboardInterrupt

    fit()
    for each in (tmp_path / "backup").iterdir():
        each.unlink()
    with pytest.raises(KeyboardInterrupt):
        fit(keras.callbacks.LambdaCallback(on_train_batch_end=interrupt))
    fit()
    whole, _, rest = seen
    epochs = [[images for number, images in whole if number == epoch][-3:] for epoch in range(3)]
    again = [[images for number, images in rest if number == epoch][-3:] for epoch in (1, 2)]
    for expected, found in zip(epochs[1:], again, strict=True):
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b)
    assert (epochs[0][0] != epochs[1][0]).any()


def test_the_rest_of_an_epoch_is_asked_for_by_numbers(flipped):
    np.testing.assert_array_equal(collect(flips(initial_epoch=2).skip(1)), flipped[2][8:])


@pytest.mark.compiling
def test_what_was_saved_and_loaded_is_augmented_alike(tmp_path, flipped):
    """Before the pipeline; after it, what is saved is one epoch."""
    slices(IMAGES).save(str(tmp_path / "plain"))
    loaded = tf.data.Dataset.load(str(tmp_path / "plain"))
    np.testing.assert_array_equal(collect(flips(loaded)), flipped[0])
    flips().save(str(tmp_path / "augmented"))
    loaded = tf.data.Dataset.load(str(tmp_path / "augmented"))
    for _ in range(2):
        np.testing.assert_array_equal(collect(loaded), flipped[0])


@pytest.mark.parametrize("initial_epoch", [-1, 1.5, True, "2", 2**30])
def test_epochs_that_are_none_are_refused(initial_epoch):
    with pytest.raises(ValueError, match=r"`initial_epoch` is .* Received: initial_epoch="):
        flips(initial_epoch=initial_epoch)


@pytest.mark.parametrize("given", [-3, 2**30, 1.5, True, None, "a", float("inf")])
def test_a_function_that_gives_no_epoch_is_an_error(given):
    told = rf"2\*\*30 - 1. Received from it: {given!r}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=told):
        collect(flips(initial_epoch=lambda: given))


@pytest.mark.compiling
def test_epochs_may_be_numbers_of_other_libraries(flipped):
    """One data set is told of them in turn."""
    numbers = [np.int64(2), np.float32(1), tf.constant(0), tf.Variable(2)]
    given = iter(numbers)
    dataset = flips(initial_epoch=lambda: next(given))
    for number in numbers:
        np.testing.assert_array_equal(collect(dataset), flipped[int(number)])
    assert next(given, None) is None


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("engine", value) for value in (3, ["xla"], "tf", True)),
        *(("service", value) for value in (3, "", "localhost:5000")),
        *(("num_parallel_calls", value) for value in (0, -2, 2.5, "a", True)),
    ],
)
def test_arguments_that_say_no_place_are_refused(argument, value):
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=4)
    with pytest.raises(ValueError, match=rf"`{argument}` is .*Received: {argument}="):
        pipeline.augment(slices(IMAGES).batch(8), **{argument: value})


def test_ragged_boxes_beside_ragged_images_are_refused():
    boxes = tf.ragged.constant([[[1.0, 1, 2, 2]], [[1.0, 1, 2, 2], [1, 1, 3, 3]]], ragged_rank=1)
    images = tf.RaggedTensor.from_tensor(IMAGES[:2], ragged_rank=2)
    element = {"images": images, "bounding_boxes": {"boxes": boxes}}
    pipeline = kt.augment.Pipeline([kt.augment.Resize(4, 4)], bounding_box_format="xyxy")
    with pytest.raises(ValueError, match=r"are ragged themselves.*to_tensor"):
        pipeline.augment(tf.data.Dataset.from_tensors(element))


@pytest.mark.compiling
def test_shapes_dtypes_and_length_are_kept():
    dataset = slices(IMAGES).batch(5, drop_remainder=True)
    out = make_pipeline().augment(dataset)
    assert out.element_spec == dataset.element_spec
    assert len(out) == len(dataset) == 4
    out = make_pipeline(output_dtype="float16").augment(slices(IMAGES).batch(5))
    assert out.element_spec == tf.TensorSpec((None, 12, 9, 3), tf.float16)
    assert len(out) == 5


@pytest.mark.compiling
def test_labels_and_weights_pass_through(flipped):
    labels, weights = np.arange(23, dtype="int64"), np.linspace(0, 1, 23, dtype="float64")
    parts = list(flips(slices(IMAGES, labels, weights)))
    for index, array in enumerate((flipped[0], labels, weights)):
        out = np.concatenate([part[index].numpy() for part in parts])
        assert out.dtype == array.dtype
        np.testing.assert_array_equal(out, array)


@pytest.mark.compiling
def test_dictionaries_are_served(flipped):
    parts = list(flips(slices({"images": IMAGES, "labels": np.arange(23)})))
    np.testing.assert_array_equal(np.concatenate([p["images"].numpy() for p in parts]), flipped[0])
    assert np.concatenate([p["labels"].numpy() for p in parts]).tolist() == list(range(23))


@pytest.mark.compiling
def test_what_lies_on_the_images_moves_as_in_the_layer(to_numpy):
    random = np.random.default_rng(1)
    corners = random.uniform(0, 4, (23, 5, 2)).astype("float32")
    element = {
        "images": IMAGES,
        "segmentation_masks": random.integers(0, 9, (23, 12, 9)).astype("int32"),
        "keypoints": random.uniform(0, 8, (23, 3, 2)).astype("float32"),
        "bounding_boxes": {
            "boxes": np.concatenate([corners, corners + 4], axis=-1),
            "labels": random.integers(-1, 3, (23, 5)),
        },
    }
    arguments = {"bounding_box_format": "xyxy", "minimum_visibility": 0.4}
    layer = make_pipeline(**arguments)(element, training=True)
    parts = list(make_pipeline(**arguments).augment(slices(element).batch(4)))
    assert parts[0]["segmentation_masks"].dtype == tf.int32
    for key in ("segmentation_masks", "keypoints"):
        out = np.concatenate([part[key].numpy() for part in parts])
        np.testing.assert_allclose(out, to_numpy(layer[key]), atol=1e-3)
    for key in ("boxes", "labels"):
        out = np.concatenate([part["bounding_boxes"][key].numpy() for part in parts])
        np.testing.assert_allclose(out, to_numpy(layer["bounding_boxes"][key]), atol=1e-3)


@pytest.mark.compiling
def test_a_model_fits_on_it():
    labels = np.arange(23) % 2
    dataset = make_pipeline(output_dtype="float32").augment(slices(IMAGES, labels).batch(8))
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    history = model.fit(dataset, epochs=2, verbose=0, shuffle=False)
    assert len(history.history["loss"]) == 2


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ({"images": IMAGES, "points": IMAGES[:, 0, :2, 0]}, "'points' is unknown"),
        ({"images": IMAGES, "keypoints": IMAGES[:, 0, :2, 0]}, r"keypoints have the shape"),
        ({"images": IMAGES, "bounding_boxes": {"boxes": IMAGES[:, :4, :4, 0]}}, "written"),
        ((IMAGES, IMAGES[..., :1]), "pixel by pixel"),
        ((IMAGES, IMAGES[:, 0, 0, 0], IMAGES[:, 0, 0, 0], IMAGES), "a tuple of 4 entries"),
        (IMAGES[..., 0, 0], r"Received: shape=\(None, 12\)"),
        (IMAGES > 3, "integer or floating-point dtype"),
    ],
)
def test_elements_that_cannot_be_served_are_refused(element, message):
    with pytest.raises(ValueError, match=message):
        make_pipeline().augment(tf.data.Dataset.from_tensor_slices(element).batch(4))


def test_images_of_unknown_rank_are_refused():
    spec = tf.TensorSpec(None, tf.uint8)
    dataset = tf.data.Dataset.from_generator(lambda: iter(IMAGES), output_signature=spec)
    with pytest.raises(ValueError, match="of unknown rank"):
        make_pipeline().augment(dataset)


def ragged():
    """Images of five sizes, with masks and labels."""
    random = np.random.default_rng(0)
    sizes = (20, 31), (25, 40), (8, 30), (16, 16), (9, 9)
    images = [random.integers(0, 256, (*size, 3)).astype("uint8") for size in sizes]
    masks = [image[..., 0].astype("int32") for image in images]

    def elements():
        for image, mask, label in zip(images, masks, np.eye(5, dtype="float32"), strict=True):
            yield {"images": image, "segmentation_masks": mask, "labels": label}

    spec = {
        "images": tf.TensorSpec((None, None, 3), tf.uint8),
        "segmentation_masks": tf.TensorSpec((None, None), tf.int32),
        "labels": tf.TensorSpec((5,), tf.float32),
    }
    return tf.data.Dataset.from_generator(elements, output_signature=spec)


@pytest.mark.compiling
@pytest.mark.parametrize(
    "mix",
    [
        pytest.param([], id="plain", marks=pytest.mark.slow),
        pytest.param([kt.augment.CutMix()], id="mixed"),
    ],
)
def test_ragged_batches_become_dense_ones(mix):
    transforms = [kt.augment.Resize(12, 10), kt.augment.RandomFlip(), *mix]
    out = kt.augment.Pipeline(transforms, seed=0).augment(ragged().ragged_batch(2))
    assert out.element_spec["images"].shape == (None, 12, 10, 3)
    single = kt.augment.Pipeline(transforms, seed=0).augment(ragged()).batch(2)
    for batch, expected in zip(out, single, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, batch, expected)


def test_ragged_batches_must_come_to_one_size():
    with pytest.raises(ValueError, match=r"put `Resize`.*Received images of shape"):
        make_pipeline().augment(ragged().ragged_batch(2))


def test_what_is_no_data_set_is_refused():
    with pytest.raises(TypeError, match=r"takes a `tf.data.Dataset`.*Received: ndarray"):
        make_pipeline().augment(IMAGES)
