"""Training stops when its time is up."""

import time

import keras
import pytest

import kerastricks.addons as tfa


def test_the_epoch_in_which_time_is_up_is_the_last(averaged_model, train, monkeypatch, capsys):
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    callback = tfa.callbacks.TimeStopping(3, verbose=1)
    history = train(averaged_model(), 1, callback, epochs=9)
    # Keras itself may look at the clock, too.
    assert 1 <= len(history.epoch) <= 3
    assert callback.stopped_epoch == history.epoch[-1]
    number = callback.stopped_epoch + 1
    assert capsys.readouterr().out == (
        f"Timed stopping at epoch {number} after training for 0:00:03\n"
    )


def test_time_that_is_not_up(averaged_model, train, capsys):
    callback = tfa.callbacks.TimeStopping(verbose=1)
    model = averaged_model()
    callback.seconds = 0
    train(model, 1, callback, epochs=2)
    capsys.readouterr()
    callback.seconds = 3600
    history = train(model, 1, callback, epochs=2)
    assert (len(history.epoch), callback.stopped_epoch) == (2, None)
    assert capsys.readouterr().out == ""


def test_arguments_are_kept():
    callback = tfa.callbacks.TimeStopping(7, 1)
    config = keras.saving.serialize_keras_object(callback)
    again = keras.saving.deserialize_keras_object(config)
    assert (again.seconds, again.verbose) == (7, 1)
    with pytest.raises(ValueError, match=r"seconds.*Received: -1"):
        tfa.callbacks.TimeStopping(-1)
    with pytest.raises(ValueError, match=r"seconds.*Received: nan"):
        tfa.callbacks.TimeStopping(float("nan"))
