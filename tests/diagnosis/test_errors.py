"""Errors in one line, and tracebacks as they are without the doctor."""

import traceback

import keras
import pytest

from kerastricks.diagnosis.errors import LONGEST, in_short, without_own_frames

TENSORFLOW = """Graph execution error:

Detected at node loss/SparseSoftmax defined at (most recent call last):
  File "/home/user/train.py", line 221, in <module>

  File "/env/keras/src/trainer.py", line 117, in fit

Received a label value of 3 which is outside the valid range of [0, 3).  Label values: 3 1
\t [[{{node loss/SparseSoftmax}}]] [Op:__inference_multi_step_247]"""
GENERATOR = """Graph execution error:

Detected at node PyFunc defined at (most recent call last):
<stack traces unavailable>
RuntimeError: the data ran out
Traceback (most recent call last):

  File "/home/user/train.py", line 3, in batches
    raise RuntimeError("the data ran out")

RuntimeError: the data ran out


\t [[{{node PyFunc}}]]"""
LAYER = """Exception encountered when calling Own.call().

\x1b[1mhad enough\x1b[0m

Arguments received by Own.call():
  • args=('tf.Tensor(shape=(16, 8), dtype=float32)',)"""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("", "ValueError"),
        ("no such class.", "ValueError: no such class"),
        ("two\nlines", "ValueError: two lines"),
        (LAYER, "ValueError: Exception encountered when calling Own.call(). had enough"),
        (GENERATOR, "ValueError: RuntimeError: the data ran out"),
        (
            TENSORFLOW,
            "ValueError: Received a label value of 3 which is outside the valid range of [0, 3).  "
            "Label values: 3 1",
        ),
        ("{{function_node __wrapped__X_device_/cpu}} bad [Op:X]", "ValueError: bad"),
        ("x" * 2 * LONGEST, f"ValueError: {'x' * LONGEST}…"),
    ],
)
def test_an_error_is_told_in_one_line_without_stack_traces(message, told):
    assert in_short(ValueError(message)) == told


@pytest.fixture
def raised():
    """An error that has passed a function of the diagnosis."""
    from kerastricks.diagnosis.later import Later

    def make():
        raise RuntimeError("no items")

    with pytest.raises(RuntimeError) as caught:
        list(Later(make))
    return caught.value


def names(trace):
    return [frame.name for frame in traceback.extract_tb(trace)]


def test_functions_of_the_diagnosis_are_left_out_of_a_traceback(raised):
    before = names(raised.__traceback__)
    assert {"__iter__", "_made"} <= set(before)
    left = names(without_own_frames(raised.__traceback__))
    assert left == [name for name in before if name not in ("__iter__", "_made")]
    assert left[-1] == "make"


def test_who_wants_to_see_everything_does(raised):
    keras.config.disable_traceback_filtering()
    try:
        assert without_own_frames(raised.__traceback__) is raised.__traceback__
    finally:
        keras.config.enable_traceback_filtering()
    assert without_own_frames(None) is None
