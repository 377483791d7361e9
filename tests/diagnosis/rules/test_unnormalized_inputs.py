import json

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from kerastricks.diagnosis.observation import InputStatistics
from kerastricks.diagnosis.rules.unnormalized_inputs import (
    AWAY,
    CRITICAL_SIZE,
    CRITICAL_UNEVEN,
    FAR_OFF_CENTER,
    LARGE,
    OFF_CENTER,
    SMALL,
    SMALL_ENTRY,
    UNEVEN,
    unnormalized_inputs,
)


@pytest.fixture
def judged(make, columns):
    """Judges data in front of the first kernel, seen in the first step."""

    def judged(data, normalization=None, **changes):
        seen = columns(data, **changes)
        inputs = (InputStatistics("hidden", seen, normalization),)
        return list(unnormalized_inputs([make.observation(inputs=inputs)]))

    return judged


def signs(*sizes, count=64):
    """Columns of +size and -size: mean 0, and deviation, half range and size all the same."""
    return np.where(np.arange(count)[:, None] % 2, 1.0, -1.0) * np.asarray(sizes)


def batches(data, size=32, count=20):
    random = np.random.default_rng(0)
    return [data[random.permutation(len(data))[:size]] for _ in range(count)]


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_measurements_in_their_own_units_are_sick_and_healthy_once_standardized(load, judged):
    data = load().data
    for batch in batches(data):
        (finding,) = judged(batch)
        assert finding.severity == "critical"
        assert "Normalization()" in finding.remedy
        assert not finding.evidence["pixels"]
        assert not judged((batch - data.mean(axis=0)) / data.std(axis=0))


@pytest.mark.parametrize("load", [load_digits, load_iris, load_diabetes])
def test_small_whole_numbers_centimetres_and_small_even_columns_train_well(load, judged):
    """Digits hold pixels that are lit once in a thousand images, beside ones that always are."""
    data = load().data
    assert not any(judged(batch) for batch in [data, *batches(data)])


@pytest.mark.parametrize("top", [1, 255])
def test_pixels(top, judged):
    """Uniform in 0..top: a root mean square of top / sqrt(3), so 147 for bytes."""
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3)) * (top / 255)
    found = judged(images)
    assert len(found) == (top == 255)
    for finding in found:
        assert (finding.layer, finding.severity, finding.onset) == ("hidden", "critical", 0)
        assert "Rescaling(1 / 255)" in finding.remedy
        assert finding.evidence["pixels"]
        assert finding.evidence["size"] == pytest.approx(255 / np.sqrt(3), rel=0.05)


def test_rows_of_mostly_zeros_are_healthy(judged):
    random = np.random.default_rng(0)
    one_hot = np.eye(1000)[random.integers(0, 1000, 64)]
    words = random.poisson(0.01, (64, 1000))
    frequencies = words / np.maximum(np.linalg.norm(words, axis=1, keepdims=True), 1)
    # More columns than are told apart are seen as one.
    merged = np.zeros((8, 20_000))
    merged[np.arange(8), random.integers(0, 20_000, 8)] = 1
    merged = merged.reshape(-1, 1)
    for data in (one_hot, words, frequencies, merged):
        assert not judged(data)


class TestSize:
    def test_borders(self, judged):
        for size, severity in [
            (0.99 * LARGE, None),
            (1.01 * LARGE, "warning"),
            (0.99 * CRITICAL_SIZE, "warning"),
            (1.01 * CRITICAL_SIZE, "critical"),
            (1.01 * SMALL, None),
            (0.99 * SMALL, "warning"),
        ]:
            assert [f.severity for f in judged(signs(size, size))] == [severity] * bool(severity)

    def test_small_inputs_have_no_large_entry(self, judged):
        data = signs(*[1e-3] * 10)
        assert judged(data)
        for entry, found in [(0.99 * SMALL_ENTRY, True), (1.01 * SMALL_ENTRY, False)]:
            data[0, 0] = entry
            assert bool(judged(data)) == found

    def test_an_empty_batch_of_zeros_is_not_too_small(self, judged):
        assert not judged(np.zeros((8, 4)))

    def test_one_sample_tells_the_size(self, judged):
        assert judged(np.full((1, 4), 300.0))
        assert not judged(np.full((1, 4), 3.0))


class TestUnevenness:
    def test_borders(self, judged):
        for ratio, severity in [
            (0.99 * UNEVEN, None),
            (1.01 * UNEVEN, "warning"),
            (0.99 * CRITICAL_UNEVEN, "warning"),
            (1.01 * CRITICAL_UNEVEN, "critical"),
        ]:
            found = judged(signs(1.0, 1 / ratio))
            assert [f.severity for f in found] == [severity] * bool(severity)
            assert all(f.evidence["ratio_of_columns"] == pytest.approx(ratio) for f in found)

    def test_a_quarter_of_the_columns_must_be_small(self, judged):
        assert judged(signs(1, 1, 1, 1e-3))
        assert not judged(signs(1, 1, 1, 1, 1e-3))
        assert judged(signs(1e-3, 1e-3, 1e-3, 1e-3, 1))

    def test_a_column_that_is_rarely_on_is_not_small(self, judged):
        """On in one of 40000 samples: a deviation of 1/200, but the range of its neighbors."""
        data = signs(1, 1, count=40_000)
        data[:, 1] = np.arange(40_000) == 0
        assert data.std(axis=0).max() / data.std(axis=0).min() > UNEVEN
        assert not judged(data)

    def test_columns_that_do_not_vary_are_left_out(self, judged):
        data = signs(1, 1, 1)
        data[:, 2] = 0.1  # whose deviation is rounding, not zero
        assert not judged(data)

    def test_few_samples_have_no_deviation(self, judged):
        assert judged(signs(1, 1e-3, count=8))
        assert not judged(signs(1, 1e-3, count=7))


class TestCenter:
    def test_borders(self, judged):
        for ratio, severity in [
            (0.99 * OFF_CENTER, None),
            (1.01 * OFF_CENTER, "note"),
            (0.99 * FAR_OFF_CENTER, "note"),
            (1.01 * FAR_OFF_CENTER, "warning"),
        ]:
            # A third column, around zero, keeps the whole near it.
            found = judged(np.hstack([1 + signs(1 / ratio, 1 / ratio), signs(1.0)]))
            assert [f.severity for f in found] == [severity] * bool(severity)

    def test_away_from_zero_together(self, judged):
        for ratio, severity in [(0.99 * AWAY, None), (1.01 * AWAY, "warning")]:
            found = judged(1 + signs(1 / ratio, 1 / ratio))
            assert [f.severity for f in found] == [severity] * bool(severity)
            # One column further out and one nearer come to the same.
            uneven = np.array([1.3, np.sqrt(2 - 1.3**2)]) + signs(1 / ratio, 1 / ratio)
            assert [f.severity for f in judged(uneven)] == [severity] * bool(severity)

    def test_so_far_off_few_rectifiers_have_their_kink_among_the_data(self):
        """Random weights, 20 columns: a kink within two deviations of the samples' mean."""
        random = np.random.default_rng(0)
        x, kernel = AWAY + random.normal(size=(500, 20)), random.normal(size=(20, 4000))
        z = x @ kernel
        bent = np.mean(np.abs(z.mean(axis=0)) < 2 * z.std(axis=0))
        expected = 2 * norm.cdf(2 / AWAY) - 1
        assert bent == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 4000))

    def test_most_columns_must_be_off(self, judged):
        off, well = 1 + signs(0.01), signs(0.5)
        assert judged(np.hstack([off, off, well]))
        assert not judged(np.hstack([off, well]))


def test_a_normalization_behind_the_kernel_undoes_size_and_mean_but_not_unevenness(judged):
    for data in (signs(300, 300), signs(1e-3, 1e-3), 1 + signs(1e-3, 1e-3)):
        assert judged(data)
        assert not judged(data, normalization="batch_normalization")
    (finding,) = judged(signs(1e6, 1), normalization="batch_normalization")
    assert finding.severity == "warning"


def test_faults_are_told_together_at_the_gravest_severity(judged):
    (finding,) = judged(np.hstack([signs(200), 1 + signs(0.01)]))
    assert finding.severity == "critical"
    assert "root mean square" in finding.message
    assert "column 0" in finding.message


def test_each_first_kernel_is_judged_once_and_on_the_first_observation(make, columns):
    sick = InputStatistics("left", columns(signs(300, 300)))
    inputs = (sick, InputStatistics("right", columns(signs(1, 1))))
    weights = [make.kernel("left"), make.kernel("right")]
    resumed = make.observation(7, weights=weights, inputs=inputs, at_start=False)
    (finding,) = unnormalized_inputs([resumed])
    assert (finding.layer, finding.onset) == ("left", 7)
    assert not list(unnormalized_inputs([resumed, resumed]))


def test_a_frozen_kernel_is_left_alone(make, columns):
    """As of a pretrained network, which wants pixels of 0..255 less their mean."""
    inputs = (InputStatistics("rnn", columns(signs(300, 300))),)

    def found(*owners):
        weights = [make.kernel(owner) for owner in owners]
        return list(unnormalized_inputs([make.observation(inputs=inputs, weights=weights)]))

    assert not found("output")
    assert not found("rnn_1")
    for owners in (["rnn", "output"], ["rnn/cell", "output"], []):
        assert found(*owners)


def test_what_is_not_finite_is_left_out(judged):
    data = signs(1, 1, 1)
    for value in (np.nan, np.inf):
        data[3, 1] = value
        assert not judged(data)
        assert not judged(data[:, 1])
        assert judged(300 * data)[0].evidence["largest_columns"] == [0, 2]


def test_the_evidence_fits_into_json(judged):
    (finding,) = judged(signs(300, 1))
    evidence = json.loads(json.dumps(finding.to_dict()))["evidence"]
    assert evidence["largest_columns"] == [0, 1]
    assert evidence["samples"] == 64
