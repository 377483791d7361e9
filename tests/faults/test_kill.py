"""Killed twenty times by the system, a training gives the report of one that never stopped."""

import multiprocessing
import os
import random
import runpy
import signal
import sys
from pathlib import Path

import pytest

KILLS = 20
PATIENCE = 300
"""Seconds after which a training counts as hanging."""
SCRIPT = Path(__file__).with_name("training.py")


@pytest.fixture
def processes():
    """Each begins as a copy of one that has imported what all of them need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keras", "kerastricks"])
    return context


def run(processes, folder, kill_after, by=signal.SIGKILL):
    """Train in a process that is ended by a signal after so many steps; tells whether it was."""
    heard, told = processes.Pipe(duplex=False)
    given = {"folder": folder, "tell": told.send}
    process = processes.Process(
        target=runpy.run_path, args=(str(SCRIPT), given, "__main__"), daemon=True
    )
    process.start()
    told.close()
    for _ in range(kill_after or sys.maxsize):
        assert heard.poll(PATIENCE), "hangs"
        try:
            heard.recv()
        except EOFError:
            break
    else:
        os.kill(process.pid, by)
    process.join(PATIENCE)
    # Python makes an exception of an interrupt, which ends with status 1.
    ended = 1 if by == signal.SIGINT else -by
    assert process.exitcode in (0, ended), "its error is in what was printed"
    return process.exitcode != 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_or_asked_to_end(training, processes, tmp_path, by):
    """By Ctrl-C, which Python turns into an exception, or by a scheduler that takes its machine."""
    doctor = training.doctor_of(verbose=0)
    training.fitted(training.network(), [training.Late(), doctor])
    for steps in (3, training.STEPS + 2, 3 * training.STEPS + 5):
        assert run(processes, tmp_path, steps, by)
        assert not (tmp_path / "report.txt").exists()
    assert not run(processes, tmp_path, None)
    assert (tmp_path / "report.txt").read_text() == training.everything(doctor.report)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_killed_twenty_times_at_random_steps(training, processes, tmp_path):
    draw = random.Random(0)
    doctor = training.doctor_of(verbose=0)
    training.fitted(training.network(), [training.Late(), doctor])
    whole = training.everything(doctor.report)

    kills = 0
    # An epoch has 8 steps: about half of the processes get over the end of one.
    while kills < KILLS:
        killed = run(processes, tmp_path, draw.randint(1, 2 * training.STEPS))
        kills += killed
        if not killed:  # it came to its end: another training begins
            assert (tmp_path / "report.txt").read_text() == whole
    while killed:
        killed = run(processes, tmp_path, None)
    assert (tmp_path / "report.txt").read_text() == whole
    assert not (tmp_path / "doctor").exists()
