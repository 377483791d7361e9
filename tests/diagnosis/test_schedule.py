import math
from itertools import pairwise

import pytest

from kerastricks.diagnosis.schedule import Schedule


def looks(schedule, steps, look=0.002, plain=0.002):
    seen = []
    for step in range(steps):
        if schedule.due(step):
            if seen and step - seen[-1] > 1:
                schedule.passed(plain)
            seen.append(step)
            schedule.observed(step, look)
    return seen


def test_every_step_at_first_then_to_three_percent_of_the_step_number():
    seen = looks(Schedule(), 5000)
    assert seen[:64] == list(range(64))
    assert all(b - a <= max(1, b / 32) for a, b in pairwise(seen))
    assert len(seen) == pytest.approx(64 + 32 * math.log(5000 / 64), rel=0.1)


def test_looks_beyond_the_start_stay_within_the_budget():
    look, plain, steps = 0.012, 0.002, 20_000
    seen = [s for s in looks(Schedule(budget=0.02), steps, look, plain) if s >= 200]
    assert len(seen) * (look - plain) <= 0.02 * plain * steps * 1.05
    assert len(seen) > 20


def test_a_fixed_distance():
    assert looks(Schedule(every=7), 30) == [0, 7, 14, 21, 28]


def test_one_step_can_be_demanded():
    schedule = Schedule(every=100)
    schedule.demand()
    assert looks(schedule, 10) == [0]
    schedule.demand()
    assert schedule.due(5)
    schedule.observed(5, 0.0)
    assert not schedule.due(6)


def test_what_changes_at_once_is_looked_at_closely():
    schedule = Schedule()
    looks(schedule, 1000)
    schedule.observed(1000, 0.002)
    schedule.look_closely(1000, 64)
    for step in range(1001, 1001 + 64):
        assert schedule.due(step)
        schedule.observed(step, 0.002)
    assert not schedule.due(1001 + 64)


def test_close_looks_are_few_however_often_something_changes():
    schedule, seen = Schedule(), []
    for step in range(20_000):
        if schedule.due(step):
            seen.append(step)
            schedule.observed(step, 0.002)
            schedule.look_closely(step, 16)
    calm = len(looks(Schedule(), 20_000))
    assert 64 < len(seen) - calm <= 64 + 20_000 // 32


@pytest.mark.parametrize("schedule", [Schedule(every=7), Schedule()])
def test_where_it_is_not_the_doctors_choice_or_all_is_seen_nothing_changes(schedule):
    schedule.observed(0, 0.002)
    schedule.look_closely(0, 16)
    assert schedule.due(1) == (schedule.timed)


@pytest.mark.parametrize("every", [0, -1, 1.5, "2", True])
def test_bad_distance(every):
    with pytest.raises((ValueError, TypeError), match=r"every.*Received"):
        Schedule(every=every)


@pytest.mark.parametrize("budget", [0, -0.1, float("nan"), "0.02", None])
def test_bad_budget(budget):
    with pytest.raises((ValueError, TypeError), match=r"budget.*Received"):
        Schedule(budget=budget)


def test_every_look_of_its_own_choice_is_judged_and_of_a_fixed_distance_the_first():
    assert {Schedule().patience(looks) for looks in range(10_000)} == {1}
    patience = [Schedule(every=3).patience(looks) for looks in range(10_000)]
    assert set(patience[:64]) == {1}
    assert patience == sorted(patience)
    assert patience[-1] == 64


def test_judging_stays_within_the_budget_of_a_fixed_distance():
    """Looks of 2 ms, judged in 4 ms: at 10 % one in twenty; at 2 % none waits longer than 64."""
    for budget, expected in ((0.1, 20), (0.02, 64)):
        schedule = Schedule(every=1, budget=budget)
        for step in range(9):
            schedule.observed(step, 0.002)
            schedule.judged(0.004)
        assert schedule.patience(10) == 1
        assert schedule.patience(64) == expected
        assert schedule.patience(5000) == 64


def test_what_lies_between_the_looks_counts_for_the_budget():
    schedule = Schedule(every=5, budget=0.1)
    for step in range(0, 45, 5):
        schedule.passed(0.002)
        schedule.observed(step, 0.002)
        schedule.judged(0.004)
    assert schedule.patience(64) == 4
