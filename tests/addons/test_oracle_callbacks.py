"""The callbacks do what those of the real TensorFlow Addons do."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import kerastricks.addons as tfa

SPEC = importlib.util.spec_from_file_location(
    "oracle_callbacks", Path(__file__).parent / "oracle" / "callbacks.py"
)
cases = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(cases)


@pytest.mark.parametrize("name", sorted(cases.CASES))
def test_it_does_what_the_real_one_does(name, oracle):
    ours, real = cases.CASES[name](tfa), oracle("callbacks")[name]
    if ours.dtype.kind == "U":
        assert ours.tolist() == real.tolist()
    else:
        np.testing.assert_allclose(ours, real, rtol=1e-5, atol=1e-5)
