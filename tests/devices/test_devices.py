"""Several devices give what one gives: weights, losses, statistics, findings and their onsets."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

BACKEND = keras.backend.backend()
FOLDER = Path(__file__).parent
PACKAGE = FOLDER.parents[1]
TWO_OF_JAX = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def started(script, *arguments, **environment):
    """In a process of its own: the number of devices is settled when a backend starts."""
    path = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(FOLDER / script), *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(*processes):
    """What each has printed, once all have come to a good end."""
    try:
        ended = [(*process.communicate(timeout=500), process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for _, errors, status in ended:
        assert status == 0, errors[-6000:]
    return [output.splitlines() for output, _, _ in ended]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow's")
@pytest.mark.parametrize("case", ["healthy", "sick", "uneven", "augmented", "resumed"])
def test_mirrored_strategy(case):
    assert told(started("mirrored.py", case)) == [[f"{case}: as on one device"]]


@pytest.mark.skipif(BACKEND != "jax", reason="Keras' own distribution is JAX's")
@pytest.mark.parametrize(
    "case",
    ["sick", *(pytest.param(name, marks=pytest.mark.slow) for name in ("healthy", "resumed"))],
)
def test_data_parallel(case):
    assert told(started("data_parallel.py", case, **TWO_OF_JAX)) == [[f"{case}: as on one device"]]


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow's")
def test_multi_worker_mirrored_strategy():
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]

    def worker(index):
        task = {"type": "worker", "index": index}
        return json.dumps({"cluster": {"worker": workers}, "task": task})

    outputs = told(*(started("workers.py", TF_CONFIG=worker(index)) for index in range(2)))
    layers, augmentation = "layers: as in one process", "augmentation: a half each"
    assert outputs == [[layers, augmentation, "fit: refused", "checkup: sick"]] * 2
