import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.rules.unnormalized_targets import (
    CRITICAL_SIZE,
    LARGE,
    LOSSES,
    MATCHING_DEVIATION,
    SMALL,
    UNEVEN,
    unnormalized_targets,
)

SIGNS = np.where(np.arange(64)[:, None] % 2, 1.0, -1.0)
FRESH = np.random.default_rng(0).normal(size=(64, 1))


@pytest.fixture
def judged(make, output):
    """Judges targets, and predictions of about 1, seen in the first step."""

    def judged(targets, prediction=None, loss="mean_squared_error", **changes):
        if prediction is None:
            prediction = np.repeat(FRESH, np.atleast_2d(targets).shape[-1], axis=1)
        outputs = (replace(output(prediction, targets, loss), **changes),)
        return list(unnormalized_targets([make.observation(outputs=outputs)]))

    return judged


@pytest.mark.parametrize("loss", LOSSES)
def test_progression_of_diabetes_is_sick_and_healthy_once_standardized(loss, judged):
    target = load_diabetes().target[:, None]
    (finding,) = judged(target, loss=loss)
    assert (finding.layer, finding.severity, finding.onset) == ("output", "critical", 0)
    assert finding.evidence["size"] == pytest.approx(np.sqrt(np.mean(target**2)))
    assert not judged((target - target.mean()) / target.std(), loss=loss)


def test_borders_of_size(judged):
    for size, severity in [
        (0.99 * LARGE, None),
        (1.01 * LARGE, "warning"),
        (0.99 * CRITICAL_SIZE, "warning"),
        (1.01 * CRITICAL_SIZE, "critical"),
        (1.01 * SMALL, None),
        (0.99 * SMALL, "warning"),
    ]:
        assert [f.severity for f in judged(size * SIGNS)] == [severity] * bool(severity)


def test_losses_without_the_targets_unit_do_not_mind(judged):
    for loss in ("mean_absolute_percentage_error", "poisson", "my_loss", None):
        assert not judged(1000 * SIGNS, loss=loss)


def test_only_outputs_known_to_be_linear_are_judged(judged):
    assert judged(1000 * SIGNS)
    assert not judged(1000 * SIGNS, activation=Activation("tanh"))
    assert not judged(1000 * SIGNS, known=False)
    assert not judged(1000 * SIGNS, target=None)


@pytest.mark.parametrize("name", ["relu", "softplus", "leaky_relu", "elu"])
def test_outputs_that_are_linear_from_some_point_on(name, judged):
    activation = Activation(name, rectifier=name == "relu")
    prices = 300 + 50 * SIGNS
    (finding,) = judged(prices, prediction=np.abs(FRESH), activation=activation)
    assert finding.severity == "critical"
    assert f"this {name} output" in finding.message
    assert "divided by their deviation" in finding.remedy
    assert not judged(1 + 0.5 * SIGNS, prediction=np.abs(FRESH), activation=activation)
    assert not judged(prices, prediction=300 + 40 * SIGNS, activation=activation)


def test_an_exponential_has_not_far_to_go(judged):
    """exp(6) is 400: its weights stay of order 1."""
    activation = Activation("exponential")
    assert not judged(300 + 50 * SIGNS, prediction=np.exp(FRESH), activation=activation)


class TestPredictionsThatMatch:
    def test_a_fitted_model_is_silent(self, judged):
        target = 150 + 77 * SIGNS
        assert judged(target)
        assert not judged(target, prediction=150 + 50 * SIGNS)
        small = 1e-3 * SIGNS
        assert judged(small)
        assert not judged(small, prediction=0.5 * small)

    def test_a_bias_at_the_mean_leaves_the_deviation(self, judged):
        at_mean = np.full((64, 1), 150.0)
        assert judged(150 + 5 * SIGNS)
        assert not judged(150 + 5 * SIGNS, prediction=at_mean)
        assert judged(150 + 77 * SIGNS, prediction=at_mean)

    def test_borders_of_the_deviation(self, judged):
        for factor, found in [(0.99, False), (1.01, True)]:
            for ratio in (factor * MATCHING_DEVIATION, 1 / (factor * MATCHING_DEVIATION)):
                prediction = 150 + 77 * ratio * SIGNS
                assert bool(judged(150 + 77 * SIGNS, prediction=prediction)) == found

    def test_wild_predictions_do_not_make_good_targets_bad(self, judged):
        """As under inputs of 0..255."""
        assert not judged(SIGNS, prediction=500 + 300 * SIGNS)

    def test_predictions_that_are_not_finite_say_nothing(self, judged):
        nothing = np.full((64, 1), np.nan)
        assert judged(150 + 77 * SIGNS, prediction=nothing)
        assert not judged(SIGNS, prediction=nothing)

    def test_predictions_of_another_width_say_nothing(self, judged):
        assert judged(150 + 77 * SIGNS[:, 0], prediction=np.tile(150 + 77 * SIGNS, 3))


class TestColumns:
    def test_the_largest_is_named(self, judged):
        (finding,) = judged(SIGNS * [1, 50, 2])
        assert "column 1" in finding.message
        assert finding.evidence["largest_columns"] == [1, 2, 0]

    def test_uneven_columns(self, judged):
        assert not judged(SIGNS * [1, 1.01 / UNEVEN])
        (finding,) = judged(SIGNS * [1, 0.99 / UNEVEN])
        assert finding.severity == "warning"

    def test_pictures_that_are_to_be_rebuilt(self, judged):
        random = np.random.default_rng(0)
        images = random.random((16, 8, 8, 3)) * (random.random((16, 8, 8, 3)) > 0.5)
        assert not judged(images.reshape(-1, 3))
        assert not judged(images.reshape(16, -1))

    def test_maps_that_are_zero_almost_everywhere_are_not_small(self, judged):
        maps = np.zeros((2**16, 1))
        maps[0] = 1
        assert np.sqrt(np.mean(maps**2)) < SMALL
        assert not judged(maps)
        assert not judged(np.zeros((64, 1)))


def test_only_the_first_observation_is_judged_also_when_resumed(make, output):
    outputs = (output(FRESH, 1000 * SIGNS, "huber"),)
    first = make.observation(9, outputs=outputs, at_start=False)
    assert [f.onset for f in unnormalized_targets([first])] == [9]
    assert not list(unnormalized_targets([first, first]))


def test_one_sample_tells_the_size(judged):
    assert judged(np.array([[200.0]]), prediction=np.array([[0.3]]))
    assert not judged(np.array([[2.0]]), prediction=np.array([[0.3]]))


def test_what_is_not_finite_is_left_out(judged):
    for value in (np.nan, np.inf):
        assert not judged(SIGNS * [1, value])
        assert not judged(SIGNS * [value])
        assert judged(SIGNS * [1000, value])[0].evidence["largest_columns"] == [0]


def test_the_evidence_fits_into_json(judged):
    (finding,) = judged(SIGNS * [1000, 1])
    evidence = json.loads(json.dumps(finding.to_dict()))["evidence"]
    assert evidence["ratio_of_columns"] == pytest.approx(1000)
