"""A pipeline on a device, and through a data service: what the host would give, to the bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
SCRIPT = Path(__file__).parent / "placement_script.py"
PACKAGE = Path(__file__).parents[2]
# Logs each compilation.
LOGGED = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "device_compiler=1"}


@pytest.mark.compiling
@pytest.mark.every_variant
@pytest.mark.parametrize(
    "cases",
    [
        ["missing"],
        pytest.param(["device", "bus", "overlap"], marks=pytest.mark.slow),
        pytest.param(["data_sets", "targets", "fit", "replicas"], marks=pytest.mark.slow),
        pytest.param(["resume"], marks=pytest.mark.slow),
        pytest.param(["service", "service_resume"], marks=pytest.mark.slow),
        pytest.param(["service_data_sets"], marks=pytest.mark.slow),
        pytest.param(["service_loss"], marks=pytest.mark.slow),
    ],
    ids=lambda cases: cases[0],
)
def test_another_place_gives_the_same(cases):
    """In a process of its own: the number of logical devices is settled at TensorFlow's start."""
    path = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *cases],
        env={**os.environ, **LOGGED, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    told = [line.partition(",")[0] for line in done.stdout.splitlines()]
    assert told == [f"{case}: as on the host" for case in cases]
    first, *later = done.stderr.split("nothing compiles\n")
    assert bool(later) == (cases[0] in ("device", "service"))
    if later:
        assert "Compilation of XLA executable" in first
    for lines in later:
        assert "Compilation of" not in lines.partition("may compile\n")[0]
