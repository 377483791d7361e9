import math

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis.observation import InputStatistics, NormalizationStatistics
from kerastricks.diagnosis.rules._answers import LOSS as LOSS_OF_CHANCE
from kerastricks.diagnosis.rules._answers import PREDICTIONS
from kerastricks.diagnosis.rules.poor_initialization import (
    GROWTH,
    LOSS,
    poor_initialization,
)

RANDOM = np.random.default_rng(0)
SPARSE, SQUARED = "sparse_categorical_crossentropy", "mean_squared_error"
TEN = math.log(10)


@pytest.fixture
def judged(make, columns):
    """Judges the start of a network whose inputs have size and deviation 1.

    `scales` are the deviations of its hidden layers, `gain` is that of the output's kernel. Notes
    are left out unless they are asked for.
    """

    def judged(
        scales, gain=1.0, *, outputs=(), size=1.0, activation=make.relu, notes=False, **changes
    ):
        inputs = RANDOM.normal(size=(1000, 5))
        inputs = size * (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
        layers = [
            make.layer(f"hidden_{i}", activation=activation, scale=scale)
            for i, scale in enumerate(scales)
        ]
        layers.append(make.layer("output", activation=None, head=True))
        parts = {
            "layers": layers,
            "weights": [make.kernel("output", norm=gain * math.sqrt(10))],
            "inputs": [InputStatistics("hidden_0", columns(inputs))],
            "outputs": outputs,
            **changes,
        }
        found = poor_initialization([make.observation(**parts)])
        return [each for each in found if (each.severity == "note") == notes]

    return judged


@pytest.fixture
def classes(output):
    """The output of a classifier of ten; a constant answer costs log(10)."""
    return (output(np.full((32, 10), 0.1), np.arange(32) % 10, SPARSE, "softmax"),)


@pytest.fixture
def numbers(output):
    """The output of a regression whose predictions are so many times the targets."""

    def numbers(times, mean=0.0, count=32):
        targets = RANDOM.normal(size=(count, 1)) + mean
        return (output(times * targets, targets, SQUARED),)

    return numbers


def test_two_layers_that_lose_the_signal(judged):
    edge = 1 / LOSS
    (finding,) = judged([0.9 * edge, (0.9 * edge) ** 2])
    assert (finding.layer, finding.onset, finding.severity) == ("hidden_0", 0, "warning")
    assert finding.evidence["ratio_last_to_first"] == pytest.approx((0.9 * edge) ** 2)
    (worse,) = judged([0.1 * edge, (0.1 * edge) ** 2])
    assert worse.severity == "critical"


def test_every_layer_must_lose_it(judged):
    """As with a bottleneck, or behind a pooling over all positions."""
    edge = 1 / LOSS
    assert not judged([1.1 * edge, 0.9 * 1.1 * edge**2])
    assert not judged([0.9 * edge, 1.1 * 0.9 * edge**2])
    assert not judged([0.01])
    assert judged([0.01, 0.0001])


def test_small_inputs_are_not_the_start(judged):
    assert judged([1e-4, 1e-6])
    assert not judged([1e-4, 1e-6], size=1e-4)


def test_layers_whose_outputs_do_not_vary_at_all_are_left_to_other_rules(judged):
    assert not judged([0.0, 0.0])


def test_saturated_layers_are_left_to_their_own_rule(judged, make):
    layers = [make.layer(f"hidden_{i}", make.tanh, scale=0.01**i) for i in range(1, 3)]
    assert judged([], layers=layers)
    stuck = [make.layer("hidden_0", make.tanh, scale=1e-6, events=1.0), *layers]
    assert not judged([], layers=stuck)


def test_a_first_loss_far_above_that_of_chance(judged, classes):
    """Two layers that amplify the signal, and a softmax that is sure of what it does not know."""
    (finding,) = judged([5.0, 50.0], outputs=classes, loss=1.01 * LOSS_OF_CHANCE * TEN)
    assert finding.layer == "hidden_1"
    assert finding.evidence["loss_of_a_constant_answer"] == pytest.approx(TEN)
    assert finding.evidence["growth"] == pytest.approx(50.0)
    assert not judged([5.0, 50.0], outputs=classes, loss=0.99 * LOSS_OF_CHANCE * TEN)
    for loss in (None, math.nan, math.inf):
        assert not judged([5.0, 50.0], outputs=classes, loss=loss)


def test_predictions_far_larger_than_the_targets(judged, numbers):
    (finding,) = judged([5.0, 50.0], outputs=numbers(1.01 * PREDICTIONS))
    ratio = finding.evidence["prediction_size"] / finding.evidence["target_size"]
    assert ratio == pytest.approx(1.01 * PREDICTIONS)
    assert not judged([5.0, 50.0], outputs=numbers(0.99 * PREDICTIONS))
    assert not judged([5.0, 50.0], outputs=numbers(100.0, count=4))
    assert not judged([5.0, 50.0])


def test_a_normalization_makes_large_layers_harmless(judged, classes, make):
    """The answers are sane, or what precedes the output has the size of the inputs again."""
    assert not judged([5.0, 50.0], outputs=classes, loss=1.2 * TEN)
    layers = [
        make.layer("large", scale=50.0),
        make.layer("normalization", activation=None, scale=1.0),
        make.layer("output", activation=None, head=True),
    ]
    assert not judged([], layers=layers, outputs=classes, loss=100.0)
    assert judged([], layers=layers[::2], outputs=classes, loss=100.0)


def test_absurd_answers_without_growth_are_not_the_start(judged, classes):
    """Inputs that are too large, or a loss that does not fit."""
    for scale, size, found in ((1.01, 1.0, True), (0.99, 1.0, False), (10.0, 20.0, False)):
        seen = judged([scale * GROWTH], outputs=classes, loss=100.0, size=size)
        assert bool(seen) == found


def test_absurd_answers_without_growth_are_noted_with_both_numbers(judged, classes):
    (note,) = judged([1.0], outputs=classes, loss=100.0, notes=True)
    assert note.evidence["first_loss"] == 100.0
    assert note.evidence["loss_of_a_constant_answer"] == pytest.approx(TEN)
    assert not judged([1.0], outputs=classes, loss=1.2 * TEN, notes=True)


def test_the_last_kernel_belongs_to_it(judged, classes):
    """A linear model with large weights has no hidden layer to blame."""
    (finding,) = judged([], gain=1.01 * GROWTH, outputs=classes, loss=100.0)
    assert finding.layer == "output"
    assert not judged([], gain=0.99 * GROWTH, outputs=classes, loss=100.0)
    assert not judged([50.0], gain=0.9 * GROWTH / 50, outputs=classes, loss=100.0)


def test_before_an_embedding_the_first_layer_stands_for_the_inputs(judged, classes):
    assert judged([0.1, 5.0], outputs=classes, loss=100.0, inputs=[])
    assert not judged([1.0, 5.0], outputs=classes, loss=100.0, inputs=[])


def test_an_epsilon_larger_than_the_variance_is_named(judged):
    def normalization(epsilon, variance):
        zeros, variances = np.zeros(10), np.full(10, variance)
        return NormalizationStatistics("norm", 0.1, epsilon, zeros, variances, zeros, np.ones(10))

    lost = [1e-3, 1e-6]
    (finding,) = judged(lost, normalizations=[normalization(1e3, 1.2)])
    assert "epsilon of norm to 1e-3" in finding.remedy
    for epsilon, variance in ((1e3, 2e3), (1e-3, 1e-9)):
        (finding,) = judged(lost, normalizations=[normalization(epsilon, variance)])
        assert "epsilon" not in finding.remedy


def test_softmax_in_hidden_layers(judged, make):
    softmax = make.layer().activation.__class__("softmax")
    (finding,) = judged(0.02 ** np.arange(6), activation=softmax)
    assert "LeakyReLU" in finding.remedy
    weights = [make.layer(f"scores_{i}", softmax, scale=0.02**i, source=None) for i in range(6)]
    assert not judged([], layers=weights)


@pytest.fixture
def audited():
    """Conditions that the checkup of a small classifier or regression finds, notes left out."""

    def audited(kernel, depth=2, *, units=3, activation="relu", between=None, **arguments):
        keras.utils.set_random_seed(0)
        x = np.random.default_rng(0).normal(size=(512, 20)).astype("float32")
        y = x[:, :3].argmax(axis=1) if units == 3 else x[:, :1] - x[:, 1:2]
        model = keras.Sequential([keras.Input((20,))])
        for _ in range(depth):
            model.add(keras.layers.Dense(32, kernel_initializer=kernel))
            if between:
                model.add(between(**arguments))
            model.add(keras.layers.Activation(activation))
        model.add(keras.layers.Dense(units, activation="softmax" if units == 3 else None))
        model.compile("adam", SPARSE if units == 3 else "mse")
        findings = kt.checkup(model, x, y).findings
        return {finding.condition for finding in findings if finding.severity != "note"}

    return audited


def normal(deviation):
    return keras.initializers.RandomNormal(stddev=deviation, seed=1)


@pytest.mark.compiling
@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("kernel", ["he_normal", "glorot_uniform"])
def test_shallow_networks_from_usual_starts_are_healthy(audited, kernel, units):
    assert not audited(kernel, units=units)


@pytest.mark.compiling
@pytest.mark.parametrize("units", [1, 3])
def test_shallow_networks_from_large_kernels_are_not(audited, units):
    assert audited(normal(3.0), units=units) == {"poor_initialization"}


@pytest.mark.compiling
def test_large_kernels_before_a_normalization_are_healthy(audited):
    assert not audited(normal(3.0), between=keras.layers.BatchNormalization)


@pytest.mark.compiling
def test_a_normalization_that_normalizes_nothing(audited):
    found = audited("he_normal", between=keras.layers.BatchNormalization, epsilon=1e3)
    assert "poor_initialization" in found
    assert not audited("he_normal", between=keras.layers.BatchNormalization, epsilon=1e-3)


@pytest.mark.compiling
def test_softmax_between_the_layers_of_a_deep_network(audited):
    assert "poor_initialization" in audited("glorot_uniform", depth=4, activation="softmax")
