import math

import numpy as np
import pytest

from kerastricks.diagnosis.observation import ColumnStatistics, Loss, OutputStatistics
from kerastricks.diagnosis.rules.learning_rate_too_high import (
    FLAT,
    HIGH_UPDATE,
    KILLED,
    LEVEL,
    MINIMUM_EXAMPLES,
    MINIMUM_LOOKS,
    OVERWRITES,
    RECENT,
    RISE,
    RUNAWAY,
    SENSITIVITY,
    STRETCH,
    UPDATE,
    learning_rate_too_high,
)

START = 2.0


@pytest.fixture
def run(make, output):
    """Judges a run with these losses, whose steps are large in its first `large` observations.

    Squared errors of targets whose variance, the cost of a constant answer, is `START`.
    """
    deviation = np.sqrt(START)
    target = np.tile([-deviation, deviation], 16)[:, None]
    usual = (output(np.zeros((32, 1)), target, "mean_squared_error"),)

    def run(
        losses,
        updates=0.2,
        *,
        large=STRETCH,
        before=0,
        gradient=1.0,
        examples=32,
        outputs_of_each=(),
        **changes,
    ):
        updates = [updates] * len(losses) if np.isscalar(updates) else updates
        window = []
        for i, loss in enumerate(losses):
            share = updates[i] if before <= i < before + large else 0.0
            kernels = [
                make.kernel(f"layer{j}", update=3 * share, gradient=gradient) for j in range(3)
            ]
            layers = [make.layer(samples=examples)]
            outputs = outputs_of_each[i] if outputs_of_each else usual
            parts = {"weights": kernels, "layers": layers, "loss": loss, "outputs": outputs}
            parts |= changes
            window.append(make.observation(i, **parts))
        return list(learning_rate_too_high(window))

    return run


def rising(level, peak=3.0, count=MINIMUM_LOOKS):
    """Losses that rise to `peak` in two observations and then stay at `level`, times the start."""
    return [START, *(START * np.r_[peak, peak, np.full(count - 3, level)])]


def test_a_loss_that_rose_and_did_not_come_down(run):
    (finding,) = run(rising(0.7))
    assert (finding.layer, finding.severity, finding.onset) == (None, "warning", 0)
    assert finding.evidence["update_ratio"] == pytest.approx(0.2)
    assert finding.evidence["highest_loss"] == 3 * START
    assert finding.evidence["recent_loss"] == pytest.approx(0.7 * START)
    # 0.2 is 200 times the usual 1e-3.
    assert "learning_rate=0.01 * float(model.optimizer.learning_rate)" in finding.remedy
    assert finding.evidence["healthy_learning_rate_times"] == pytest.approx(1 / 100)
    assert run(rising(FLAT + 0.01))[0].severity == "critical"
    assert run(rising(FLAT - 0.01))[0].severity == "warning"


def test_a_loss_that_came_down_again(run):
    """A fast start: ratios of 0.2, a loss that jumps, then learning."""
    assert run(rising(LEVEL + 0.01))
    assert not run(rising(LEVEL - 0.01))


def test_large_steps_are_needed(run):
    assert run(rising(1.0), updates=UPDATE * 1.01)
    assert not run(rising(1.0), updates=UPDATE * 0.99)


def test_large_steps_with_a_loss_that_falls(run):
    """As in networks with batch normalization."""
    assert not run(START * np.linspace(1.0, 0.1, 100), large=100)


def test_large_steps_with_a_loss_that_stands(run):
    """As on labels that cannot be learned: nothing rose, and there is a gradient."""
    assert not run(np.full(200, START), large=200)


def test_a_rise_needs_two_observations_and_time(run):
    assert run(rising(1.0, peak=RISE + 0.01))
    assert not run(rising(1.0, peak=RISE - 0.01))
    assert not run(rising(1.0, count=MINIMUM_LOOKS - 1))
    once = rising(1.0)
    once[2] = START
    assert not run(once)


def test_batches_that_cost_more_whatever_is_answered(run, output):
    """Squared errors of targets that are now and then large, as in a factorization of ratings."""
    losses = rising(0.7)
    for share, found in ((0.5, True), (1.0, False)):

        def answers(loss, share=share):
            deviation = np.sqrt(share * loss)
            target = np.tile([-deviation, deviation], 16)[:, None]
            return (output(np.zeros((32, 1)), target, "mean_squared_error"),)

        each = [answers(loss) for loss in losses]
        assert bool(run(losses, outputs_of_each=each)) == found


def test_where_the_cost_of_a_batch_is_not_known_a_rise_is_one_of_the_mean(run):
    """As of absolute errors: two losses of three times the start may be two hard batches."""
    for peaks in range(2, RECENT):
        losses = START * np.r_[1, np.full(peaks, 3.0), np.full(MINIMUM_LOOKS, 0.7)]
        highest = (3.0 * peaks + 0.7 * (RECENT - peaks)) / RECENT
        assert bool(run(losses, outputs=())) == (highest >= RISE)
        assert run(losses)


def test_one_step_that_kills_the_network(run):
    """The update is as large as the weights, and nothing gets a gradient from there on."""
    flat = np.full(MINIMUM_LOOKS + 5, START)
    killed = {"updates": 1.0, "large": 1, "before": 5}
    (finding,) = run(flat, gradient=SENSITIVITY * START / 3 * 0.99, **killed)
    assert (finding.severity, finding.onset) == ("critical", 5)
    assert not run(flat, gradient=SENSITIVITY * START / 3 * 1.01, **killed)
    assert not run(flat * np.r_[1, np.full(len(flat) - 1, FLAT - 0.01)], gradient=0.0, **killed)
    assert not run(flat, updates=0.1, gradient=0.0, large=1)


def test_onset_is_the_first_large_step(run):
    losses = [*np.full(20, START), *rising(1.0)]
    (finding,) = run(losses, before=20)
    assert finding.onset == 20
    assert finding.evidence["observations"] == MINIMUM_LOOKS


def test_a_loss_that_runs_away_is_told_at_once(run):
    above, below = (START * (RUNAWAY + d) for d in (1, -1))
    (finding,) = run([START, above, above])
    assert (finding.severity, finding.onset) == ("critical", 0)
    assert not run([START, above])
    assert not run([START, above, below])
    assert not run([START, above, above], updates=0.01)


def test_a_loss_that_runs_away_late(run):
    learned = [START, *np.full(60, 0.1), 1e3, 1e5]
    (finding,) = run(learned, before=60, large=3)
    assert finding.onset == 60


def test_the_last_steps_before_nan(run, make):
    """Updates that are no longer finite do not hide those that were."""
    updates = [3.0, 1e4, math.nan]
    (finding,) = run([1.2, 4e4, 6e27], updates=updates)
    assert finding.evidence["healthy_learning_rate_times"] == 1 / 1000
    assert not run([math.nan, 4e4, 6e27], updates=updates)


@pytest.mark.parametrize("end", [math.nan, math.inf])
def test_a_loss_that_is_nan_right_after_it_ran_away(run, end):
    """Where that takes two steps in all, no two finite losses are left."""
    above, below = (START * (RUNAWAY + d) for d in (1, -1))
    (finding,) = run([START, above, end])
    assert (finding.severity, finding.onset) == ("critical", 0)
    assert not run([START, below, end])
    assert not run([START, above, end, end])  # told when it began


@pytest.mark.parametrize("end", [math.nan, math.inf])
def test_a_step_that_overwrites_the_kernels_and_ends_in_nan(run, end):
    assert run([START, end], updates=OVERWRITES * 1.01)
    assert not run([START, end], updates=OVERWRITES * 0.99)


def test_a_network_that_had_learned_and_is_dead(run):
    """Momentum of 0.999: steps of 0.03, all in one direction."""
    losses = START * np.r_[np.linspace(1.0, 0.2, 30), np.full(60, FLAT + 0.01)]
    high = {"large": 90, "gradient": 0.0}
    (finding,) = run(losses, updates=HIGH_UPDATE * 1.01, **high)
    assert (finding.severity, finding.onset) == ("critical", 0)
    assert not run(losses, updates=HIGH_UPDATE * 0.99, **high)
    assert not run(losses, updates=HIGH_UPDATE * 1.01, large=90, gradient=1.0)
    never = np.maximum(losses, START * (LEVEL + 0.01))
    assert not run(never, updates=HIGH_UPDATE * 1.01, **high)


@pytest.fixture
def dying(make):
    """Judges a run that learns, of a layer of ten units, some of which died in the first steps."""

    def dying(count, update=0.2, *, before=1.0, looks=40, examples=32):
        window = []
        for i in range(looks):
            active = np.full(10, 0.5)
            active[:count] = 0.0 if i else before
            layers = [make.layer(events=active, samples=examples)]
            kernels = [make.kernel(update=3 * update if i < STRETCH else 0.0)]
            loss = START * max(0.1, 1 - i / 20)
            window.append(make.observation(i, layers=layers, weights=kernels, loss=loss))
        return list(learning_rate_too_high(window))

    return dying


def test_large_steps_that_killed_half_of_a_layer(dying):
    count = round(KILLED * 10)
    (finding,) = dying(count)
    assert (finding.severity, finding.onset) == ("warning", 0)
    assert f"{count} of 10 units of hidden" in finding.message
    assert not dying(count - 1)
    assert not dying(count, update=0.99 * UPDATE)


def test_units_that_never_fired_were_not_killed(dying):
    """They were born dead, and that is the start's fault."""
    assert dying(8)
    assert not dying(8, before=0.0)


def test_a_few_silent_examples_are_no_death(dying):
    assert dying(8, examples=25)
    assert not dying(8, examples=24)
    assert not dying(8, looks=RECENT)


@pytest.fixture
def ten_classes():
    """The output of a classifier; a constant answer costs log(10)."""
    column = ColumnStatistics(
        "output",
        "float32",
        (10,),
        32,
        *np.zeros((4, 10)),
        whole=0.0,
        sums=(1.0, 1.0),
        nonfinite=0,
    )
    loss = Loss("sparse_categorical_crossentropy")
    return (OutputStatistics("output", None, True, column, None, loss),)


def test_a_lucky_first_batch_is_no_reference(run, ten_classes):
    """A fine-tuned classifier starts at 0.01."""
    noisy = [0.01, *np.full(60, 0.1)]
    assert run(noisy, outputs=())
    assert not run(noisy, outputs=ten_classes)
    (finding,) = run([0.01, *np.full(60, 4.0)], outputs=ten_classes)
    assert finding.evidence["reference_loss"] == pytest.approx(math.log(10))


def test_a_network_killed_at_the_level_of_chance(run, ten_classes):
    """A start with large outputs costs more than chance: the fall to it is no learning."""
    chance = math.log(10)
    for level, found in ((FLAT + 0.01, True), (FLAT - 0.01, False)):
        losses = [1.8 * chance, *np.full(MINIMUM_LOOKS, level * chance)]
        assert bool(run(losses, gradient=0.0, outputs=ten_classes)) == found
        assert not run(losses, gradient=1.0, outputs=ten_classes)


def test_tiny_batches_are_not_judged(run):
    assert run(rising(1.0), examples=MINIMUM_EXAMPLES)
    assert not run(rising(1.0), examples=MINIMUM_EXAMPLES - 1)


def test_half_the_kernels_must_move(make):
    """One kernel of three, such as a head that starts at zero, is not the learning rate."""

    def found(large):
        kernels = [make.kernel(f"layer{j}", update=0.6 if j < large else 0.0) for j in range(3)]
        losses = rising(1.0, peak=9.0)
        window = [make.observation(i, weights=kernels, loss=x) for i, x in enumerate(losses)]
        return list(learning_rate_too_high(window))

    assert found(2)
    assert not found(1)


def test_kernels_that_start_at_zero_are_judged_by_the_size_they_will_have(make):
    zero = make.kernel(norm=0.0, update=UPDATE * 0.9 * 0.3 * 10**0.5)
    losses = rising(1.0, peak=9.0)
    window = [make.observation(i, weights=[zero], loss=loss) for i, loss in enumerate(losses)]
    assert not list(learning_rate_too_high(window))


@pytest.mark.parametrize("loss", [None, 0.0, -3.0])
def test_a_loss_that_says_nothing(run, loss):
    assert not run([loss] * 100, large=100)


def test_models_without_kernels(run):
    assert not run(rising(1.0), weights=[])
