"""What is remembered of a run, as JSON and back: plain values, arrays, and records of this package.

A file can thereby ask for no class but those that are listed here, and for no code.
"""

import base64
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import (
    ColumnStatistics,
    Epoch,
    LayerStatistics,
    Loss,
    Observation,
    OutputStatistics,
    WeightStatistics,
)
from kerastricks.diagnosis.timeline import Moment

RECORDS = {
    kind.__name__: kind
    for kind in (
        Activation,
        ColumnStatistics,
        Epoch,
        Finding,
        LayerStatistics,
        Loss,
        Moment,
        Observation,
        OutputStatistics,
        WeightStatistics,
    )
}
_NUMBERS = "biuf"
"""Kinds of arrays: booleans, whole numbers, floats."""


def encoded(value: Any) -> Any:
    """A value in JSON's types; exact, NaN and infinity included.

    Raises:
        TypeError: If it holds something else.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in _NUMBERS:
        data = base64.b64encode(value.tobytes()).decode()
        return {"array": [value.dtype.str, list(value.shape), data, isinstance(value, np.generic)]}
    if isinstance(value, dict):
        return {"dict": [[encoded(name), encoded(each)] for name, each in value.items()]}
    if isinstance(value, list):
        return [encoded(each) for each in value]
    if isinstance(value, set):
        return {"set": [encoded(each) for each in value]}
    if type(value).__name__ in RECORDS and is_dataclass(value):
        parts = {each.name: encoded(getattr(value, each.name)) for each in fields(value)}
        return {"record": [type(value).__name__, parts]}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return {"tuple": [encoded(each) for each in value]}
    raise TypeError(f"{type(value).__name__} is not written to files: {value!r}")


def decoded(value: Any) -> Any:
    """What `encoded` was given.

    Raises:
        Exception: If it was given nothing of the kind.
    """
    if isinstance(value, list):
        return [decoded(each) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "array":
        return _array(*held)
    if kind == "record":
        name, parts = held
        return RECORDS[name](**{each: decoded(part) for each, part in parts.items()})
    if kind == "dict":
        return {decoded(name): decoded(each) for name, each in held}
    makers: dict[str, Any] = {"set": set, "tuple": tuple}
    return makers[kind](decoded(each) for each in held)


def _array(dtype: str, shape: list[int], data: str, scalar: bool) -> Any:
    kind = np.dtype(dtype)
    raw = base64.b64decode(data, validate=True)
    if kind.kind not in _NUMBERS or len(raw) != kind.itemsize * math.prod(shape):
        raise ValueError(f"is no array of numbers: {dtype!r}, {shape!r}")
    array = np.frombuffer(raw, kind).reshape(shape).copy()
    return array[()] if scalar else array
