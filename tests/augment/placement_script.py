"""Run by test_placement.py, a case a process: `python placement_script.py CASE`."""

import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerastricks as kt

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
A = kt.augment
random = np.random.default_rng(0)
IMAGES = random.integers(0, 256, (22, 12, 9, 3)).astype("uint8")
LABELS = np.eye(4, dtype="float32")[np.arange(22) % 4]
TRANSFORMS = [A.RandomRotation(20), A.MixUp(0.5), A.RandomBrightness(0.2)]


def batches(*more):
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS, *more)).batch(8)


def augmented(transforms=TRANSFORMS, data=None, **place):
    pipeline = A.Pipeline(transforms, seed=0, bounding_box_format="xyxy")
    return pipeline.augment(batches() if data is None else data, **place)


def assert_same(a, b, tolerance=0.0):
    def close(x, y):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x.numpy(), y.numpy(), atol=tolerance)

    elements = list(zip(a, b, strict=True))
    assert elements
    for x, y in elements:
        tf.nest.map_structure(close, x, y)


def device():
    host, there = augmented(engine="xla"), augmented(device="CPU:1")
    assert there.element_spec == host.element_spec
    for _ in range(2):
        assert_same(host, there)

    def more(data):
        return data.map(lambda images, labels: (images, 2 * labels)).take(1).repeat(2).prefetch(3)

    there = more(there)
    assert next(iter(there))[1].device.endswith("CPU:1")
    assert_same(more(augmented(engine="xla").skip(0)), more(augmented(device="CPU:1").skip(0)))


def targets():
    element = {
        "images": IMAGES,
        "labels": np.arange(22),
        "segmentation_masks": IMAGES[..., 0].astype("int32"),
        "keypoints": random.uniform(0, 9, (22, 2, 2)).astype("float32"),
        "bounding_boxes": {
            "boxes": np.tile(np.float32([[1, 1, 6, 6]]), (22, 1, 1)),
            "labels": np.ones((22, 1), "int64"),
        },
    }
    data = tf.data.Dataset.from_tensor_slices(element).batch(8)
    there = augmented(TRANSFORMS[:1], data, device="CPU:1")
    assert_same(augmented(TRANSFORMS[:1], data, engine="xla"), there, 1e-4)


def model():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(4, activation="softmax")]
    )


def histories(compile_arguments=None, **fit_arguments):
    for place in ({"engine": "xla"}, {"device": "CPU:1"}):
        net = model()
        net.compile("sgd", "categorical_crossentropy", **(compile_arguments or {}))
        yield net.fit(augmented(**place), epochs=2, verbose=0, **fit_arguments).history["loss"]


def fit():
    weights = {0: 1.0, 1: 2.0, 2: 0.5, 3: 1.0}
    together = {"steps_per_execution": 2}
    np.testing.assert_allclose(*histories(together, class_weight=weights), rtol=1e-4)


def replicas():
    def history(place):
        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            net = model()
            net.compile("sgd", "categorical_crossentropy")
        return net.fit(augmented(**place), epochs=2, verbose=0).history["loss"]

    np.testing.assert_allclose(history({"device": "CPU:1"}), history({"engine": "xla"}), rtol=1e-4)


def missing():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            there = augmented(device="GPU:7")
    (warning,) = [each for each in told if "GPU:7" in str(each.message)]
    assert "the host augments" in str(warning.message)
    assert warning.filename == __file__  # where the pipeline was put there
    assert_same(augmented(), there)
    with pytest.raises(ValueError, match='is a name such as "GPU:0"'):
        augmented(device="the moon")


def service():
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.partition("://")[2]
    workers = [service.WorkerServer(service.WorkerConfig(address)) for _ in range(2)]
    host, there = augmented(engine="xla"), augmented(service=dispatcher.target)
    assert there.element_spec == host.element_spec
    assert len(there) == len(host)
    for _ in range(2):
        assert_same(host, there)
    assert len(workers) == 2
    shuffled = tf.data.Dataset.range(22).shuffle(22).map(lambda _: tf.zeros((4, 4, 3), tf.uint8))
    with pytest.raises(ValueError, match="its order must be the same"):
        augmented(TRANSFORMS[:1], shuffled, service=dispatcher.target)
    fixed = batches().shuffle(3, seed=1, reshuffle_each_iteration=False)
    expected = augmented(data=fixed, engine="xla", initial_epoch=5)
    assert_same(expected, augmented(data=fixed, service=dispatcher.target, initial_epoch=5))


if __name__ == "__main__":
    {each.__name__: each for each in (device, targets, fit, replicas, missing, service)}[
        sys.argv[1]
    ]()
    print("as on the host")
