"""A program that ends with half-read iterators ends: by then no thread calls into Python."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

tf = pytest.importorskip("tensorflow")
host_calls = pytest.importorskip("kerastricks.augment.placement.host_calls")

SCRIPT = """
import atexit, sys, time

made = 0

def count(function):
    def call(*args, **kwargs):
        global made
        made += 1
        return function(*args, **kwargs)
    return call

@atexit.register  # the first to register is the last to run
def look():
    before = made
    time.sleep(0.5)
    print("calls go on" if made > before else "no more calls")

import numpy as np
import tensorflow as tf
import kerastricks as kt

engine, unreadable = sys.argv[1:]
pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0)
pipeline.program.pixels = count(pipeline.program.pixels)
images = tf.data.Dataset.from_tensor_slices(np.zeros((64, 64, 64, 3), "uint8")).repeat()
images = images if unreadable == "skip" else images.batch(4)
data = pipeline.augment(images, engine=engine, unreadable=unreadable, initial_epoch=lambda: 0)
held = iter(data.prefetch(100_000))
next(held)
print("ends")
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", [("xla", "raise"), ("opencv", "raise"), ("opencv", "skip")])
def test_a_program_ends_with_an_iterator_that_is_half_read(case):
    if case[0] == "opencv":
        pytest.importorskip("cv2")
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *case],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["ends", "no more calls"]
    assert "Error" not in done.stderr


def test_what_is_under_way_is_waited_for_within_a_limit():
    calls, begun, hold = host_calls._Calls(), threading.Event(), threading.Event()

    def call():
        with calls:
            begun.set()
            hold.wait(30)

    thread = threading.Thread(target=call)
    thread.start()
    begun.wait(30)
    start = time.monotonic()
    calls.wait(quiet=0.05, patience=0.2)
    assert time.monotonic() - start >= 0.2
    threading.Timer(0.3, hold.set).start()
    calls.wait(quiet=0.05, patience=30)
    assert not thread.is_alive()
    assert 0.5 <= time.monotonic() - start < 20


def test_after_the_end_an_error_comes_without_python():
    seen = []
    data = tf.data.Dataset.range(2).map(
        lambda x: host_calls.host_call(lambda x: seen.append(1) or x, [x], tf.int64)
    )
    assert [int(x) for x in data] == [0, 1]
    goes_on = host_calls._goes_on()
    tf.raw_ops.AssignVariableOp(resource=goes_on, value=tf.constant(False))
    try:
        with pytest.raises(tf.errors.InvalidArgumentError, match="Python ends"):
            next(iter(data))
    finally:
        tf.raw_ops.AssignVariableOp(resource=goes_on, value=tf.constant(True))
    assert len(seen) == 2


def test_calls_one_after_the_other_are_made_by_one_thread(monkeypatch):
    """An allocator keeps memory for each thread that has asked for some."""
    monkeypatch.setattr(host_calls, "_idle", [])
    names = set()

    def call(number):
        names.add(threading.get_ident())
        return number

    for _ in range(8):
        data = tf.data.Dataset.range(16)
        data = data.map(lambda x: host_calls.host_call(call, [x], tf.int64), num_parallel_calls=1)
        assert list(data.as_numpy_iterator()) == list(range(16))
    assert len(names) == 1
    assert len(host_calls._idle) == 1


@pytest.mark.parametrize("error", [ValueError, tf.errors.DataLossError])
def test_errors_of_a_call_come_through(error):
    def call(_):
        raise error("of the call") if error is ValueError else error(None, None, "of the call")

    data = tf.data.Dataset.range(1).map(lambda x: host_calls.host_call(call, [x], tf.int64))
    with pytest.raises(tf.errors.OpError, match="of the call"):
        list(data)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded")
def test_a_process_that_is_forked_has_threads_of_its_own():
    if "jax" in sys.modules:
        pytest.skip("JAX warns of any fork")
    assert host_calls._on_own_thread(abs)(-1) == 1
    assert host_calls._idle
    if not (child := os.fork()):
        os._exit(len(host_calls._idle))
    assert os.waitpid(child, 0)[1] == 0


READS_ON = """
import ctypes
import numpy as np
import tensorflow as tf
from kerastricks.augment.kernels import buffers

room = buffers.empty((2 * buffers.LARGE,), "float32")
room[...] = 1
tensor = buffers.handed_over(room)
del room
sums = tf.data.Dataset.range(10**9).map(lambda n: tf.reduce_sum(tensor), num_parallel_calls=2)
held = iter(sums.prefetch(1000))
next(held)
for each in (held, held._iterator_resource, tensor):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
print("ends")
"""
WAITS = """
import os
import time
import tensorflow as tf
from kerastricks.augment.placement import host_calls, order

def source():
    yield 0
    time.sleep(1000)

ahead = order.Ahead(source, 1000.0)

def call(number):
    try:
        ahead.take()
    except RuntimeError:
        os.write(1, b"closed\\n")
        raise
    return number

numbers = tf.data.Dataset.range(8).map(lambda n: host_calls.host_call(call, [n], tf.int64))
held = iter(numbers.prefetch(4))
next(held)
time.sleep(0.5)
print("ends", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "said"), [(READS_ON, "ends\n"), (WAITS, "ends\nclosed\n")], ids=["reads on", "waits"]
)
def test_a_program_ends_while_memory_is_read_or_an_element_waited_for(script, said):
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stdout) == (0, said), done.stderr[-3000:]
