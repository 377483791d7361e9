"""Models with a train_step, a compute_loss or a call of their own."""

import keras
import pytest
from keras import layers

from kerastricks.callbacks import TrainingDoctor

BACKEND = keras.backend.backend()
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow facility")


@pytest.mark.compiling
@pytest.mark.skipif(BACKEND == "jax", reason="a train_step in JAX has another signature")
def test_a_train_step_with_a_loop_over_all_metrics(trained):
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


@pytest.mark.compiling
@tensorflow_only
def test_a_train_step_without_compute_loss_is_seen_as_far_as_it_can_be(trained):
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


@pytest.mark.compiling
def test_a_compute_loss_without_the_training_argument(trained):
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return keras.ops.mean(keras.ops.square(y_pred))

    doctor = TrainingDoctor(verbose=0)
    trained(
        lambda: Own([layers.Flatten(), layers.Dense(5)]), doctor, compile_arguments={"metrics": []}
    )
    assert doctor.report.timeline.moments[0].loss > 0


@pytest.mark.compiling
def test_a_call_without_training_and_a_layer_that_is_never_called(trained):
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


@pytest.mark.compiling
def test_a_compute_loss_of_the_models_own(trained):
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.square(y_pred))

    doctor = TrainingDoctor(verbose=0)
    build = lambda: Own([layers.Flatten(), layers.Dense(5)])  # noqa: E731
    trained(build, doctor, compile_arguments={"metrics": []})
    assert doctor.report.timeline.moments[0].loss > 0
