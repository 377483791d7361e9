"""The probe against closed forms, and what it must leave untouched."""

import json
import subprocess
import sys
import warnings
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt
from kerastricks.callbacks import DyingUnitMonitor, SaturationMonitor, TrainingDoctor

BACKEND = keras.backend.backend()
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow facility")
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(70, 8, 8, 3)).astype("float32")
Y = RANDOM.integers(0, 5, 70)


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
    x = layers.Reshape((8, 24))(inputs)
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


def trained(build, *callbacks, compile_arguments=None, fit_arguments=None, data=(X, Y)):
    keras.utils.set_random_seed(3)
    model = build()
    arguments = {
        "optimizer": "adam",
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        **(compile_arguments or {}),
    }
    model.compile(**arguments)
    fit = {"batch_size": 32, "epochs": 3, "verbose": 0, **(fit_arguments or {})}
    history = model.fit(*data, callbacks=list(callbacks), **fit)
    return model, history.history


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


@pytest.mark.parametrize(
    "build", [sequential, deferred, Subclassed, recurrent, residual, attention]
)
def test_a_watched_run_is_the_run_without_it(build):
    model, _ = assert_same_run(build, fit_arguments={"validation_split": 0.1})
    assert_clean(model)


@tensorflow_only
def test_without_xla_the_runs_are_equal_to_the_last_bit():
    doctor = TrainingDoctor(verbose=0, every=1)
    plain, history = trained(sequential, compile_arguments={"jit_compile": False})
    watched, same = trained(sequential, doctor, compile_arguments={"jit_compile": False})
    assert history == same
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


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
def test_ways_to_compile(compile_arguments):
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


def test_inputs_as_datasets_generators_and_with_class_weight():
    def batches():
        while True:
            for start in range(0, 64, 32):
                yield X[start : start + 32], Y[start : start + 32]

    doctor = TrainingDoctor(verbose=0)
    keras.utils.set_random_seed(0)
    model = deferred()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(batches(), steps_per_epoch=2, epochs=2, shuffle=False, verbose=0, callbacks=[doctor])
    assert len(doctor.report.timeline.moments) == 4
    model.fit(X, Y, class_weight={0: 2.0}, verbose=0, callbacks=[doctor])
    assert len(doctor.report.timeline.moments) == 3


class Spy:
    """Keep the observations that a monitor is told."""

    def __init__(self, monitor):
        self.seen = []
        tell = monitor.observe

        def observe(observation):
            self.seen.append(observation)
            tell(observation)

        monitor.observe = observe


def test_one_step_against_closed_forms():
    """A tanh layer and a linear head under plain SGD, by hand in float64."""
    x, y = RANDOM.normal(size=(16, 6)), RANDOM.normal(size=(16, 2))
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = Spy(doctor)
    keras.utils.set_random_seed(1)
    hidden = layers.Dense(5, activation="tanh", kernel_initializer="glorot_normal")
    model = keras.Sequential([layers.Input((6,)), hidden, layers.Dense(2)])
    w1, b1, w2, b2 = (w.astype("float64") for w in model.get_weights())
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, batch_size=16, epochs=1, verbose=0, callbacks=[doctor])

    h = np.tanh(x @ w1 + b1)
    error = h @ w2 + b2 - y
    d_out = 2 * error / error.size
    g2 = h.T @ d_out
    g1 = x.T @ ((d_out @ w2.T) * (1 - h**2))
    (seen,) = spy.seen
    assert seen.step == 0
    assert seen.loss == pytest.approx((error**2).mean(), rel=1e-5)
    first, head = seen.layers
    assert (first.head, head.head) == (False, True)
    assert (first.samples, first.units) == (16, 5)
    np.testing.assert_allclose(first.mean, h.mean(0), atol=1e-6)
    np.testing.assert_allclose(first.variance, h.var(0), rtol=1e-4)
    np.testing.assert_allclose(first.saturated, (abs(h) > np.sqrt(0.9)).mean(0))
    for kernel, w, g in zip(seen.kernels, (w1, w2), (g1, g2), strict=True):
        assert kernel.norm == pytest.approx(np.linalg.norm(w), rel=1e-5)
        assert kernel.gradient == pytest.approx(np.linalg.norm(g), rel=1e-4)
        assert kernel.update == pytest.approx(0.1 * np.linalg.norm(g), rel=1e-3)
        np.testing.assert_allclose(kernel.unit_gradient, np.linalg.norm(g, axis=0), rtol=1e-4)


def test_the_update_is_the_actual_one_after_clipping():
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = Spy(doctor)
    optimizer = keras.optimizers.SGD(0.5, global_clipnorm=1e-3)
    trained(deferred, doctor, compile_arguments={"optimizer": optimizer})
    for seen in spy.seen:
        total = np.sqrt(sum(weight.update**2 for weight in seen.weights))
        assert total == pytest.approx(0.5e-3, rel=1e-3)


def test_a_shared_layer_is_seen_over_all_its_calls():
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = Spy(doctor)
    trained(Subclassed, doctor, fit_arguments={"epochs": 1, "batch_size": 35})
    samples = {layer.path.split("/")[-1]: layer.samples for layer in spy.seen[0].layers}
    assert sorted(samples.values()) == [35, 35, 70, 70]


def test_mixed_precision_reports_unscaled_gradients():
    def norms(policy):
        keras.config.set_dtype_policy(policy)
        doctor = TrainingDoctor(verbose=0, every=1)
        spy = Spy(doctor)
        try:
            optimizer = keras.optimizers.SGD(0.1)
            if policy != "float32":
                # Small enough for float16, so that no step is skipped.
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=64.0)
            trained(
                deferred,
                doctor,
                compile_arguments={"optimizer": optimizer},
                fit_arguments={"epochs": 1},
            )
        finally:
            keras.config.set_dtype_policy("float32")
        return spy.seen[0]

    full, mixed = norms("float32"), norms("mixed_float16")
    assert mixed.loss_scaled
    assert not full.loss_scaled
    for a, b in zip(full.kernels, mixed.kernels, strict=True):
        assert b.gradient == pytest.approx(a.gradient, rel=0.02)


def assert_clean(model):
    """No trace of the doctor on the model."""
    assert [metric.name for metric in model.metrics] == ["loss", "compile_metrics"]
    patched = {"call", "compute_loss", "compute_metrics", "apply", "stateless_apply", "train_step"}
    for owner in (model, model.optimizer, *model._flatten_layers()):
        assert not (patched | {"make_train_function"}) & set(owner.__dict__)
    assert "Probe" not in repr(model.train_function)


def test_files_saved_in_mid_training_are_those_of_an_unwatched_run(tmp_path):
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
    np.testing.assert_allclose(a.predict(X, verbose=0), b.predict(X, verbose=0), atol=1e-5)


def test_callbacks_used_together_share_one_probe():
    callbacks = [
        TrainingDoctor(verbose=0),
        SaturationMonitor(verbose=0),
        DyingUnitMonitor(verbose=0),
    ]
    spies = [Spy(callback) for callback in callbacks]
    model, _ = trained(deferred, *callbacks)
    assert spies[0].seen == spies[1].seen == spies[2].seen
    assert_clean(model)


@pytest.mark.parametrize("kind", ["layer", "block"])
def test_a_layer_that_holds_another_is_seen_with_its_own_weights(kind):
    class Block(layers.Layer):
        """A kernel of its own, and an activation as a sub-layer."""

        def __init__(self):
            super().__init__()
            self.act = layers.Activation("sigmoid")

        def build(self, shape):
            self.w = self.add_weight(
                (shape[-1], 32), kt.initializers.ScaledNormal(0.03), name="kernel"
            )

        def call(self, x):
            return self.act(keras.ops.matmul(x, self.w))

    def hidden():
        if kind == "block":
            return Block()
        start = kt.initializers.ScaledNormal(0.03)
        return layers.Dense(32, layers.Activation("sigmoid"), kernel_initializer=start)

    doctor = TrainingDoctor(verbose=0, every=1)
    build = lambda: keras.Sequential(  # noqa: E731
        [layers.Flatten(), *(hidden() for _ in range(6)), layers.Dense(5)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained(build, doctor, compile_arguments={"loss": loss}, fit_arguments={"epochs": 5})
    conditions = {finding.condition for finding in doctor.report.findings}
    assert conditions == {"poor_initialization", "vanishing_gradients"}


def test_an_embeddings_gradient_counts_repeated_rows_together():
    tokens = RANDOM.integers(0, 5, (32, 20))
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = Spy(doctor)
    model = keras.Sequential([layers.Embedding(5, 8), layers.Flatten(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(tokens, Y[:32], verbose=0, callbacks=[doctor])
    table = next(kernel for kernel in spy.seen[0].kernels if "embedding" in kernel.layer)
    assert table.gradient == pytest.approx(table.update / 0.1, rel=1e-4)


@pytest.mark.skipif(BACKEND != "jax", reason="convolutions on this processor are channels-last")
def test_channels_first_is_read_along_the_channels():
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = Spy(doctor)
    first = layers.Conv2D(5, 3, data_format="channels_first")
    relu = [layers.BatchNormalization(axis=1), layers.ReLU()]
    model = keras.Sequential([layers.Input((3, 8, 12)), first, *relu, layers.Flatten()])
    model.compile("sgd", "mse")
    x = RANDOM.normal(size=(8, 3, 8, 12))
    model.fit(x, np.zeros((8, 300)), verbose=0, callbacks=[doctor])
    assert [layer.units for layer in spy.seen[0].layers] == [5, 5, 5]


@pytest.mark.skipif(BACKEND == "jax", reason="a train_step in JAX has another signature")
def test_a_train_step_with_a_loop_over_all_metrics():
    """As in Keras' guide to custom training steps."""

    class Own(keras.Sequential):
        def train_step(self, data):
            logs = super().train_step(data)
            for metric in self.metrics:
                logs[metric.name] = metric.result()
            return {"loss": logs["loss"]}

    doctor = TrainingDoctor(verbose=0)
    _, history = trained(lambda: Own([layers.Flatten(), layers.Dense(5)]), doctor)
    assert list(history) == ["loss"]
    assert doctor.report.timeline.moments


@tensorflow_only
def test_a_train_step_without_compute_loss_is_seen_as_far_as_it_can_be():
    import tensorflow as tf

    class Own(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                outputs = self(x, training=True)
                loss = tf.reduce_mean((outputs - tf.one_hot(y, 5)) ** 2)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    doctor = TrainingDoctor(verbose=0)
    zeros = layers.Dense(6, activation="tanh", kernel_initializer="zeros")
    trained(
        lambda: Own([layers.Flatten(), zeros, layers.Dense(5, kernel_initializer="zeros")]),
        doctor,
        compile_arguments={"metrics": None},
    )
    report = doctor.report
    assert report.unobserved == {"the loss": "train_step does not call compute_loss"}
    assert {finding.condition for finding in report.findings} == {"symmetric_units"}


def test_a_compute_loss_without_the_training_argument():
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return keras.ops.mean(keras.ops.square(y_pred))

    doctor = TrainingDoctor(verbose=0)
    trained(
        lambda: Own([layers.Flatten(), layers.Dense(5)]), doctor, compile_arguments={"metrics": []}
    )
    assert doctor.report.timeline.moments[0].loss > 0


def test_a_call_without_training_and_a_layer_that_is_never_called():
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.flatten, self.idle = layers.Flatten(), layers.Dense(3)
            self.hidden = layers.Dense(4, "tanh", kernel_initializer="ones")
            self.out = layers.Dense(5, "softmax", kernel_initializer="ones")

        def call(self, inputs):
            return self.out(self.hidden(self.flatten(inputs)))

        def build(self, input_shape):  # without `idle`, which nothing builds
            self.flatten.build(input_shape)
            self.hidden.build((None, 192))
            self.out.build((None, 4))

    doctor = TrainingDoctor(verbose=0)
    trained(Own, doctor)
    assert doctor.report.unobserved == {}
    assert "symmetric_units" in {finding.condition for finding in doctor.report.findings}


@pytest.mark.skipif(BACKEND == "jax", reason="JAX gives zeros to weights that are not used")
def test_weights_without_a_gradient_are_left_out():
    inputs = layers.Input((8, 8, 3))
    x = layers.Flatten()(inputs)
    unused = layers.Dense(4, kernel_initializer="zeros", name="unused")(x)
    model = keras.Model(inputs, [layers.Dense(5, name="used")(x), unused])
    model.compile("sgd", [keras.losses.SparseCategoricalCrossentropy(from_logits=True), None])
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = Spy(doctor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of the weights that get none
        model.fit(X, [Y, Y], verbose=0, callbacks=[doctor])
    moved = {w.layer.split("/")[-1] for w in spy.seen[0].weights if w.gradient > 0}
    assert moved == {"used"}
    assert "symmetric_units" not in {finding.condition for finding in doctor.report.findings}


def test_gates_and_heads_behind_operations_may_saturate():
    inputs = layers.Input((8, 8, 3))
    x = layers.Flatten()(inputs)
    gate = layers.Dense(4, activation="sigmoid", name="gate")(x)
    x = layers.Multiply()([layers.Dense(4, activation="tanh", name="signal")(x), gate])
    head = layers.Dense(1, activation="sigmoid", name="head")(x)
    model = keras.Model(inputs, keras.ops.squeeze(head, -1))
    model.compile("sgd", "mse")
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = Spy(doctor)
    model.fit(X, Y / 5, verbose=0, callbacks=[doctor])
    seen = {layer.path.split("/")[-1]: layer for layer in spy.seen[0].layers}
    assert seen["gate"].saturated is None
    assert seen["signal"].saturated is not None
    assert [name for name, layer in seen.items() if layer.head] == ["head"]


def test_a_fit_that_another_callback_broke_off_leaves_nothing_for_the_next():
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    keras.utils.set_random_seed(0)
    model = deferred()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    doctor = TrainingDoctor(verbose=0, every=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0, callbacks=[doctor, Interrupt()])
    model.fit(X, Y, verbose=0)
    assert len(doctor.report.timeline.moments) == 1
    assert_clean(model)


@pytest.mark.parametrize("where", ["train_begin", "step", "callback"])
def test_after_an_exception_the_model_can_be_fitted_again(where):
    class Interrupt(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            if where == "train_begin":
                raise KeyboardInterrupt

        def on_train_batch_end(self, batch, logs=None):
            if where == "callback" and batch == 1:
                raise KeyboardInterrupt

    def broken_batches():
        yield X[:32], Y[:32]
        raise RuntimeError("the data ran out")

    keras.utils.set_random_seed(0)
    model = deferred()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = (broken_batches(),) if where == "step" else (X, Y)
    interrupted = [TrainingDoctor(verbose=0), Interrupt()]
    error, message = (Exception, "ran out") if where == "step" else (KeyboardInterrupt, None)
    with pytest.raises(error, match=message):
        model.fit(*data, shuffle=False, verbose=0, callbacks=interrupted)
    doctor = TrainingDoctor(verbose=0, every=1)
    model.fit(X, Y, batch_size=32, epochs=2, verbose=0, callbacks=[doctor])
    assert len(doctor.report.timeline.moments) == 6
    assert_clean(model)


def test_a_compute_loss_of_the_models_own():
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.square(y_pred))

    doctor = TrainingDoctor(verbose=0)
    build = lambda: Own([layers.Flatten(), layers.Dense(5)])  # noqa: E731
    trained(build, doctor, compile_arguments={"metrics": []})
    assert doctor.report.timeline.moments[0].loss > 0


def test_what_runs_inside_a_loop_is_named():
    doctor = TrainingDoctor(verbose=0)
    trained(recurrent, doctor)
    unobserved = doctor.report.unobserved
    assert any("time_distributed" in path for path in unobserved)
    assert any("gru" in path for path in unobserved)


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


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length_is_observed_in_every_epoch():
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(32).filter(lambda x, y: True)
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


def test_a_rule_or_tap_that_fails_does_not_reach_the_training(monkeypatch):
    from kerastricks.diagnosis import statistics

    def fail(*arguments):
        raise RuntimeError("no statistics today")

    monkeypatch.setattr(statistics, "weight_vector", fail)
    doctor = TrainingDoctor(verbose=0)
    _, history = trained(deferred, doctor)
    assert np.isfinite(history["loss"]).all()
    assert "no statistics today" in " ".join(doctor.report.unobserved.values())
