import numpy as np
import pytest

from kerastricks.diagnosis.observation import DropoutStatistics
from kerastricks.diagnosis.rules.dropout_variance_shift import (
    MINIMUM_EXAMPLES,
    NOTE_SHIFT,
    SHIFT,
    VARYING,
    dropout_variance_shift,
)
from kerastricks.theory import dropout_variance_shift as theory


def dropout(rate=0.5, mean=0.0, variance=1.0, units=10, **changes):
    values = {
        "path": "dropout",
        "rate": rate,
        "normalization": "bn",
        "between": (),
        "mean": np.broadcast_to(np.asarray(mean, float), (units,)),
        "variance": np.broadcast_to(np.asarray(variance, float), (units,)),
    }
    return DropoutStatistics(**{**values, **changes})


@pytest.fixture
def judged(make):
    """Judges the first step of a model with these dropouts."""

    def judged(*dropouts, **changes):
        return list(dropout_variance_shift([make.observation(dropouts=dropouts, **changes)]))

    return judged


@pytest.mark.parametrize(
    ("rate", "mean", "variance"), [(0.5, 0, 1), (0.45, 0.4, 0.34), (0.3, 2, 1)]
)
@pytest.mark.parametrize("between", [(), ("dense",)])
def test_equal_units_shift_as_the_theory_says(judged, rate, mean, variance, between):
    (finding,) = judged(dropout(rate, mean, variance, between=between))
    assert finding.evidence["shift"] == pytest.approx(theory(1 - rate, mean, variance), rel=1e-12)
    assert (finding.layer, finding.severity, finding.onset) == ("bn", "warning", 0)
    assert finding.evidence["dropout"] == "dropout"
    assert "recalibrate_batch_norm" in finding.remedy


@pytest.mark.parametrize(
    ("shift", "severities"),
    [
        (SHIFT - 0.01, ["warning"]),
        (SHIFT + 0.01, ["note"]),
        (NOTE_SHIFT - 0.01, ["note"]),
        (NOTE_SHIFT + 0.01, []),
    ],
)
def test_how_far_is_how_grave(judged, shift, severities):
    """Around zero, the shift is the share that is kept."""
    assert [each.severity for each in judged(dropout(1 - shift))] == severities


def test_the_border_lies_between_usual_rates():
    """A rate of 0.3 behind ReLU, or of 0.4 around zero, is a note; 0.4 and 0.5 are warnings."""
    rectified = 1 / np.sqrt(2 * np.pi), 0.5 - 0.5 / np.pi
    for moments, below, above in ((rectified, 0.3, 0.4), ((0.0, 1.0), 0.4, 0.5)):
        assert NOTE_SHIFT > theory(1 - below, *moments) > 1.05 * SHIFT
        assert theory(1 - above, *moments) < 0.95 * SHIFT


def test_the_measured_shift_of_random_sums_is_the_estimated_one(judged):
    """ReLU outputs, dropped, through a kernel of random weights: variances taken by sampling."""
    random = np.random.default_rng(0)
    x = np.maximum(random.normal(size=(4000, 64)) * random.uniform(0.5, 2, 64) + 0.3, 0)
    kernel = random.normal(size=(64, 200))
    keep = 0.6
    dropped = x * (random.random(x.shape) < keep) / keep
    measured = np.mean(np.var(x @ kernel, axis=0)) / np.mean(np.var(dropped @ kernel, axis=0))
    (finding,) = judged(dropout(1 - keep, x.mean(0), x.var(0), units=64, between=("dense",)))
    # 200 sums of 64 terms: each variance of random weights has a standard error of about
    # sqrt(2 / 64), and so their mean one of 1.3 %, twice.
    assert finding.evidence["shift"] == pytest.approx(measured, rel=4 * 0.013 * 2**0.5)


def test_units_that_do_not_vary_are_not_counted_directly_behind(judged):
    """A unit that is always 5 has no variance at inference, and a dead one none at all."""
    mean = np.r_[np.full(4, 5.0), np.zeros(6)]
    variance = np.r_[np.zeros(2), np.full(2, VARYING), np.zeros(3), np.ones(3)]
    (finding,) = judged(dropout(0.5, mean, variance))
    assert (finding.evidence["units"], finding.evidence["shift"]) == (3, 0.5)
    assert not judged(dropout(0.5, mean, 0.0))


def test_through_a_kernel_constant_units_add_noise(judged):
    """Two units: one of variance 1 around 0, one that is always 1: 1 / (2 + 1)."""
    given = dropout(0.5, [0.0, 1.0], [1.0, 0.0], units=2, between=("dense",))
    (finding,) = judged(given)
    assert finding.evidence["shift"] == pytest.approx(1 / 3)
    assert "through dense" in finding.message


def test_one_odd_unit_is_no_shift(judged):
    assert not judged(dropout(0.1, mean=np.r_[50.0, np.zeros(9)]))


def test_rates_that_change_nothing(judged):
    assert not judged(dropout(0.0))
    assert not judged(dropout(1.0))


def test_the_worst_dropout_in_front_of_a_normalization_is_named(judged):
    dropouts = [dropout(rate, path=f"dropout_{rate}") for rate in (0.3, 0.5, 0.4)]
    (finding,) = judged(*dropouts)
    assert finding.evidence["dropout"] == "dropout_0.5"


def test_every_normalization_is_judged_by_itself(judged):
    findings = judged(dropout(), dropout(0.45, normalization="other"), dropout(0.1, path="third"))
    assert [finding.layer for finding in findings] == ["bn", "other"]


def test_it_is_judged_once(make):
    assert not list(dropout_variance_shift(make.window(5, dropouts=(dropout(),))))


def test_what_came_after_the_first_looks_is_not_read(make):
    first, last = make.window(2, dropouts=(dropout(),))
    assert not list(dropout_variance_shift([first, None, None, last]))


def test_small_batches_are_put_together(make):
    """Batches of one example have no variance; together they have that of their means."""
    values = np.random.default_rng(0).normal(size=(MINIMUM_EXAMPLES, 10))
    window = [
        make.observation(i, layers=[make.layer(samples=1)], dropouts=(dropout(0.5, x, 0.0),))
        for i, x in enumerate(values)
    ]
    found = [list(dropout_variance_shift(window[: i + 1])) for i in range(len(window))]
    assert not any(found[:-1])
    (finding,) = found[-1]
    expected = [theory(0.5, m, v) for m, v in zip(values.mean(0), values.var(0), strict=True)]
    assert finding.evidence["shift"] == pytest.approx(np.median(expected))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_units_that_are_not_finite_are_passed_over(judged, bad):
    """One sick unit does not hide the others, and does not count among them."""
    odd = np.r_[bad, np.zeros(9)]
    for between in ((), ("dense",)):
        (finding,) = judged(dropout(0.5, odd, between=between))
        assert finding.evidence["units"] == 9
        assert not judged(dropout(0.5, bad, bad, between=between))
        assert not judged(dropout(0.1, odd, 1 + odd, between=between))


def test_nothing_to_judge(judged, make):
    assert not judged()
    assert not judged(dropout(), layers=[])
