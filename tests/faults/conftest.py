import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def training():
    """The module `training.py`, which is a script as well."""
    path = Path(__file__).with_name("training.py")
    spec = importlib.util.spec_from_file_location("training_to_be_killed", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def listening():
    """Makes a monitor's spy, whose `seen` are the observations that the monitor was told."""

    class Spy:
        def __init__(self, monitor):
            self.seen = []
            tell = monitor.observe

            def observe(observation):
                self.seen.append(observation)
                tell(observation)

            monitor.observe = observe

    return Spy
