"""The real TensorFlow Addons as an oracle: the same cases are computed there and here."""

import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

PYTHON = os.environ.get("ADDONS_ORACLE")
"""Python of an environment with the extra `addons-oracle`; `make test-addons` makes one."""
FOLDER = Path(__file__).parent / "oracle"

collect_ignore_glob = [] if PYTHON else ["test_oracle*.py"]


@pytest.fixture(scope="session")
def run_oracle(tmp_path_factory):
    """Runs a script of the folder `oracle` with the real TensorFlow Addons."""

    def run(script, *arguments):
        command = [PYTHON, str(FOLDER / script), *map(str, arguments)]
        environment = {
            k: v for k, v in os.environ.items() if k not in ("KERAS_BACKEND", "XLA_FLAGS")
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def oracle(run_oracle, tmp_path_factory):
    """What `oracle/<area>.py` computes with the real TensorFlow Addons: arrays by case."""

    @cache
    def computed(area):
        path = tmp_path_factory.mktemp("oracle") / f"{area}.npz"
        try:
            run_oracle("run.py", area, path)
        except AssertionError as error:  # is not run again for each case
            return None, str(error)
        with np.load(path) as arrays:
            return dict(arrays), ""

    def values(area):
        arrays, error = computed(area)
        assert not error, error
        return arrays

    return values
