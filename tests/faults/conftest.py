import importlib.util
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def module(place):
    """A file of the tests, which are no package."""
    name = "faults_" + place.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, TESTS / place)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


_diagnosis = module("diagnosis/conftest.py")
make, listening = _diagnosis.make, _diagnosis.listening


@pytest.fixture(scope="session")
def training():
    """The module `training.py`."""
    return module("faults/training.py")


@pytest.fixture(scope="session")
def breaking():
    """The module `breaking.py`, which is a script as well."""
    return module("faults/breaking.py")
