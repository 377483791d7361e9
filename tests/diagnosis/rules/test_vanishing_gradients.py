import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis.rules.vanishing_gradients import vanishing_gradients


@pytest.fixture
def lost(make):
    """Names the layers found at one look at kernels, given as norm and gradient."""

    def lost(*kernels):
        weights = [
            make.kernel(f"layer{i}", norm=norm, gradient=gradient)
            for i, (norm, gradient) in enumerate(kernels)
        ]
        seen = [make.observation(weights=weights)]
        return [finding.layer for finding in vanishing_gradients(seen, minimum_looks=1)]

    return lost


def test_a_head_that_starts_at_zero_holds_the_signal_back(lost):
    assert lost((3.0, 0.0), (3.0, 0.0)) == ["layer0", "layer1"]
    assert lost((3.0, 0.0), (3.0, 0.0), (0.0, 0.0)) == ["layer0", "layer1"]
    assert not lost((3.0, 0.0), (3.0, 0.0), (0.0, 1.0))


def test_a_branch_that_starts_at_zero_does_so_for_the_layers_before_it(lost):
    """As in a residual block at the input, or beside a second head."""
    assert lost((3.0, 0.0), (3.0, 1.0)) == ["layer0"]
    assert not lost((3.0, 0.0), (0.0, 1.0), (3.0, 1.0))
    assert lost((0.0, 1.0), (3.0, 0.0), (3.0, 1.0)) == ["layer1"]


def test_what_gets_some_gradient_is_judged_in_spite_of_a_start_at_zero(lost):
    """It comes through a path around the zeros."""
    assert lost((3.0, 1e-9), (0.0, 1.0), (3.0, 1.0)) == ["layer0"]
    assert lost((3.0, 0.0), (0.0, 1.0), (3.0, 1e-9), (3.0, 1.0)) == ["layer2"]


@pytest.mark.compiling
def test_a_model_whose_head_starts_at_zero_is_healthy_at_a_checkup():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
    hidden = [keras.layers.Dense(16, "relu", kernel_initializer="he_normal") for _ in range(2)]
    head = keras.layers.Dense(3, "softmax", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((8,)), *hidden, head])
    model.compile("adam", "sparse_categorical_crossentropy")
    report = kt.checkup(model, x, np.arange(256) % 3)
    assert report.observed
    assert report.healthy, report.summary()
