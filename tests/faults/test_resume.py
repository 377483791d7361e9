"""A training that was broken off and goes on gives the report of one that never stopped."""

import re

import keras
import numpy as np
import pytest

import kerastricks as kt


def small():
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(4, "relu")
    model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.001), "mse")
    return model


@pytest.fixture(scope="module")
def whole(training):
    """The report of a training that is not broken off, without any backup."""
    doctor = training.doctor_of(verbose=0)
    training.fitted(training.network(), [training.Late(), doctor])
    return doctor.report


def told(text):
    """The lines with which findings are told."""
    return re.findall(r"TrainingDoctor: (\w+ \(\w+\).*)", text)


def broken_off(training, tmp_path, stops, order, network, epochs=None, **backup):
    """Train in several processes' stead; the doctor of the last one."""
    for after in [*stops, None]:
        doctor = training.doctor_of(backup_dir=tmp_path / "doctor")
        restoring = keras.callbacks.BackupAndRestore(tmp_path / "model", **backup)
        pair = [doctor, restoring] if order == "first" else [restoring, doctor]
        model = network()
        callbacks = [training.Late(), *pair]
        if after is None:
            training.fitted(model, callbacks, epochs)
        else:
            with pytest.raises(training.StopError):
                training.fitted(model, [*callbacks, training.Stop(after)], epochs)
    return doctor


@pytest.mark.compiling
@pytest.mark.parametrize("order", ["first", pytest.param("last", marks=pytest.mark.slow)])
def test_the_report_is_that_of_a_training_never_broken_off(
    order, training, whole, tmp_path, capsys
):
    steps = training.STEPS
    stops = [2 * steps + 3, 8 * steps]  # in the midst of an epoch, and in its last step
    doctor = broken_off(training, tmp_path, stops, order, training.network)
    assert training.everything(doctor.report) == training.everything(whole)
    conditions = {finding.condition for finding in whole.findings}
    assert {"vanishing_gradients", "dying_units"} <= conditions
    lines = told(capsys.readouterr().out)
    assert lines
    assert len(lines) == len(set(lines))
    assert not (tmp_path / "doctor").exists()


def test_in_the_midst_of_an_epoch_steps_are_counted_on(training, tmp_path):
    """Keras goes on with the weights of the backup at the beginning of its epoch."""
    steps = training.STEPS
    doctor = broken_off(training, tmp_path, [2 * steps + 5], "first", small, 4, save_freq=4)
    made = 2 * steps + 4 + 2 * steps
    seen = doctor.report.to_dict()["observed_steps"]
    assert seen == list(range(made))
    assert doctor.report.unobserved == {}


@pytest.mark.compiling
def test_an_end_of_an_epoch_that_was_not_kept_is_told(training, tmp_path):
    """The backup of the model was made, and the doctor did not get its turn any more."""

    class Killed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                raise training.StopError

    def callbacks(*others):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "model")
        doctor = training.doctor_of(verbose=0, backup_dir=tmp_path / "doctor")
        return [backup, *others, doctor]

    with pytest.raises(training.StopError):
        training.fitted(small(), callbacks(Killed()), epochs=6)
    *_, doctor = all_of = callbacks()
    training.fitted(small(), all_of, epochs=6)
    assert doctor.report.to_dict()["observed_steps"] == list(range(6 * training.STEPS))
    (reason,) = doctor.report.unobserved.values()
    assert reason == "lacks the end of epoch 3, counted from zero"


@pytest.mark.compiling
def test_another_model_begins_anew_and_says_so(training, tmp_path, capsys):
    doctor = training.doctor_of(verbose=0, backup_dir=tmp_path)
    with pytest.raises(training.StopError):
        training.fitted(small(), [doctor, training.Stop(9)], epochs=2)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    doctor = training.doctor_of(backup_dir=tmp_path)
    training.fitted(model, [doctor], epochs=1)
    assert doctor.report.to_dict()["observed_steps"] == list(range(training.STEPS))
    (place, reason), *_ = doctor.report.unobserved.items()
    assert "TrainingDoctor.journal" in place
    assert "of another model" in reason
    assert "Training goes on" in capsys.readouterr().out


@pytest.mark.compiling
def test_a_training_that_begins_anew_is_told_anew(training, tmp_path, capsys):
    """Whoever has changed something and starts again wants to know what is found now."""
    doctor = training.doctor_of(backup_dir=tmp_path)
    with pytest.raises(training.StopError):
        training.fitted(training.network(), [doctor, training.Stop(5)])
    before = told(capsys.readouterr().out)
    doctor = training.doctor_of(backup_dir=tmp_path)
    training.fitted(training.network(), [doctor], epochs=1)
    assert before
    assert told(capsys.readouterr().out)[: len(before)] == before


@pytest.mark.compiling
def test_monitors_share_a_folder_with_the_doctor(training, tmp_path):
    def callbacks():
        backup = keras.callbacks.BackupAndRestore(tmp_path / "model")
        arguments = {"every": 1, "budget": 1e9, "verbose": 0, "backup_dir": tmp_path / "watch"}
        monitors = [kt.callbacks.GradientMonitor, kt.callbacks.TrainingDoctor]
        return [backup, *(monitor(**arguments) for monitor in monitors)]

    with pytest.raises(training.StopError):
        training.fitted(small(), [*callbacks(), training.Stop(20)], epochs=4)
    _, *monitors = resumed = callbacks()
    training.fitted(small(), resumed, epochs=4)
    for monitor in monitors:
        assert monitor.report.to_dict()["observed_steps"] == list(range(4 * training.STEPS))
        assert monitor.report.unobserved == {}


@pytest.mark.compiling
def test_two_doctors_do_not_write_one_file(training, tmp_path):
    doctors = [training.doctor_of(verbose=0, backup_dir=tmp_path / "one") for _ in range(2)]
    training.fitted(small(), doctors, epochs=1)
    for doctor in doctors:  # who share what they see, and what cannot be kept of it
        assert list(doctor.report.unobserved.values()) == ["is another callback's"]


@pytest.mark.compiling
def test_a_restored_model_is_not_at_its_start(training, tmp_path, listening):
    """Whichever callback begins first: what is judged at the start alone is not judged again."""
    for order in (1, -1):
        folder = tmp_path / str(order)
        for stop in ([training.Stop(10)], []):
            backup = keras.callbacks.BackupAndRestore(folder)
            doctor = training.doctor_of(verbose=0)
            spy = listening(doctor)
            callbacks = [doctor, backup][::order]
            try:
                training.fitted(small(), [*callbacks, *stop], epochs=2)
            except training.StopError:
                assert spy.seen[0].at_start
        assert not spy.seen[0].at_start


@pytest.mark.compiling
def test_without_a_folder_nothing_is_written(training, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training.fitted(small(), [training.doctor_of(verbose=0)], epochs=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.compiling
def test_with_a_folder_the_training_is_the_same(training, tmp_path):
    def weights(**arguments):
        model = small()
        history = training.fitted(model, [training.doctor_of(verbose=0, **arguments)], epochs=3)
        return history.history, model.get_weights()

    kept, plain = weights(backup_dir=tmp_path), weights()
    assert kept[0] == plain[0]
    for a, b in zip(kept[1], plain[1], strict=True):
        np.testing.assert_array_equal(a, b)
