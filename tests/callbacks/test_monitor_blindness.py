"""What the doctor cannot see is said, where silence would mean health."""

import copy
import pickle

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(256, 8)).astype("float32")
JAX = keras.backend.backend() == "jax"


def fitted(model, y=X, **arguments):
    doctor = kt.callbacks.TrainingDoctor()
    history = model.fit(X, y, batch_size=16, epochs=2, verbose=0, callbacks=[doctor], **arguments)
    assert np.isfinite(history.history["loss"]).all()
    return doctor


class OwnMetrics(keras.Model):
    """Overrides `metrics`, as models with several losses of their own do."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = layers.Dense(8, "relu"), layers.Dense(8)
        self.mean = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.mean]

    def call(self, x):
        return self.head(self.hidden(x))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = keras.ops.mean(keras.ops.square(y - y_pred))
        self.mean.update_state(loss)
        return loss


@pytest.mark.compiling
def test_overridden_metrics_hide_all_on_jax_and_nothing_elsewhere(capsys, assert_clean_probe):
    keras.utils.set_random_seed(0)
    model = OwnMetrics()
    model.compile("adam")
    doctor = fitted(model)
    assert_clean_probe(model)
    said = capsys.readouterr().out
    if JAX:
        reason = "is overridden without super().metrics"
        assert doctor.report.unobserved["OwnMetrics.metrics"].startswith(reason)
        assert f"OwnMetrics.metrics: {reason}" in said
        assert not doctor.report.healthy
    else:
        assert len(doctor.report.timeline.moments) == 32
        assert said == ""


@pytest.fixture
def assert_clean_probe():
    def assert_clean(model):
        assert "kerastricks" not in " ".join(metric.name for metric in model._metrics)
        assert "Probe" not in repr(model.train_function)

    return assert_clean


def test_a_train_step_without_compute_loss_is_told_of_in_the_terminal(capsys):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.head = layers.Dense(8, "relu"), layers.Dense(8)

        def call(self, x):
            return self.head(self.hidden(x))

        def train_step(self, *given):
            if JAX:
                return self.stateless_step(*given)
            x, y = given[0]
            return {"loss": self.step(x, y)}

        def stateless_step(self, state, data):
            import jax

            trained, others, of_optimizer, metrics = state
            x, y = data

            def cost(weights):
                out, _ = self.stateless_call(weights, others, x)
                return keras.ops.mean(keras.ops.square(y - out))

            loss, gradients = jax.value_and_grad(cost)(trained)
            trained, of_optimizer = self.optimizer.stateless_apply(of_optimizer, gradients, trained)
            return {"loss": loss}, (trained, others, of_optimizer, metrics)

        def step(self, x, y):
            if keras.backend.backend() == "torch":
                self.zero_grad()
                loss = keras.ops.mean(keras.ops.square(y - self(x, training=True)))
                loss.backward()
                weights = self.trainable_weights
                gradients = [weight.value.grad for weight in weights]
            else:
                import tensorflow as tf

                with tf.GradientTape() as tape:
                    loss = keras.ops.mean(keras.ops.square(y - self(x, training=True)))
                weights = self.trainable_variables
                gradients = tape.gradient(loss, weights)
            self.optimizer.apply(gradients, weights)
            return loss

    model = Own()
    model.compile("sgd")
    model(X[:1])
    fitted(model)
    said = capsys.readouterr().out
    assert "TrainingDoctor: not all can be observed: " in said
    nothing = "train_step: none of its numbers can be carried out of it"
    assert (nothing if JAX else "the loss: train_step does not call compute_loss") in said
    assert said.count("not all can be observed") == 1


def test_weights_of_zero_for_all_samples_are_no_health():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((8,)), layers.Dense(8, "relu"), layers.Dense(8)])
    model.compile("sgd", "mse")
    doctor = fitted(model, sample_weight=np.zeros(256))
    assert doctor.report.sick
    assert "exactly zero in the first step" in doctor.report.unobserved["the gradients"]


def test_a_fault_in_the_setting_up_does_not_reach_the_training(monkeypatch, capsys):
    from kerastricks.diagnosis import probes

    def fail(*given):
        raise RuntimeError("no variable today")

    monkeypatch.setattr(probes, "Carrier", fail)
    model = keras.Sequential([layers.Input((8,)), layers.Dense(8)])
    model.compile("sgd", "mse")
    doctor = fitted(model)
    assert doctor.report.unobserved[model.name] == "RuntimeError: no variable today"
    assert "no variable today" in capsys.readouterr().out
    assert not doctor.report.healthy


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_doctor_can_be_copied_before_and_after_a_fit(copied):
    """As tuners do with the callbacks that they are given."""
    fresh = copied(kt.callbacks.TrainingDoctor(verbose=0, every=3))
    model = keras.Sequential([layers.Input((8,)), layers.Dense(8, "relu"), layers.Dense(8)])
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0, callbacks=[fresh])
    fresh._model = None  # a model is copied by Keras, or not, with or without a doctor
    after = copied(fresh)
    assert str(after.report) == str(fresh.report)
    assert len(after.report.timeline.moments) == len(fresh.report.timeline.moments) > 0
