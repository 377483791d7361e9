"""Whichever file a training goes on from, its report is that of one that never stopped."""

import keras
import pytest

from kerastricks.diagnosis import examination
from kerastricks.diagnosis import journal as journals


@pytest.fixture
def shortened(monkeypatch):
    """Files are short already after two epochs; lists what they give way to."""
    parts = []
    shorter = journals.Journal._shorter

    def spied(self, held, looks):
        for data in shorter(self, held, looks):
            parts.append(data)
            yield data

    monkeypatch.setattr(journals, "LONG", 0)
    monkeypatch.setattr(journals, "TIMES", 0)
    monkeypatch.setattr(journals.Journal, "_shorter", spied)
    return parts


@pytest.mark.compiling
@pytest.mark.parametrize(
    "memory",
    [0, pytest.param(examination.MEMORY, marks=pytest.mark.slow)],
    ids=["outlined", "whole"],
)
def test_looks_that_are_not_judged_again_are_known_all_the_same(
    memory, shortened, training, tmp_path, monkeypatch
):
    monkeypatch.setattr(examination, "MEMORY", memory)
    doctor = training.doctor_of(verbose=0)
    training.fitted(training.network(), [training.Late(), doctor])
    whole = training.everything(doctor.report)
    for stop in [6 * training.STEPS + 3, 4 * training.STEPS + 1, None]:
        doctor = training.doctor_of(verbose=0, backup_dir=tmp_path / "doctor")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "model")
        callbacks = [training.Late(), doctor, backup]
        if stop is None:
            training.fitted(training.network(), callbacks)
        else:
            with pytest.raises(training.StopError):
                training.fitted(training.network(), [*callbacks, training.Stop(stop)])
            assert doctor.report.unobserved.keys() == {"the rest of the training"}
    outlines = sum(b'"kind": "outline"' in data for data in shortened)
    assert bool(outlines) == (memory == 0)
    assert sum(b'"kind": "state"' in data for data in shortened) > 5
    assert training.everything(doctor.report) == whole
