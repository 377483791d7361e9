"""What happens long after the start, under the schedule that the doctor chooses."""

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2048, 32)).astype("float32")
Y = np.argmax(X @ RANDOM.normal(size=(32, 3)), axis=1)
FAULT = 300


class Late(keras.callbacks.Callback):
    """Do something to the model before one training step."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.made = 0

    def on_train_batch_begin(self, batch, logs=None):
        if self.made == FAULT:
            self.fault(self.model)
        self.made += 1


def kill(model):
    model.layers[0].bias.assign(model.layers[0].bias - 100.0)


def hurry(model):
    model.optimizer.learning_rate.assign(10.0)


def nothing(model):
    pass


def watched(activation, fault):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(32, activation=activation)
    model = keras.Sequential([layers.Input((32,)), hidden, layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    # A budget that leaves the choice to the number of the step, however fast the machine is.
    doctor = kt.callbacks.TrainingDoctor(verbose=0, budget=100.0)
    model.fit(X, Y, batch_size=32, epochs=7, verbose=0, callbacks=[Late(fault), doctor])
    return doctor.report


@pytest.mark.compiling
@pytest.mark.parametrize(
    ("activation", "fault", "condition"),
    [("relu", kill, "dying_units"), ("relu", hurry, "learning_rate_too_high")],
)
def test_a_fault_long_after_the_start_is_named_with_its_onset(activation, fault, condition):
    report = watched(activation, fault)
    found = {finding.condition: finding.onset for finding in report.root_causes}
    assert found.keys() == {condition}
    assert FAULT <= found[condition] <= FAULT + FAULT // 32


@pytest.mark.compiling
def test_a_calm_training_gets_no_closer_look():
    report = watched("relu", nothing)
    assert report.findings == []
    late = [moment.step for moment in report.timeline.moments if moment.step > 100]
    assert min(np.diff(late)) >= 3
