"""Draws examples, and tries files in a process of its own."""

import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import kerastricks

PATIENCE = 120
"""Seconds after which an example counts as hanging: a hundred times what one takes."""


CLEAR = (ValueError, TypeError, NotImplementedError, OSError)
BACKENDS = ("tensorflow", "jax", "torch")
OURS = Path(kerastricks.__file__).parent


@pytest.fixture
def count(count):
    """Counts outcomes, and remembers of what kinds there were right ones."""

    def counted(outcome, kind=None):
        count(outcome)
        counted.seen[outcome] += 1
        if outcome == "right":
            counted.right[kind] += 1

    counted.seen, counted.right = Counter(), Counter()
    return counted


@pytest.fixture
def fuzz(count):
    """Holds a law for so many drawn examples, the same in every run.

    A law counts what came of an example. One that is always refused tests nothing: there has to be
    a right answer, and of each of `kinds`, if they are given: of those that have none yet more are
    drawn, from what `of` gives for a list of them.
    """

    def hold(strategy, examples, law):
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
        def each(value):
            law(value)

        each()

    def fuzz(strategy, examples, law, kinds=(), of=None):
        def unanswered():
            return [kind for kind in kinds if not count.right[kind]]

        hold(strategy, examples, law)
        if not count.seen["right"]:  # of few examples all may be odd
            hold(strategy, 5 * examples, law)
        assert count.seen["right"], f"no right answer: {dict(count.seen)}"
        if of and (some := unanswered()):
            hold(of(some), 150 * len(some), law)
        assert not unanswered(), f"no right answer of {[k.__name__ for k in unanswered()]}"

    return fuzz


@pytest.fixture
def attempted(count):
    """Does something; None where a clear error says why not."""

    def attempted(action):
        try:
            return action()
        except Exception as error:
            if _is_clear(error):
                count("error")
                return None
            count("wrong")
            raise

    return attempted


def _is_clear(error):
    """Whether an error says something, and is of a kind that is promised, or of a backend."""
    if len(str(error)) <= 15:
        return False
    if isinstance(error, CLEAR) or type(error).__module__.split(".")[0] in BACKENDS:
        return True
    # What torch refuses is a RuntimeError, raised by its own code or by Keras' calls of it.
    place = traceback.extract_tb(error.__traceback__)[-1].filename
    return type(error) is RuntimeError and OURS not in Path(place).parents


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
        return answer["outcome"], answer["said"], grown

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
