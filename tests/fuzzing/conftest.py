"""Draws examples, and tries files in a process of its own."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

PATIENCE = 120
"""Seconds after which an example counts as hanging: a hundred times what one takes."""


def fuzz(strategy, examples, law):
    """Hold a law for so many drawn examples, the same in every run."""

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        # A failing example is told as it was drawn: to make it smaller takes hundreds of tries.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def hold(value):
        law(value)

    hold()


@pytest.fixture(name="fuzz")
def fuzz_fixture():
    return fuzz


class Worker:
    """Gives tasks to `worker.py`, and starts it anew when it is gone."""

    def __init__(self, log):
        self._log = log
        self._process = None
        self._peak = None

    def ask(self, *task):
        """The outcome, what was said, and by how many bytes memory grew beyond all before."""
        if self._process is None:
            self._start()
        self._process.stdin.write(json.dumps([str(part) for part in task]) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.stop()
            return ("crash" if ready else "hang"), self._log.read_text()[-3000:], 0
        answer = json.loads(line)
        grown = answer["peak"] - (self._peak or answer["peak"])
        self._peak = max(self._peak or 0, answer["peak"])
        return answer["outcome"], answer["said"], 1024 * grown

    def _start(self):
        command = [sys.executable, "-X", "faulthandler"]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*command, str(Path(__file__).with_name("worker.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            )
        self._peak = None

    def stop(self):
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="session")
def worker(tmp_path_factory):
    worker = Worker(tmp_path_factory.mktemp("worker") / "log")
    yield worker
    worker.stop()
