"""The activation functions against the real TensorFlow Addons."""

import importlib.util
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

import kerastricks.addons as tfa

UNIT = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
"""The distance from 1 to the next number."""

FLOAT32 = "the real one's constants pass through float32"
DIFFERENCES = {
    "gelu-exact/*/float64": FLOAT32,
    "rrelu/*/float64": FLOAT32,
    "rrelu-inference/*/float64": FLOAT32,
    "softshrink*/extreme/*": "NaN becomes 0 there",
    "sparsemax-1/far/*": "sums of large logits lose digits there",
    "sparsemax-1/large/*": "sums of large logits drown 1 there",
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
        dtype = key.split("/")[2]
        assert value.dtype == real[key].dtype, key
        # Derivatives are sums of some products whose factors are good to a few units.
        scale = np.abs(real[key][np.isfinite(real[key])]).max(initial=1)
        unit = 32 * UNIT[dtype]
        same = np.allclose(value, real[key], rtol=unit, atol=unit * scale, equal_nan=True)
        pattern = next((p for p in DIFFERENCES if fnmatch(key.removesuffix("/gradient"), p)), None)
        if pattern is None and not same:
            wrong.append((key, value, real[key]))
        if pattern is not None and not same:
            differing.add(pattern)
    assert wrong == []
    assert differing == set(DIFFERENCES)
