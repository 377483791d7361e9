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


@pytest.mark.parametrize("every", [0, -1, 1.5, "2", True])
def test_bad_distance(every):
    with pytest.raises((ValueError, TypeError), match=r"every.*Received"):
        Schedule(every=every)


@pytest.mark.parametrize("budget", [0, -0.1, float("nan"), "0.02", None])
def test_bad_budget(budget):
    with pytest.raises((ValueError, TypeError), match=r"budget.*Received"):
        Schedule(budget=budget)
