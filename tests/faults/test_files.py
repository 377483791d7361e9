"""Files that cannot be written: a training goes on and says so; who asks for a file is told."""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastricks as kt

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")


def fitted(epochs=2, **arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="layer")])
    model.compile("sgd", "mse")
    doctor = kt.callbacks.TrainingDoctor(every=1, **arguments)
    model.fit(X, X[:, :3], batch_size=16, epochs=epochs, verbose=0, callbacks=[doctor])
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


@pytest.fixture
def small_disk():
    """A file system of 64 KiB."""
    if sys.platform != "linux":
        pytest.skip("has no tmpfs")
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("may not mount")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)  # TensorBoard holds a file open


# The thread in which TensorBoard writes ends with the error, and says so on its own.
@pytest.mark.compiling
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("argument", ["backup_dir", "log_dir"])
def test_a_small_disk_is_told_once_when_it_is_full(argument, small_disk, capsys):
    if argument == "log_dir":
        pytest.importorskip("tensorboard")
    (small_disk / "others").write_bytes(bytes(60 * 2**10))
    report = fitted(epochs=12, **{argument: small_disk / "folder"})
    assert report.to_dict()["observed_steps"] == list(range(48))
    ((place, reason),) = report.unobserved.items()
    assert place.startswith(str(small_disk / "folder"))
    assert "No space left on device" in reason
    assert capsys.readouterr().out.count("Training goes on") == 1


@pytest.mark.parametrize("write", ["to_json", "to_html"])
def test_an_older_report_is_still_there_when_the_disk_is_full(write, small_disk):
    if write == "to_html":
        pytest.importorskip("matplotlib")
    report = kt.callbacks.TrainingDoctor().report
    path = small_disk / "report"
    getattr(report, write)(path)
    older = path.read_bytes()
    (small_disk / "others").write_bytes(bytes(2**16 - 2**12 * (1 + -(-len(older) // 2**12))))
    report.unobserved["something"] = "x" * 2**14
    with pytest.raises(OSError, match=r"No space left on device: .*report'"):
        getattr(report, write)(path)
    assert path.read_bytes() == older
    assert sorted(file.name for file in small_disk.iterdir()) == ["others", "report"]


def test_a_report_is_written_through_a_link_with_the_usual_rights(tmp_path):
    report = kt.callbacks.TrainingDoctor().report
    (tmp_path / "link").symlink_to(tmp_path / "report")
    (tmp_path / "plain").write_text("")
    report.to_json(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "report").read_text())["findings"] == []
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="has no rights of this kind")
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_report_keeps_the_rights_of_the_older_one(mode, tmp_path):
    path = tmp_path / "report"
    path.write_text("older")
    path.chmod(mode)
    kt.callbacks.TrainingDoctor().report.to_json(path)
    assert json.loads(path.read_text())["findings"] == []
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY])
def test_where_no_file_can_take_its_place_it_is_written_over(number, tmp_path, monkeypatch):
    """A folder that takes no new files, or a single file that is a mount."""
    path = tmp_path / "report"
    path.write_text("older")

    def refuse(source, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    kt.callbacks.TrainingDoctor().report.to_json(path)
    assert json.loads(path.read_text())["findings"] == []
    assert [file.name for file in tmp_path.iterdir()] == ["report"]
