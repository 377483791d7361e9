"""What the probe reads, against closed forms."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt
from kerastricks.callbacks import DyingUnitMonitor, SaturationMonitor, TrainingDoctor
from kerastricks.diagnosis import steps
from kerastricks.diagnosis.carrier import Carrier

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)


def deferred():
    """Not built before `fit`."""
    flatten, hidden = layers.Flatten(), layers.Dense(6, activation="relu")
    return keras.Sequential([flatten, hidden, layers.Dense(5, activation="softmax")])


def test_one_step_against_closed_forms(listening):
    """A tanh layer and a linear head under plain SGD, by hand in float64."""
    x, y = RANDOM.normal(size=(16, 6)), RANDOM.normal(size=(16, 2))
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
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


@pytest.mark.compiling
def test_the_update_is_the_actual_one_after_clipping(listening, trained):
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
    optimizer = keras.optimizers.SGD(0.5, global_clipnorm=1e-3)
    trained(deferred, doctor, compile_arguments={"optimizer": optimizer})
    for seen in spy.seen:
        total = np.sqrt(sum(weight.update**2 for weight in seen.weights))
        assert total == pytest.approx(0.5e-3, rel=1e-3)


@pytest.mark.compiling
def test_a_look_that_is_read_later_is_the_one_read_at_once(monkeypatch, listening, trained):
    """As on JAX, where steps are dispatched ahead; elsewhere it could be done as well."""
    take, kept = Carrier.take, []

    def noted(*arguments, keep):
        kept.append(keep)
        return take(*arguments, keep=keep)

    monkeypatch.setattr(Carrier, "take", noted)

    def looks(ahead):
        monkeypatch.setattr(steps, "dispatched_ahead", lambda: ahead)
        doctor = TrainingDoctor(verbose=0, every=1)
        spy = listening(doctor)
        trained(deferred, doctor, fit_arguments={"epochs": 40})
        return [
            (seen.step, seen.loss, [layer.mean for layer in seen.layers], seen.weights[0].update)
            for seen in spy.seen
        ]

    later = looks(ahead=True)
    assert any(kept)
    kept.clear()
    at_once = looks(ahead=False)
    assert not any(kept)
    assert len(later) == 120
    np.testing.assert_equal(later, at_once)


@pytest.mark.compiling
def test_mixed_precision_reports_unscaled_gradients(listening, trained):
    def norms(policy):
        keras.config.set_dtype_policy(policy)
        doctor = TrainingDoctor(verbose=0, every=1)
        spy = listening(doctor)
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


@pytest.mark.compiling
def test_callbacks_used_together_share_one_probe(listening, assert_clean, trained):
    callbacks = [
        TrainingDoctor(verbose=0),
        SaturationMonitor(verbose=0),
        DyingUnitMonitor(verbose=0),
    ]
    spies = [listening(callback) for callback in callbacks]
    model, _ = trained(deferred, *callbacks)
    assert spies[0].seen == spies[1].seen == spies[2].seen
    assert_clean(model)


@pytest.mark.compiling
@pytest.mark.parametrize("kind", ["layer", "block"])
def test_a_layer_that_holds_another_is_seen_with_its_own_weights(kind, trained):
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
    assert conditions == {"poor_initialization", "vanishing_gradients", "not_zero_centered"}


def test_an_embeddings_gradient_counts_repeated_rows_together(listening, labels):
    tokens = RANDOM.integers(0, 5, (32, 20))
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
    model = keras.Sequential([layers.Embedding(5, 8), layers.Flatten(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(tokens, labels[:32], verbose=0, callbacks=[doctor])
    table = next(kernel for kernel in spy.seen[0].kernels if "embedding" in kernel.layer)
    assert table.gradient == pytest.approx(table.update / 0.1, rel=1e-4)


@pytest.mark.skipif(BACKEND != "jax", reason="convolutions on this processor are channels-last")
def test_channels_first_is_read_along_the_channels(listening):
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
    first = layers.Conv2D(5, 3, data_format="channels_first")
    relu = [layers.BatchNormalization(axis=1), layers.ReLU()]
    model = keras.Sequential([layers.Input((3, 8, 12)), first, *relu, layers.Flatten()])
    model.compile("sgd", "mse")
    x = RANDOM.normal(size=(8, 3, 8, 12))
    model.fit(x, np.zeros((8, 300)), verbose=0, callbacks=[doctor])
    assert [layer.units for layer in spy.seen[0].layers] == [5, 5, 5]


@pytest.mark.compiling
@pytest.mark.skipif(BACKEND == "jax", reason="JAX gives zeros to weights that are not used")
def test_weights_without_a_gradient_are_left_out(listening, images, labels):
    inputs = layers.Input((8, 8, 3))
    x = layers.Flatten()(inputs)
    unused = layers.Dense(4, kernel_initializer="zeros", name="unused")(x)
    model = keras.Model(inputs, [layers.Dense(5, name="used")(x), unused])
    model.compile("sgd", [keras.losses.SparseCategoricalCrossentropy(from_logits=True), None])
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of the weights that get none
        model.fit(images, [labels, labels], verbose=0, callbacks=[doctor])
    moved = {w.layer.split("/")[-1] for w in spy.seen[0].weights if w.gradient > 0}
    assert moved == {"used"}
    assert "symmetric_units" not in {finding.condition for finding in doctor.report.findings}


def test_gates_and_heads_behind_operations_may_saturate(listening, images, labels):
    inputs = layers.Input((8, 8, 3))
    x = layers.Flatten()(inputs)
    gate = layers.Dense(4, activation="sigmoid", name="gate")(x)
    x = layers.Multiply()([layers.Dense(4, activation="tanh", name="signal")(x), gate])
    head = layers.Dense(1, activation="sigmoid", name="head")(x)
    model = keras.Model(inputs, keras.ops.squeeze(head, -1))
    model.compile("sgd", "mse")
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
    model.fit(images, labels / 5, verbose=0, callbacks=[doctor])
    seen = {layer.path.split("/")[-1]: layer for layer in spy.seen[0].layers}
    assert seen["gate"].saturated is None
    assert seen["signal"].saturated is not None
    assert [name for name, layer in seen.items() if layer.head] == ["head"]
