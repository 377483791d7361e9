"""A pipeline on a device, and through a data service: what the host would give, to the bit."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
SCRIPT = Path(__file__).parent / "placement_script.py"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["device", "targets", "fit", "replicas", "missing", "service"])
def test_another_place_gives_the_same(case):
    """In a process of its own: the number of logical devices is settled at TensorFlow's start."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), case], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.strip().endswith("as on the host")
