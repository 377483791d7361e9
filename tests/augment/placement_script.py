"""Run by test_placement.py, some cases a process: `python placement_script.py CASE ...`."""

import itertools
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerastricks as kt

A = kt.augment
random = np.random.default_rng(0)
IMAGES = random.integers(0, 256, (22, 12, 9, 3)).astype("uint8")
LABELS = np.eye(4, dtype="float32")[np.arange(22) % 4]
TRANSFORMS = [A.RandomRotation(20), A.MixUp(0.5), A.RandomBrightness(0.2)]
FLIP = [A.RandomFlip()]
DEVICE, HOST = {"device": "CPU:1"}, {"engine": "xla"}


def batches(*more):
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS, *more)).batch(8)


def augmented(transforms=TRANSFORMS, data=None, **place):
    """On the host, where no place is given, compiled by the same compiler."""
    pipeline = A.Pipeline(transforms, seed=0, bounding_box_format="xyxy")
    place = place if {"device", "service"} & set(place) else {**HOST, **place}
    return pipeline.augment(batches() if data is None else data, **place)


def assert_same(a, b, tolerance=0.0):
    def close(x, y):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x.numpy(), y.numpy(), atol=tolerance)

    elements = list(zip(a, b, strict=True))
    assert elements
    for x, y in elements:
        tf.nest.map_structure(close, x, y)


@contextmanager
def nothing_compiles():
    """The test counts what the compiler logs between these lines."""
    print("nothing compiles", file=sys.stderr, flush=True)
    yield
    print("may compile", file=sys.stderr, flush=True)


def device():
    host, there = augmented(), augmented(**DEVICE)
    assert there.element_spec == host.element_spec
    assert_same(host, there)
    expected = list(host)
    with nothing_compiles():
        found = list(there)
    assert_same(expected, found)

    def more(data):
        return data.map(lambda images, labels: (images, 2 * labels)).take(1).repeat(2).prefetch(3)

    assert next(iter(more(there)))[1].device.endswith("CPU:1")
    assert_same(more(augmented().skip(0)), more(augmented(**DEVICE).skip(0)))


def bus():
    """The device asks the host for one thing: a batch of bytes, and what goes with it."""
    there = augmented(**DEVICE)
    images, _ = next(iter(there))
    assert images.device.endswith("CPU:1")
    operations = there._placed.functions[1].graph.get_operations()
    (crossing,) = (each for each in operations if each.type == "RemoteCall")
    assert not {each.type for each in operations} & {"PyFunc", "EagerPyFunc", "IteratorGetNext"}
    crossed = tf.nest.flatten(next(iter(there._elements)))
    assert [each.dtype for each in crossing.outputs] == [each.dtype for each in crossed]
    # A mix is led by one sample more. Epoch and position are four bytes each.
    one = IMAGES[0].nbytes + LABELS[0].nbytes
    assert sum(each.numpy().nbytes for each in crossed) == 9 * one + 8


def overlap():
    """While step n runs, batch n + 1 is augmented, and no more than wait on the device."""
    from kerastricks.augment.placement.generator import AHEAD

    begun = [threading.Event() for _ in range(11)]

    def note(images):
        begun[int(images[0, 0, 0, 0])].set()
        return images

    def noted(images):
        return tf.ensure_shape(tf.py_function(note, [images], tf.uint8), images.shape)

    numbers = np.arange(11, dtype="uint8").repeat(2)[:, None, None, None]
    data = tf.data.Dataset.from_tensor_slices(numbers.repeat(4, 1).repeat(4, 2)).batch(2)
    there = augmented(FLIP, data, **DEVICE).map(noted)
    for step, _ in enumerate(there):
        assert step == 10 or begun[step + 1].wait(60)
        if step == 0:
            time.sleep(0.5)  # for whoever runs too far ahead
            assert sum(each.is_set() for each in begun) <= 2 + AHEAD


def data_sets():
    """Length, weights, order, repetition."""
    weights = np.linspace(0, 1, 22, dtype="float32")

    def same(data):
        return data

    def both(after, before=same):
        data = batches(weights)
        return [after(augmented(FLIP, before(data), **place)) for place in (HOST, DEVICE)]

    host, there = both(same)
    assert len(there) == len(host) == 3
    assert [len(images) for images, *_ in there] == [8, 8, 6]
    assert len(there.repeat(2)) == 6
    assert_same(*both(lambda data: data.repeat(2)))
    assert_same(*both(lambda data: data.shuffle(3, seed=1)))
    assert_same(*both(same, lambda data: data.shuffle(3, seed=1)))
    for endless in (*both(lambda data: data.repeat()), *both(same, lambda data: data.repeat())):
        assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
        assert len(list(itertools.islice(endless, 5))) == 5
    unknown = augmented(FLIP, batches().filter(lambda *_: True), **DEVICE)
    assert unknown.cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert len(list(unknown)) == 3


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
    assert_same(augmented(TRANSFORMS[:1], data), augmented(TRANSFORMS[:1], data, **DEVICE), 1e-4)


def model():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(4, activation="softmax")]
    )


def histories(arguments, **fit_arguments):
    for place in (HOST, DEVICE):
        net = model()
        net.compile("sgd", "categorical_crossentropy", **arguments)
        data = augmented(data=batches(np.linspace(0, 1, 22, dtype="float32")), **place)
        if "class_weight" in fit_arguments:
            data = augmented(**place)
        validation = augmented(TRANSFORMS[:1], **place)
        fitted = net.fit(data, epochs=2, verbose=0, validation_data=validation, **fit_arguments)
        yield [*fitted.history["loss"], *fitted.history["val_loss"]]


def fit():
    """With class weights, or samples', and several steps in one execution."""
    together = {"steps_per_execution": 2}
    weights = {0: 1.0, 1: 2.0, 2: 0.5, 3: 1.0}
    np.testing.assert_allclose(*histories(together, class_weight=weights), rtol=1e-4)
    np.testing.assert_allclose(*histories({}), rtol=1e-4)


def replicas():
    def history(place):
        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            net = model()
            net.compile("sgd", "categorical_crossentropy")
        return net.fit(augmented(**place), epochs=2, verbose=0).history["loss"]

    np.testing.assert_allclose(history(DEVICE), history(HOST), rtol=1e-4)


def missing():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            there = augmented(device="GPU:7")
    (warning,) = [each for each in told if "GPU:7" in str(each.message)]
    assert "the host augments" in str(warning.message)
    assert warning.filename == __file__  # where the pipeline was put there
    host = A.Pipeline(TRANSFORMS, seed=0).augment(batches())
    assert_same(host, there)
    with pytest.raises(ValueError, match='is a name such as "GPU:0"'):
        augmented(device="the moon")


def resumed(transforms, **place):
    """By numbers, in every place: with an epoch, in its middle, or asked for the epoch."""
    plain = augmented(transforms)
    epochs = [list(plain) for _ in range(4)]
    later = augmented(transforms, initial_epoch=1, **place)
    assert_same(later.skip(1), epochs[1][1:])
    assert_same(later, epochs[2])
    now = 3
    asked = augmented(transforms, initial_epoch=lambda: now, **place)
    assert_same(asked, epochs[3])
    now = 1
    assert_same(asked, epochs[1])
    return epochs


def restored(transforms, epochs, **place):
    """By an iterator's checkpoint."""
    first = augmented(transforms, initial_epoch=1, **place)
    iterator = iter(first)
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(tempfile.mkdtemp() + "/at")
    again = augmented(transforms, **place)
    iterator = iter(again)
    tf.train.Checkpoint(iterator=iterator).restore(path).assert_consumed()
    assert_same(iterator, epochs[1][1:])
    assert_same(again, epochs[2])


def resume():
    epochs = resumed(TRANSFORMS, **DEVICE)
    # An iterator on a device cannot be saved: that is said, and nothing is saved in its stead.
    with pytest.raises(tf.errors.UnimplementedError, match="does not support checkpointing"):
        restored(TRANSFORMS, epochs, **DEVICE)


class Service:
    """A dispatcher and workers, which run as long as it is there."""

    def __init__(self, workers=2, **config):
        service = tf.data.experimental.service
        self.dispatcher = service.DispatchServer(service.DispatcherConfig(**config))
        self.workers = []
        self.place = {"service": self.dispatcher.target}
        for _ in range(workers):
            self.join()

    @property
    def address(self):
        return self.dispatcher.target.partition("://")[2]

    def join(self):
        service = tf.data.experimental.service
        self.workers.append(service.WorkerServer(service.WorkerConfig(self.address)))


def service():
    running = Service()
    place = running.place
    host, there = augmented(), augmented(**place)
    assert there.element_spec == host.element_spec
    assert len(there) == len(host)
    for _ in running.workers:  # an epoch has three batches: each worker meets the last one's shape
        assert_same(host, there)
    with nothing_compiles():
        found = [list(there) for _ in range(2)]
    for each in found:
        assert_same(host, each)
    shuffled = tf.data.Dataset.range(22).shuffle(22).map(lambda _: tf.zeros((4, 4, 3), tf.uint8))
    with pytest.raises(ValueError, match="its order must be the same"):
        augmented(TRANSFORMS[:1], shuffled, **place)


def service_resume():
    running = Service()
    mix = [A.RandomFlip(), A.MixUp(0.5)]
    restored(mix, resumed(mix, **running.place), **running.place)


def service_data_sets():
    """An order that is fixed, unknown and infinite lengths, one worker more, iterations left."""
    running = Service()
    few = batches().shuffle(3, seed=1, reshuffle_each_iteration=False).filter(lambda *_: True)
    host, there = augmented(FLIP, few), augmented(FLIP, few, **running.place)
    assert there.cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert_same(host, there)
    running.join()
    for _ in range(3):
        assert_same(host, there)
    assert_same(host.take(1), there.take(1))
    assert_same(host, there)
    pairs = zip(*(augmented(FLIP, few, **p) for p in (running.place, HOST)), strict=True)
    assert_same(*zip(*itertools.islice(pairs, 2), strict=True))
    endless = augmented(FLIP, batches().repeat(), **running.place)
    assert_same(augmented(FLIP, batches().repeat()).take(7), endless.take(7))


def service_loss():
    """A worker dies: that is an error within the limit. When it is there again, all goes on."""
    from kerastricks.augment.placement import reader

    running = Service(workers=1)
    with socket.create_server(("localhost", 0)) as free:
        port = str(free.getsockname()[1])
    code = (
        "import sys, tensorflow as tf; s = tf.data.experimental.service; input(); "
        "w = s.WorkerServer(s.WorkerConfig(sys.argv[1], port=int(sys.argv[2]))); "
        "print(flush=True); w.join()"
    )
    command = [sys.executable, "-c", code, running.address, port]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # Both are begun here: the longer a worker is away, the more seconds until it is asked again.
    waiting = [subprocess.Popen(command, **pipes) for _ in range(2)]

    @contextmanager
    def other_worker():
        with waiting.pop() as other:
            other.stdin.write(b"\n")
            other.stdin.flush()
            other.stdout.readline()
            try:
                yield
            finally:
                other.kill()

    data = batches().repeat(100)
    there = augmented(FLIP, data, **running.place)
    with other_worker():
        iterator = iter(there)
        for _ in range(4):
            next(iterator)
    reader.PATIENCE = 1.0
    iterator = iter(there)
    with pytest.raises(tf.errors.UnknownError, match=r"Element \d+ of epoch 1 did not come"):
        list(iterator)
    reader.PATIENCE = 60.0
    host = augmented(FLIP, data, initial_epoch=2)
    with other_worker():
        assert_same(host.take(5), there.take(5))


CASES = (
    *(device, bus, overlap, data_sets, targets, fit, replicas, missing, resume),
    *(service, service_resume, service_data_sets, service_loss),
)

if __name__ == "__main__":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    for name in sys.argv[1:]:
        start = time.process_time()
        {each.__name__: each for each in CASES}[name]()
        took = time.process_time() - start
        print(f"{name}: as on the host, in {took:.1f} s", flush=True)
    if name.startswith("service"):
        # A server's threads may be at anything: some of them abort a process whose Python ends.
        os._exit(0)
