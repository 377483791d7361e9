"""What the monitors refuse, and models and logs that they can make nothing of."""

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt


def test_an_unknown_condition_to_stop_on_is_refused():
    with pytest.raises(ValueError, match=r"stop_on.*Received: 'boredom'"):
        kt.callbacks.TrainingDoctor(stop_on=("non_finite", "boredom"))
    with pytest.raises(ValueError, match=r"stop_on.*dying_units.*Received"):
        kt.callbacks.DyingUnitMonitor(stop_on="overfitting")


def test_an_uncompiled_model_is_refused():
    doctor = kt.callbacks.TrainingDoctor()
    with pytest.raises(ValueError, match=r"needs a compiled model.*Received.*model\.compile"):
        doctor.set_model(keras.Sequential([layers.Dense(1)]))


class Opaque(layers.Layer):
    """Nothing in it that a doctor could read: no weights, no known activation."""

    def call(self, inputs):
        return inputs * 2.0


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_a_model_with_nothing_to_observe_is_trained_and_told_so(capsys):
    model = keras.Sequential([layers.Input((3,)), Opaque()])

    class Loss(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.square(y_pred - y_true), axis=-1)

    model.compile("sgd", Loss())
    doctor = kt.callbacks.TrainingDoctor()
    history = model.fit(np.ones((8, 3)), np.ones((8, 3)), verbose=0, callbacks=[doctor])
    assert history.history["loss"]
    assert "nothing of this model can be observed" in capsys.readouterr().out
    assert doctor.report.unobserved
    assert doctor.report.summary().startswith("Nothing was observed")


@pytest.mark.parametrize("monitor", [kt.callbacks.SaturationMonitor, kt.callbacks.DyingUnitMonitor])
@pytest.mark.parametrize("fraction", [0, 1.5, -0.1, "half", True, float("nan")])
def test_a_bad_fraction_is_refused(monitor, fraction):
    with pytest.raises((ValueError, TypeError), match=r"layer_fraction.*Received"):
        monitor(fraction)


@pytest.mark.parametrize("arguments", [{"every": 0}, {"budget": -1.0}, {"verbose": "loud"}])
def test_bad_arguments_are_refused_when_they_are_given(arguments):
    with pytest.raises(ValueError, match="Received"):
        kt.callbacks.TrainingDoctor(**arguments)


def test_logs_of_another_kind_do_not_reach_the_training(capsys):
    """A `train_step` of the user's own may return what it likes."""
    model = keras.Sequential([layers.Input((64,)), layers.Dense(10)])
    model.compile("sgd", "mse")
    doctor = kt.callbacks.TrainingDoctor()
    doctor.set_model(model)
    doctor.on_train_begin()
    doctor.on_epoch_end(0, {"loss": {"first": 1.0}})
    doctor.on_epoch_end(1, {"loss": {"first": 1.0}})
    doctor.on_epoch_end(2, None)
    doctor.on_train_end()
    assert "TypeError" in doctor.report.unobserved["TrainingDoctor"]
    assert capsys.readouterr().out.count("Training goes on") == 1
