"""Killed twenty times by the system, a training gives the report of one that never stopped."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

KILLS = 20
PATIENCE = 300
"""Seconds after which a training counts as hanging."""
SCRIPT = Path(__file__).with_name("training.py")


def run(folder, kill_after, log):
    """Train in a process that is killed after so many steps; tells whether it was."""
    command = [sys.executable, str(SCRIPT), str(folder)]
    with (
        open(log, "w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        steps = 0
        watch = threading.Timer(PATIENCE, process.terminate)
        watch.start()
        for line in process.stdout:
            steps += line.startswith("step ")
            if steps == kill_after:
                os.kill(process.pid, signal.SIGKILL)
        code = process.wait()
        watch.cancel()
        errors.seek(0)
        assert code in (0, -signal.SIGKILL), errors.read()
    return code != 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_killed_twenty_times_at_random_steps(training, tmp_path):
    draw = random.Random(0)
    doctor = training.doctor_of(verbose=0)
    training.fitted(training.network(), [training.Late(), doctor])
    whole = training.everything(doctor.report)

    kills = 0
    # An epoch has 8 steps: about half of the processes get over the end of one.
    while kills < KILLS:
        killed = run(tmp_path, draw.randint(1, 2 * training.STEPS), tmp_path / "errors")
        kills += killed
        if not killed:  # it came to its end: another training begins
            assert (tmp_path / "report.txt").read_text() == whole
    while killed:
        killed = run(tmp_path, None, tmp_path / "errors")
    assert (tmp_path / "report.txt").read_text() == whole
    assert not (tmp_path / "doctor").exists()
