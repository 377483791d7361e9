"""Findings of before a kill may end a training; what cannot be gone through ends none."""

import keras
import pytest

from kerastricks.diagnosis.watch import Watch


@pytest.fixture
def train(training, tmp_path):
    """Train, restored where something is to be restored; returns the doctor and the model."""

    def train(stop=None, epochs=None, **arguments):
        doctor = training.doctor_of(backup_dir=tmp_path / "doctor", **arguments)
        backup = keras.callbacks.BackupAndRestore(tmp_path / "model")
        model = training.network()
        callbacks = [doctor, backup, *([] if stop is None else [training.Stop(stop)])]
        if stop is None:
            training.fitted(model, callbacks, epochs)
        else:
            with pytest.raises(training.StopError):
                training.fitted(model, callbacks, epochs)
        return doctor, model

    return train


@pytest.mark.compiling
@pytest.mark.parametrize("at", [0, 9])
def test_what_cannot_be_gone_through_is_told_and_the_doctor_goes_on(
    train, training, tmp_path, capsys, monkeypatch, at
):
    steps = training.STEPS
    train(stop=2 * steps + 3)
    add_again = Watch.add_again

    def fail(self, observation, *arguments, **named):
        if observation.step == at:
            raise ZeroDivisionError("no such thing")
        add_again(self, observation, *arguments, **named)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "add_again", fail)
        doctor, _ = train(stop=steps)
    told = "cannot be gone through (ZeroDivisionError: no such thing); the report begins anew"
    assert capsys.readouterr().out.count(f"{told}. Training goes on.") == 1
    assert next(iter(doctor.report.unobserved.values())) == told
    seen = doctor.report.to_dict()["observed_steps"]
    assert seen == list(range(2 * steps, 3 * steps))  # counted on, from where the model stands
    assert doctor.report.findings
    # Its new file holds what it has seen, for the next time.
    doctor, _ = train(epochs=5)
    assert doctor.report.to_dict()["observed_steps"] == list(range(2 * steps, 5 * steps))
    assert not (tmp_path / "doctor").exists()


def test_what_was_found_before_the_kill_stops_the_training(train, training, capsys):
    """Whoever has asked for it since, or was killed before it could take effect."""
    doctor, _ = train(stop=2 * training.STEPS + 3)
    (found, *_) = [f for f in doctor.report.findings if f.severity != "note"]
    capsys.readouterr()
    _, model = train(stop_on=found.condition)
    assert len(model.history.epoch) == 1
    assert int(model.optimizer.iterations) == 2 * training.STEPS + 1
    out = " ".join(capsys.readouterr().out.split())
    where = f"in {found.layer}, since step {found.onset}"
    assert f"training stops because of {found.condition} {where}" in out
    assert "before this training was resumed" in out


@pytest.mark.compiling
def test_what_is_a_note_by_now_stops_nothing(train, training, make):
    doctor, _ = train(stop=2 * training.STEPS + 3)
    notes = {f.condition for f in doctor.report.findings if f.severity == "note"}
    grave = {f.condition for f in doctor.report.findings if f.severity != "note"}
    assert notes - grave
    doctor, model = train(epochs=4, stop_on=notes - grave)
    assert int(model.optimizer.iterations) == 4 * training.STEPS
