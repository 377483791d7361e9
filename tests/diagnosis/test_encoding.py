"""What is remembered comes back exactly as it was, and a file asks for nothing else."""

import json

import numpy as np
import pytest

from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.encoding import decoded, encoded
from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.later import Later
from kerastricks.diagnosis.observation import Loss
from kerastricks.diagnosis.timeline import Moment

EVIDENCE = {"a": float("nan"), "b": (None, True, -0.0), "c": [np.float64(0.1), {"d": 2**70}]}
VALUES = [
    None, True, 0, -(2**80), 0.1, float("nan"), float("-inf"), "text \u2603", [], (), {}, set(),
    [1, (2, [3, ()])], {("key", None): [1], ("key", "layer"): (2, 3)}, {("a", None), ("b", "c")},
    np.array([]), np.zeros((2, 0), "float32"), np.array([[np.nan, -np.inf], [0.1, -0.0]]),
    np.array([True, False]), np.arange(3), np.float32(0.1), np.bool_(True), np.array(2.5),
    Activation("relu", rectifier=True), Loss("mse"),
    Moment(3, 0.5, {"l": 0.1}, {"l": np.ones(3, "float32")}, {"l": 1.0}, {"l/k": float("inf")}),
    Finding("non_finite", None, "critical", 3, "message", "remedy", EVIDENCE),
]  # fmt: skip


def through_a_file(value):
    return decoded(json.loads(json.dumps(encoded(value))))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_it_comes_back_as_it_was(value):
    back = through_a_file(value)
    assert type(back) is type(value)
    if isinstance(value, Finding):  # equal by identity alone
        back, value = vars(back), vars(value)
    if isinstance(value, set):  # without an order
        assert back == value
        return
    assert repr(back) == repr(value)
    if isinstance(value, np.ndarray | np.generic):
        assert back.dtype == value.dtype
        assert back.tobytes() == value.tobytes()


def test_what_is_made_later_comes_back_as_a_tuple():
    assert through_a_file(Later(lambda: [1, 2])) == (1, 2)


def test_what_changes_after_a_run_went_on_can_be_changed():
    back = through_a_file(np.zeros(3))
    back[0] = 1


@pytest.mark.parametrize("value", [object(), b"bytes", np.array(["text"]), 1j, np.array([None])])
def test_nothing_else_is_written(value):
    with pytest.raises(TypeError, match="is not written to files"):
        encoded([value])


@pytest.mark.parametrize(
    "value",
    [
        {"record": ["Path", {}]},
        {"record": ["Moment", {"color": 1}]},
        {"eval": "1"},
        {"set": [], "tuple": []},
        {"array": ["|O", [1], "AAAAAAAAAAA=", False]},
        {"array": ["<f8", [1000000000], "AAAAAAAAAAA=", False]},
        {"array": ["<f8", [1], "no base64", False]},
    ],
)
def test_a_file_cannot_ask_for_anything_else(value):
    with pytest.raises(Exception):  # noqa: B017, PT011
        decoded(value)
