"""Looks wait to be judged, but for those that are out of the ordinary."""

from functools import partial

import keras
import numpy as np
import pytest

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.alarm import Alarm
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.schedule import Schedule
from kerastricks.diagnosis.slots import ColumnSlot, OutputSlot, WeightSlot
from kerastricks.diagnosis.watch import CLOSELY, Watch


def plan():
    """Two weights, and one output whose targets have two columns."""
    weights = tuple(WeightSlot(np.zeros(3), name, "layer", 0, False, None, 0) for name in "ab")
    columns = ColumnSlot("out", "float32", (2,))
    output = OutputSlot("out", None, True, columns, ColumnSlot("out", "float32", (2,)), None)
    return Plan(weights=weights, outputs=(output,))


def numbers(plan, *, loss=1.0, gradient=1.0, update=1.0, lowest=-1.0, highest=1.0):
    """What comes from the device, in the order that `Plan` has laid out."""
    rows = [np.zeros(2), np.ones(2), [lowest, 0.0], [0.0, highest]]
    target = np.concatenate([np.ones(statistics.COLUMN_SCALARS), *rows])
    prediction = np.ones(plan.outputs[0].prediction.length)
    forward = np.concatenate([prediction, target, [1.0, loss, 1.0], [0.0]])
    weights = [gradient**2, 1.0, 1.0, 1.0]
    backward = np.concatenate([weights, np.zeros(2), [update**2, 1.0], [1.0]])
    assert (len(forward), len(backward)) == (plan.forward_length, plan.backward_length)
    return np.concatenate([forward, backward]).astype(np.float32)


@pytest.fixture
def alarm():
    """An alarm that knows one ordinary look, and makes others of it."""
    layout = plan()
    alarm = Alarm(layout)
    alarm.judged(numbers(layout))
    return alarm, lambda **changes: numbers(layout, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": 1.9},
        {"gradient": 1.9},
        {"update": 1.9},
        {"loss": 0.01, "gradient": 1e-6, "update": 0.0},
        {"lowest": -0.5, "highest": 0.5},
    ],
)
def test_an_ordinary_look_can_wait(alarm, changes):
    alarm, look = alarm
    assert not alarm.rings(look(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": 2.1},
        {"gradient": 2.1},
        {"update": 2.1},
        {"loss": np.nan},
        {"update": np.inf},
        {"lowest": -1.1},
        {"highest": 1.1},
    ],
)
def test_what_is_out_of_the_ordinary_rings_until_it_is_judged(alarm, changes):
    alarm, look = alarm
    assert alarm.rings(look(**changes))
    alarm.judged(look(**changes))
    assert not alarm.rings(look(**changes))


def test_nan_elsewhere_rings_again(alarm):
    alarm, look = alarm
    assert alarm.rings(look(gradient=np.nan))
    assert alarm.rings(look(gradient=np.nan, loss=np.nan))
    assert not alarm.rings(look(gradient=np.nan, loss=np.nan))
    assert not alarm.rings(look())
    assert alarm.rings(look(gradient=np.nan))


class Listener:
    def __init__(self, watch, schedule):
        self.watch, self.schedule = watch, schedule
        self.heard, self.judged = [], []

    def begin(self, plan):
        pass

    def observe(self, observation):
        self.heard.append(observation.step)
        if not self.watch.catching_up:
            self.judged.append(observation.step)


@pytest.fixture
def run(make):
    """Runs some looks through a watch; `unusual` maps steps to what is unusual of them."""

    def run(schedule, steps, unusual=None, failed=None):
        layout, watch = plan(), Watch()
        listener = Listener(watch, schedule)
        watch.observers.append(listener)
        watch.begin(layout)
        for step in range(steps):
            look = numbers(layout, **(unusual or {}).get(step, {}))
            watch.add(make.observation(step), look, failed)
        return watch, listener

    return run


def test_a_schedule_of_its_own_has_every_look_judged(run):
    _, listener = run(Schedule(), 300)
    assert listener.judged == list(range(300))


def test_of_a_fixed_distance_the_first_looks_are_judged_then_ever_fewer(run):
    _, listener = run(Schedule(every=1), 5000)
    assert listener.judged[:64] == list(range(64))
    gaps = np.diff(listener.judged)
    later = listener.judged[1:]
    assert all(
        gap <= min(64, max(1, (step + 1) / 32)) for step, gap in zip(later, gaps, strict=True)
    )
    assert gaps[-1] == 64
    assert len(listener.judged) < 300


def test_nothing_is_lost_and_all_is_told_in_order(run):
    watch, listener = run(Schedule(every=1), 1000)
    assert len(listener.heard) < 1000
    watch.tell(None)
    assert listener.heard == list(range(1000))
    assert listener.judged[-1] == 999


@pytest.mark.compiling
def test_an_unusual_look_is_judged_at_once_and_so_are_the_next(run):
    _, usual = run(Schedule(every=1), 3000)
    for unusual in ({"loss": 9.0}, {"loss": np.nan}, {"highest": 2.0}):
        step = usual.judged[-3] + 10
        _, listener = run(Schedule(every=1), 3000, {step: unusual})
        assert set(range(step, step + CLOSELY)) <= set(listener.judged)
        assert step not in usual.judged


def test_an_observer_that_fails_is_named_and_the_others_are_told(run, make):
    failures = {}
    watch, listener = run(Schedule(every=1), 0)

    class Faulty(Listener):
        def observe(self, observation):
            raise RuntimeError("no ears")

    watch.observers.insert(0, Faulty(watch, Schedule(every=1)))
    watch.add(make.observation(0), numbers(plan()), failures.__setitem__)
    assert listener.heard == [0]
    assert failures == {"Faulty": "RuntimeError: no ears"}


def test_an_observer_may_ask_for_what_is_known_while_it_is_told(run, make):
    watch, listener = run(Schedule(every=1), 205)
    waiting = 205 - len(listener.heard)
    assert waiting > 2

    class Asking(Listener):
        def observe(self, observation):
            self.watch.tell(None)
            super().observe(observation)

    asking = Asking(watch, Schedule(every=1))
    watch.observers.insert(0, asking)
    watch.tell(None)
    assert asking.heard == listener.heard[-waiting:] == list(range(205 - waiting, 205))


@pytest.mark.compiling
@pytest.mark.parametrize("ends", ["epoch", "exception"])
def test_looks_that_wait_are_told_at_the_end_of_an_epoch_and_to_who_asks(ends, listening):
    """Of 70 steps of an epoch the last ones would wait."""
    from kerastricks.callbacks import TrainingDoctor

    def batches():
        x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
        for _ in range(70):
            yield x, x
        if ends == "exception":
            raise RuntimeError("the data ran out")
        while True:
            yield x, x

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
    fit = partial(model.fit, shuffle=False, verbose=0, callbacks=[doctor])
    if ends == "epoch":
        fit(batches(), steps_per_epoch=70)
    else:
        with pytest.raises(Exception, match="ran out"):
            fit(batches(), steps_per_epoch=90)
        assert doctor.report.observed
    assert [seen.step for seen in spy.seen] == list(range(70))
