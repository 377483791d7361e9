"""The activation functions against the real TensorFlow Addons."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import kerastricks.addons as tfa

UNIT = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
"""The distance from 1 to the next number."""

DIFFERENCES = {
    "softshrink/extreme": "NaN becomes 0 there",
    "softshrink-bounds/extreme": "NaN becomes 0 there",
    "softshrink-positive/extreme": "NaN becomes 0 there",
    "snake/extreme": "half precision: 2 * x overflows nowhere, but 1e4 is past what cos reduces",
    "sparsemax-1/large": "sums of large logits drown 1 there",
    "sparsemax-1/undefined": "of a slice with an infinite logit, only some outputs are NaN there",
}


def cases():
    path = Path(__file__).parent / "oracle" / "activations.py"
    spec = importlib.util.spec_from_file_location("oracle_activations", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ours():
    return cases().compute(tfa)


def test_every_case(ours, oracle):
    real = oracle("activations")
    assert set(ours) == set(real)
    wrong, differing = [], set()
    for key, value in ours.items():
        name, which, dtype = key.split("/")[:3]
        # A few roundings on the way; functions are sums and products of numbers up to |x|.
        scale = np.nanmax(np.abs(np.where(np.isfinite(real[key]), real[key], 0)), initial=1)
        tolerance = {"rtol": 8 * UNIT[dtype], "atol": 8 * UNIT[dtype] * scale}
        assert value.dtype == real[key].dtype, key
        same = np.allclose(value, real[key], equal_nan=True, **tolerance)
        if f"{name}/{which}" in DIFFERENCES:
            differing |= set() if same else {f"{name}/{which}"}
        elif not same:
            wrong.append((key, value, real[key]))
    assert wrong == []
    assert differing == set(DIFFERENCES)
