"""A watched run is the run without it: any model, any way to compile and to feed it."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from kerastricks.callbacks import TrainingDoctor

BACKEND = keras.backend.backend()
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow facility")
# Elsewhere there is one way to compile these; on TensorFlow XLA takes long over them.
JIT = [False, pytest.param(True, marks=pytest.mark.slow)] if BACKEND == "tensorflow" else ["auto"]


def sequential():
    return keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(16, activation="tanh"),
            layers.Dense(5),
            layers.Activation("softmax"),
        ]
    )


def deferred():
    """Not built before `fit`."""
    flatten, hidden = layers.Flatten(), layers.Dense(6, activation="relu")
    return keras.Sequential([flatten, hidden, layers.Dense(5, activation="softmax")])


class Subclassed(keras.Model):
    """Shares a nested model, and is not built before `fit`."""

    def __init__(self):
        super().__init__()
        self.flatten = layers.Flatten()
        self.first = layers.Dense(16, activation="relu")
        self.block = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(16)])
        self.head = layers.Dense(5, activation="softmax")

    def call(self, x, training=None):
        x = self.first(self.flatten(x))
        return self.head(self.block(x + self.block(x)))


def recurrent():
    inputs = layers.Input((8, 8, 3))
    x = layers.Reshape((4, 48))(inputs)
    x = layers.TimeDistributed(layers.Dense(7, activation="relu"))(x)
    x = layers.Bidirectional(layers.GRU(4))(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def residual():
    inputs = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = layers.add([x, layers.SeparableConv2D(4, 3, padding="same")(x)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def attention():
    inputs = layers.Input((8, 8, 3))
    x = layers.Dense(8)(layers.Reshape((64, 3))(inputs))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


@pytest.fixture
def assert_same_run(trained):
    def assert_same_run(build, **arguments):
        doctor = TrainingDoctor(verbose=0, every=2)
        plain, history = trained(build, **arguments)
        watched, watched_history = trained(build, doctor, **arguments)
        assert list(history) == list(watched_history)
        for name, values in history.items():
            np.testing.assert_allclose(watched_history[name], values, rtol=1e-5, atol=1e-6)
        for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert doctor.report.timeline.moments
        return watched, doctor

    return assert_same_run


@pytest.mark.compiling
@pytest.mark.parametrize(
    "build", [sequential, deferred, Subclassed, recurrent, residual, attention]
)
@pytest.mark.parametrize("jit", JIT)
def test_a_watched_run_is_the_run_without_it(build, jit, assert_clean, assert_same_run):
    model, _ = assert_same_run(
        build, compile_arguments={"jit_compile": jit}, fit_arguments={"validation_split": 0.1}
    )
    assert_clean(model)


@tensorflow_only
def test_without_xla_the_runs_are_equal_to_the_last_bit(trained):
    doctor = TrainingDoctor(verbose=0, every=1)
    plain, history = trained(sequential, compile_arguments={"jit_compile": False})
    watched, same = trained(sequential, doctor, compile_arguments={"jit_compile": False})
    assert history == same
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.compiling
@pytest.mark.parametrize(
    "compile_arguments",
    [
        {"jit_compile": True},
        {"run_eagerly": True},
        {"steps_per_execution": 2},
        {"optimizer": keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)},
        {"optimizer": keras.optimizers.Adam(loss_scale_factor=64.0)},
    ],
    ids=["jit", "eager", "steps_per_execution", "accumulation", "loss_scale"],
)
def test_ways_to_compile(compile_arguments, assert_same_run):
    if BACKEND == "torch" and {"jit_compile", "steps_per_execution"} & set(compile_arguments):
        pytest.skip("Keras refuses several steps at once on torch; torch.compile takes minutes")
    optimizer = compile_arguments.get("optimizer")
    if optimizer is None:
        assert_same_run(deferred, compile_arguments=compile_arguments)
        return
    config = keras.optimizers.serialize(optimizer)

    class Fresh(dict):
        """A compile argument that is made anew for each run."""

        def __getitem__(self, name):
            return keras.optimizers.deserialize(config)

        def keys(self):
            return ["optimizer"]

    assert_same_run(deferred, compile_arguments=Fresh())


@pytest.mark.compiling
def test_inputs_as_datasets_generators_and_with_class_weight(images, labels):
    def batches():
        while True:
            for start in range(0, 64, 32):
                yield images[start : start + 32], labels[start : start + 32]

    doctor = TrainingDoctor(verbose=0)
    keras.utils.set_random_seed(0)
    model = deferred()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(batches(), steps_per_epoch=2, epochs=2, shuffle=False, verbose=0, callbacks=[doctor])
    assert len(doctor.report.timeline.moments) == 4
    model.fit(images, labels, class_weight={0: 2.0}, verbose=0, callbacks=[doctor])
    assert len(doctor.report.timeline.moments) == 3


@pytest.mark.compiling
def test_a_shared_layer_is_seen_over_all_its_calls(listening, trained):
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
    trained(Subclassed, doctor, fit_arguments={"epochs": 1, "batch_size": 35})
    samples = {layer.path.split("/")[-1]: layer.samples for layer in spy.seen[0].layers}
    assert sorted(samples.values()) == [35, 35, 70, 70]


@pytest.mark.compiling
def test_files_saved_in_mid_training_are_those_of_an_unwatched_run(tmp_path, images, trained):
    def contents(name, *callbacks):
        path = tmp_path / f"{name}.keras"
        checkpoint = keras.callbacks.ModelCheckpoint(str(path), save_freq=2)
        trained(sequential, *callbacks, checkpoint)
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            return path, archive.namelist(), json.dumps(config).count("kerastricks")

    plain, names, _ = contents("plain")
    watched, same, mentions = contents("watched", TrainingDoctor(verbose=0))
    assert names == same
    assert mentions == 0
    a, b = (keras.models.load_model(path) for path in (plain, watched))
    assert len(a.weights) == len(b.weights)
    np.testing.assert_allclose(
        a.predict(images, verbose=0), b.predict(images, verbose=0), atol=1e-5
    )


@pytest.mark.compiling
def test_what_runs_inside_a_loop_is_named(trained):
    doctor = TrainingDoctor(verbose=0)
    trained(recurrent, doctor)
    unobserved = doctor.report.unobserved
    assert any("time_distributed" in path for path in unobserved)
    assert any("gru" in path for path in unobserved)


@pytest.mark.skipif(
    BACKEND == "tensorflow",
    reason="Keras' remat raises on TensorFlow when a layer is called with training=",
)
def test_what_is_recomputed_in_the_backward_pass_is_named_and_left_alone(trained, assert_same_run):
    def build():
        with keras.RematScope(mode="full"):
            recomputed = layers.Dense(8, activation="relu", name="recomputed")
        head = layers.Dense(5, activation="softmax")
        return keras.Sequential([layers.Flatten(), layers.Dense(16), recomputed, head])

    doctor = TrainingDoctor(verbose=0)
    trained(build, doctor)
    (path,) = (path for path in doctor.report.unobserved if "recomputed" in path)
    assert doctor.report.unobserved[path] == "is recomputed in the backward pass"
    seen = {path for moment in doctor.report.timeline.moments for path in moment.scale}
    assert len(seen) == 2
    assert path not in seen
    assert_same_run(build)


@pytest.mark.compiling
def test_data_of_a_single_batch_are_observed_once_an_epoch(trained, images, labels, assert_clean):
    model = sequential()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    doctor = TrainingDoctor(verbose=0)
    model.fit(images[:3], labels[:3], batch_size=32, epochs=1, verbose=0, callbacks=[doctor])
    assert [moment.step for moment in doctor.report.timeline.moments] == [0]
    assert_clean(model)
    model.fit(images[:1], labels[:1], batch_size=1, epochs=3, verbose=0, callbacks=[doctor])
    assert [moment.step for moment in doctor.report.timeline.moments] == [0, 1, 2]
    assert_clean(model)


MIRRORED = """
import sys
import warnings
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np
import kerastricks as kt
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
doctor = kt.callbacks.TrainingDoctor(verbose=0, every=1)
seen, tell = [], doctor.observe
doctor.observe = lambda observation: (seen.append(observation), tell(observation))
with strategy.scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu"),
                              keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
before = model.get_weights()[0]
model.fit(x, x[:, :2], batch_size=32, verbose=0, shuffle=False, callbacks=[doctor])
print([layer.samples for layer in seen[0].layers], len(seen), dict(doctor.report.unobserved))
active = (x[:32] @ before > 0).mean(axis=0)
print(bool(np.allclose(seen[0].layers[0].active, active)))
"""


@pytest.mark.compiling
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length_is_observed_in_every_epoch(images, labels, assert_clean):
    tf = pytest.importorskip("tensorflow")
    dataset = (
        tf.data.Dataset.from_tensor_slices((images, labels)).batch(32).filter(lambda x, y: True)
    )
    keras.utils.set_random_seed(0)
    model = deferred()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    doctor = TrainingDoctor(verbose=0, every=1)
    model.fit(dataset, epochs=3, shuffle=False, verbose=0, callbacks=[doctor])
    assert [moment.step for moment in doctor.report.timeline.moments] == list(range(9))
    assert_clean(model)


@tensorflow_only
@pytest.mark.slow
def test_replicas_of_a_mirrored_strategy_add_up():
    run = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True)
    assert run.stdout.splitlines() == ["[32, 32] 2 {}", "True"], run.stderr[-2000:]
