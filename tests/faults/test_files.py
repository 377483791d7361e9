"""Files that cannot be written: a training goes on and says so; who asks for a file is told."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import kerastricks as kt

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")


def fitted(**arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="layer")])
    model.compile("sgd", "mse")
    doctor = kt.callbacks.TrainingDoctor(every=1, **arguments)
    model.fit(X, X[:, :3], batch_size=16, epochs=2, verbose=0, callbacks=[doctor])
    return doctor.report


@pytest.mark.parametrize("argument", ["backup_dir", "log_dir"])
def test_a_folder_that_cannot_be_made_is_told_once(argument, tmp_path, capsys):
    if argument == "log_dir":
        pytest.importorskip("tensorboard")
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "folder"
    report = fitted(**{argument: folder})
    assert report.to_dict()["observed_steps"] == list(range(8))
    ((place, reason),) = report.unobserved.items()
    assert place.startswith(str(folder))
    assert "Not a directory" in reason or "file" in reason
    assert capsys.readouterr().out.count("Training goes on") == 1


def test_a_folder_that_is_removed_in_the_midst_ends_nothing(tmp_path):
    class Remover(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for file in (tmp_path / "folder").iterdir():
                file.unlink()
            (tmp_path / "folder").rmdir()

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    doctor = kt.callbacks.TrainingDoctor(verbose=0, backup_dir=tmp_path / "folder")
    model.fit(X, X[:, :3], verbose=0, callbacks=[doctor, Remover()])
    assert doctor.report.observed


FULL = """
import resource, sys
import keras, numpy as np
import kerastricks as kt
x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="layer")])
model.compile("sgd", "mse")
doctor = kt.callbacks.TrainingDoctor(every=1, **{sys.argv[1]: sys.argv[2]})
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
model.fit(x, x[:, :3], batch_size=8, epochs=6, verbose=0, callbacks=[doctor])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
assert doctor.report.to_dict()["observed_steps"] == list(range(48))
print(doctor.report.unobserved)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no limits of this kind")
@pytest.mark.parametrize("argument", ["backup_dir", "log_dir"])
def test_a_disk_that_is_full_in_the_midst_is_told_once(argument, tmp_path):
    if argument == "log_dir":
        pytest.importorskip("tensorboard")
    command = [sys.executable, "-c", FULL, argument, str(tmp_path / "folder")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Training goes on") == 1
    assert "File too large" in done.stdout.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full")
@pytest.mark.parametrize("write", ["to_json", "to_html"])
def test_whoever_asks_for_a_report_learns_that_the_disk_is_full(write):
    report = kt.callbacks.TrainingDoctor().report
    with pytest.raises(OSError, match="No space left on device"):
        getattr(report, write)("/dev/full")


@pytest.mark.parametrize("write", ["to_json", "to_html"])
def test_whoever_asks_for_a_report_in_no_folder_learns_its_name(write, tmp_path):
    report = kt.callbacks.TrainingDoctor().report
    with pytest.raises(FileNotFoundError, match="nowhere"):
        getattr(report, write)(tmp_path / "nowhere" / "report")
