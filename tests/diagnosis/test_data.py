"""What a run's observations tell together."""

import numpy as np
import pytest

from kerastricks.diagnosis.data import POOLED_LOOKS, Pool, pooled
from kerastricks.diagnosis.examination import Examination
from kerastricks.diagnosis.observation import ColumnStatistics, InputStatistics, OutputStatistics


def columns(rows, path="hidden"):
    return ColumnStatistics(
        path=path,
        dtype="float32",
        shape=rows.shape[1:],
        samples=len(rows),
        mean=rows.mean(axis=0),
        variance=rows.var(axis=0),
        minimum=rows.min(axis=0),
        maximum=rows.max(axis=0),
        whole=float(np.mean(rows == np.round(rows))),
        sums=(float(rows.sum(axis=1).min()), float(rows.sum(axis=1).max())),
        nonfinite=int(np.sum(~np.isfinite(rows))),
    )


def inputs(rows):
    return InputStatistics("hidden", columns(rows))


def output(target):
    seen = columns(target, "output")
    return OutputStatistics("output", None, True, prediction=seen, target=seen, loss=None)


@pytest.fixture
def batches():
    random = np.random.default_rng(0)
    return [random.normal(5.0, [1.0, 20.0, 0.0], (size, 3)) for size in (10, 32, 7)]


def test_batches_pool_to_the_statistics_of_all_their_samples(batches):
    together = columns(np.concatenate(batches))
    found = pooled([columns(batch) for batch in batches])
    assert found.samples == together.samples == 49
    for name in ("mean", "variance", "minimum", "maximum", "sums", "whole"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(together, name), rtol=1e-12, atol=1e-12
        )


def test_a_large_mean_does_not_cancel_a_small_variance():
    """E[x^2] - E[x]^2 would lose all digits: (1e9)^2 has an epsilon of 128."""
    random = np.random.default_rng(0)
    batches = [1e9 + random.normal(size=(64, 1)) for _ in range(4)]
    found = pooled([columns(batch) for batch in batches])
    np.testing.assert_allclose(found.variance, np.var(np.concatenate(batches)), rtol=1e-6)


def test_the_pool_holds_inputs_and_targets_by_their_layers(make, batches):
    pool = Pool()
    for batch in batches:
        seen = {"inputs": (inputs(batch),), "outputs": (output(batch[:, :1]),)}
        pool.add(make.observation(**seen))
    everything = np.concatenate(batches)
    np.testing.assert_allclose(pool.inputs["hidden"].mean, everything.mean(axis=0))
    np.testing.assert_allclose(pool.targets["output"].mean, everything[:, 0].mean())


def test_a_batch_with_nan_does_not_spoil_the_pool(make, batches):
    broken = np.full((8, 3), np.nan)
    for order in ([broken, *batches], [*batches, broken]):
        pool = Pool()
        for batch in order:
            pool.add(make.observation(inputs=(inputs(batch),)))
        np.testing.assert_allclose(pool.inputs["hidden"].mean, np.concatenate(batches).mean(axis=0))


def test_the_pool_stops_growing(make):
    pool = Pool()
    for _ in range(POOLED_LOOKS + 10):
        pool.add(make.observation(inputs=(inputs(np.ones((4, 2))),)))
    assert pool.inputs["hidden"].samples == 4 * POOLED_LOOKS


def test_the_largest_steps_of_the_run_are_remembered(make):
    """An average over eight observations: a single large step among them counts an eighth."""
    pool = Pool()
    for step in range(40):
        update = 0.8 * 3.0 if step == 20 else 0.01 * 3.0
        pool.add(make.observation(step, weights=[make.kernel(update=update)]))
    assert pool.update_ratio == pytest.approx((0.8 + 7 * 0.01) / 8)


def test_the_report_has_the_pool(make, batches):
    examination = Examination({})
    examination.add(make.observation(inputs=(inputs(batches[0]),)))
    assert examination.report({}).pool.inputs["hidden"].samples == 10


def test_what_is_not_judged_is_drawn_and_pooled_all_the_same(make, batches):
    examination = Examination({})
    for step, batch in enumerate(batches):
        take_in = examination.note if step % 2 else examination.add
        take_in(make.observation(step, inputs=(inputs(batch),)))
    report = examination.report({})
    assert report.pool.inputs["hidden"].samples == len(np.concatenate(batches))
    assert [moment.step for moment in report.timeline.moments] == list(range(len(batches)))
    assert report.timeline.hidden == ["hidden"]
