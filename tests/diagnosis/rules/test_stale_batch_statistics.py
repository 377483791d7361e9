import math
from dataclasses import replace

import numpy as np
import pytest

from kerastricks.diagnosis.observation import NormalizationStatistics
from kerastricks.diagnosis.rules.stale_batch_statistics import (
    CRITICAL_DISTANCE,
    CRITICAL_RATIO,
    DISTANCE,
    MINIMUM_EXAMPLES,
    MINIMUM_LOOKS,
    RATIO,
    stale_batch_statistics,
)


def layer(mean=0.0, variance=1.0, *, moving_mean=0.0, moving_variance=1.0, channels=10, **changes):
    """A layer that sees this mean and variance; epsilon is left out unless it is given."""
    numbers = {
        "batch_mean": mean,
        "batch_variance": variance,
        "moving_mean": moving_mean,
        "moving_variance": moving_variance,
    }
    numbers = {k: np.broadcast_to(np.asarray(v, float), (channels,)) for k, v in numbers.items()}
    return NormalizationStatistics(
        **{"path": "bn", "alpha": 0.01, "epsilon": 0.0} | numbers | changes
    )


@pytest.fixture
def judged(make):
    """Judges a run, of these layers or one layer throughout, when its averages are used."""

    def judged(
        given,
        *,
        count=8,
        closing=True,
        over=True,
        made=None,
        examples=32,
        at_start=True,
        start=0,
        gap=1,
    ):
        given = given if isinstance(given, list) else [given] * count
        examples = examples if isinstance(examples, list) else [examples] * len(given)
        window = [
            make.observation(
                start + i * gap,
                normalizations=(each,) if isinstance(each, NormalizationStatistics) else each,
                layers=[make.layer(samples=n)],
                at_start=at_start and i == 0,
            )
            for i, (each, n) in enumerate(zip(given, examples, strict=True))
        ]
        window[-1] = replace(window[-1], closing=closing, over=over, made=made)
        return list(stale_batch_statistics(window))

    return judged


def course(steps, mean=0.0, variance=1.0, alpha=0.01, gap=1, **changes):
    """The averages from their start on, for batches that do not change: in closed form."""
    left = (1 - alpha) ** np.arange(0, steps, gap)
    return [
        layer(
            mean,
            variance,
            moving_mean=(1 - share) * mean,
            moving_variance=share + (1 - share) * variance,
            alpha=alpha,
            **changes,
        )
        for share in left
    ]


@pytest.mark.parametrize("sign", [-1, 1])
def test_means_that_are_off(judged, sign):
    far, near = (layer(sign * math.sqrt(DISTANCE * d) * 2, 4.0) for d in (1.01, 0.99))
    (finding,) = judged([replace(each, moving_variance=each.batch_variance) for each in [far] * 8])
    assert (finding.layer, finding.severity, finding.onset) == ("bn", "warning", 0)
    assert finding.evidence["squared_distance"] == pytest.approx(DISTANCE * 1.01)
    assert not judged(replace(near, moving_variance=near.batch_variance))


@pytest.mark.parametrize("power", [-1, 1])
def test_variances_that_are_off(judged, power):
    (finding,) = judged(layer(variance=(RATIO * 1.01) ** power))
    assert finding.evidence["variance_ratio"] == pytest.approx(RATIO * 1.01)
    assert not judged(layer(variance=(RATIO * 0.99) ** power))


def test_far_off_is_critical(judged):
    for bound, off in (
        (CRITICAL_DISTANCE, lambda d: layer(math.sqrt(d))),
        (CRITICAL_RATIO, lambda r: layer(variance=r)),
    ):
        assert judged(off(bound * 1.01))[0].severity == "critical"
        assert judged(off(bound * 0.99))[0].severity == "warning"


def test_only_averages_that_are_used_are_judged(judged):
    sick = layer(3.0)
    assert judged(sick)
    assert not judged(sick, closing=False)


def test_the_default_forgets_its_start_in_some_hundred_steps(judged):
    """Of a mean of 2 deviations, 0.99^50 leaves 1.2 after 50 steps, and 0.99^300 leaves 0.1."""
    (finding,) = judged(course(51, mean=2.0))
    assert finding.evidence["start_left"] == pytest.approx(0.99**50)
    assert "after 50 steps they still hold 61% of where they began" in finding.message
    assert not judged(course(300, mean=2.0))


def test_a_start_that_is_still_being_forgotten_is_a_note(judged):
    """Keras' default, at the validation of an early epoch; what trails for good is no note."""
    (finding,) = judged(course(51, mean=2.0), over=False)
    assert finding.severity == "note"
    trailing = [layer(i / 3, moving_mean=max(0.0, i / 3 - 5)) for i in range(600)]
    assert judged(trailing, over=False)[0].severity != "note"


def test_a_start_that_has_been_forgotten_since_the_last_look_is_none(judged):
    """1 % of it is left after 459 steps."""
    assert not judged(course(51, mean=2.0), made=460)
    assert judged(course(51, mean=2.0), made=300)
    trailing = [layer(i / 3, moving_mean=max(0.0, i / 3 - 5)) for i in range(600)]
    assert judged(trailing, made=5000)


def test_the_proposed_alpha_forgets_the_start_in_as_many_steps(judged):
    """1 - alpha to the 50th is 1 %: alpha is 0.088, and with it there is nothing to find."""
    (finding,) = judged(course(51, mean=2.0))
    assert "kt.layers.BatchNormalization(alpha=0.088)" in finding.remedy
    assert 'average="debiased"' in finding.remedy
    assert not judged(course(51, mean=2.0, alpha=0.088))


def test_a_small_variance_behind_the_start(judged):
    """5 % left of 1 beside a variance of 0.005: inference divides by three times too much."""
    (finding,) = judged(course(300, variance=0.005, epsilon=1e-5))
    assert finding.evidence["variance_ratio"] > RATIO
    assert "they still hold 5%" in finding.message


def test_weights_that_run_ahead_of_the_averages(judged):
    """No start is left; the mean moves a third of a deviation a step, and the averages trail."""
    moving = [layer(i / 3, moving_mean=max(0.0, i / 3 - 5)) for i in range(600)]
    (finding,) = judged(moving)
    assert "move faster than alpha=0.01 follows" in finding.message
    assert finding.remedy.startswith("Measure them anew: kt.surgery.recalibrate_batch_norm")


def test_a_model_trained_before_did_not_begin_at_zero(judged):
    (finding,) = judged(layer(3.0), at_start=False)
    assert finding.evidence["start_left"] == 0.0
    assert "they still hold" not in finding.message


def test_onset_is_where_the_unbroken_run_began(judged):
    well, sick = layer(), layer(3.0)
    (finding,) = judged([sick, *[well] * 5, *[sick] * 4], gap=10)
    assert finding.onset == 60
    assert not judged([*[sick] * 8, well])
    assert not judged([*[well] * 8, *[sick] * (MINIMUM_LOOKS - 1)])


def test_the_median_of_the_newest_is_told(judged):
    (finding,) = judged([*[layer(9.0)] * 20, *[layer(2.0)] * 6, layer(30.0)])
    assert finding.evidence["squared_distance"] == pytest.approx(4.0)


@pytest.mark.parametrize("examples", [MINIMUM_EXAMPLES, 32, 200])
def test_noise_of_the_batches_is_not_stale(judged, examples):
    """Averages that are exact, beside mean and variance of as many normal samples."""
    random = np.random.default_rng(0)
    for _ in range(50):
        x = random.normal(size=(MINIMUM_LOOKS, examples, 64))
        looks = [layer(each.mean(0), each.var(0), channels=64) for each in x]
        assert not judged(looks, examples=examples, start=500)


def test_a_short_last_batch_is_passed_over(judged):
    """What is left of the data makes a batch of one: no variance, and any mean."""
    odd = layer(50.0, 0.0)
    assert not judged([*[layer()] * 8, odd], examples=[*[32] * 8, 1])
    (finding,) = judged([*[layer(3.0)] * 8, layer()], examples=[*[32] * 8, 1])
    assert finding.evidence["observations"] == 8
    assert not judged(layer(3.0), examples=MINIMUM_EXAMPLES - 1)


def test_channels_that_hardly_vary_may_be_divided_by_anything(judged):
    """Pixels that are always zero: their average variance still holds much of its start."""
    variance = np.r_[np.zeros(5), np.ones(5)]
    moving = np.r_[np.full(5, 0.3), np.ones(5)]
    assert not judged(layer(0.0, variance, moving_variance=moving, epsilon=1e-3))
    # Their mean, however, shifts what they put out.
    shifted = layer(np.r_[np.ones(5), np.zeros(5)], variance, moving_variance=moving, epsilon=1e-3)
    assert judged(shifted)


def test_one_finding_a_layer(judged):
    layers = tuple(replace(layer(3.0), path=f"bn{i}") for i in range(3))
    layers = (*layers, replace(layer(), path="well"))
    assert [finding.layer for finding in judged([layers] * 5)] == ["bn0", "bn1", "bn2"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_not_judged(judged, bad):
    assert not judged(layer(bad))
    assert not judged(layer(0.0, bad))
    assert not judged(layer(moving_mean=bad, moving_variance=bad))
    one = np.r_[bad, np.zeros(9)]
    assert not judged(layer(one))
    assert judged(layer(one + 3.0))


def test_nothing_to_judge(judged, make):
    assert not judged([()] * 5)
    assert not judged([*[()] * 5, (layer(3.0),)])
    window = [make.observation(i, layers=[], closing=True) for i in range(5)]
    assert not list(stale_batch_statistics(window))


def test_before_the_averages_are_used_nothing_is_read(make):
    assert not list(stale_batch_statistics([None, None, make.observation(2)]))
