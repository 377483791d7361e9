"""The optimizers and schedules do what those of the real TensorFlow Addons do."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

SPEC = importlib.util.spec_from_file_location(
    "oracle_optimizers", Path(__file__).parent / "oracle" / "optimizers.py"
)
cases = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(cases)

DIFFERENCES = {
    "swa before": "TensorFlow Addons sets all weights to zero where no point is taken yet",
    "moving average shadow": "TensorFlow Addons starts the averages from zero after `shadow_copy`",
}
"""Case -> where the real one is wrong."""


TOLERANCES = {
    # Rates and betas are float32 in the real one, also where weights are not, and it loses digits
    # where it subtracts powers of them from 1.
    "radam": 2e-5,
    # 12 steps of a network, each of which starts from the rounding of the one before.
    "training": 1e-4,
}


@pytest.mark.parametrize("name", sorted(set(cases.CASES) - set(DIFFERENCES)))
def test_it_does_what_the_real_one_does(name, oracle):
    if name == "training multi" and not hasattr(tfa.optimizers, "MultiOptimizer"):
        pytest.skip("this Keras has no MultiOptimizer")
    if ("float64" in name or name == "ranger") and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is told to")
    tolerance = TOLERANCES.get(name.split()[0], 1e-5)
    ours = cases.CASES[name](tfa)
    np.testing.assert_allclose(ours, oracle("optimizers")[name], rtol=tolerance, atol=tolerance)


def test_where_the_real_one_is_wrong_ours_is_right(oracle):
    for name in DIFFERENCES:
        ours, real = cases.CASES[name](tfa), oracle("optimizers")[name]
        np.testing.assert_allclose(ours[:-1], real[:-1], rtol=1e-6, atol=1e-6)
        assert np.abs(ours[-1] - real[-1]).max() > 1e-3
    ours, real = cases.CASES["swa before"](tfa), oracle("optimizers")["swa before"]
    assert not real[-1].any()
    np.testing.assert_array_equal(ours[-1], ours[-2])
