import math
import re
from dataclasses import replace

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis.observation import ColumnStatistics, Epoch, Loss, OutputStatistics
from kerastricks.diagnosis.rules.learning_rate_too_low import (
    CHANCE,
    EPOCHS,
    FALL,
    GROWTH,
    MINIMUM_LOOKS,
    MINIMUM_STEPS,
    PATH,
    SENSITIVITY,
    SLOW,
    SLOW_FALL,
    UPDATE,
    learning_rate_too_low,
)

TEN = math.log(10)


def columns(units, variance=1.0):
    return ColumnStatistics(
        path="output",
        dtype="float32",
        shape=(units,),
        samples=32,
        mean=np.zeros(units),
        variance=np.full(units, variance),
        minimum=np.full(units, -1.0),
        maximum=np.full(units, 1.0),
        whole=0.0,
        sums=(-1.0, 1.0),
        nonfinite=0,
    )


def output(loss="sparse_categorical_crossentropy", units=10, variance=1.0):
    target = columns(units, variance)
    loss = None if loss is None else Loss(loss)
    return OutputStatistics("output", None, True, columns(units), target, loss)


@pytest.fixture
def window(make):
    """A run of two kernels of norm 3 that stands still at the loss of chance.

    Numbers that change over the run are given as pairs, its first half and its second.
    """

    def window(
        loss=TEN, update=3e-6, *, other=0.0, gradient=1.0, count=64, gap=2, outputs=None, **changes
    ):
        seen = []
        for i in range(count):
            half = int(i >= count // 2)
            now = {"loss": loss, "update": update}
            now = {k: v[half] if isinstance(v, tuple) else v for k, v in now.items()}
            weights = [
                make.kernel(gradient=gradient, update=now["update"]),
                make.kernel("output", gradient=gradient, update=other),
            ]
            outputs_now = (output(),) if outputs is None else outputs
            parts = {"weights": weights, "outputs": outputs_now, "loss": now["loss"], **changes}
            parts = {"at_start": i == 0, **parts}
            seen.append(make.observation(i * gap, **parts))
        return seen

    return window


def found(window):
    return list(learning_rate_too_low(window))


def test_a_fresh_model_that_stays_where_it_began(window):
    (finding,) = found(window(loss=(2.34, 2.33)))
    assert (finding.layer, finding.severity, finding.onset) == (None, "warning", 0)
    assert finding.evidence["largest_update_ratio"] == pytest.approx(1e-6)
    assert finding.evidence["early_loss"] == 2.34
    assert finding.evidence["loss_of_a_constant_answer"] == pytest.approx(TEN)
    # From 1e-6 to the usual 1e-3.
    assert "about 1000 times" in finding.remedy
    (finding,) = found(window(loss=(2.34, 2.33), learning_rate=2e-6))
    assert "learning_rate=0.002 (`fit` began with 2e-06)" in finding.remedy
    (finding,) = found(window(learning_rate=0.0))
    assert "learning_rate=0.001 (`fit` began with 0)" in finding.remedy
    assert finding.evidence["healthy_learning_rate_times"] == pytest.approx(1000)


def test_the_remedy_holds_with_a_schedule_too(window):
    """To a scheduled optimizer no learning rate can be assigned."""
    (finding,) = found(window())
    assert "learning_rate=1000 * float(model.optimizer.learning_rate)" in finding.remedy
    (typed,) = re.findall(r"float\(.*?\)", finding.remedy)
    for rate in (0.25, keras.optimizers.schedules.CosineDecay(0.25, 10)):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        assert eval(typed, {"model": model}) == 0.25


def test_one_kernel_that_moves_is_enough(window):
    """As in vanishing gradients, where the last layer learns, or with a frozen backbone."""
    assert found(window(other=3 * UPDATE * 0.99))
    assert not found(window(other=3 * UPDATE * 1.01))


def test_one_large_step_is_enough(window):
    seen = window()
    seen[20] = window(update=0.003)[20]
    assert not found(seen)


def test_looks_and_steps_are_needed(window):
    assert not found(window(count=MINIMUM_LOOKS - 1, gap=MINIMUM_STEPS))
    assert found(window(count=MINIMUM_LOOKS, gap=MINIMUM_STEPS))
    assert not found(window(count=MINIMUM_STEPS, gap=1))
    assert found(window(count=MINIMUM_STEPS + 1, gap=1))


def test_a_loss_that_falls(window):
    assert found(window(loss=(2.6, 2.6 * (1 - FALL + 0.001))))
    assert not found(window(loss=(2.6, 2.6 * (1 - FALL - 0.001))))


def epochs(count, first=TEN, last=TEN, length=10):
    losses = np.linspace(first, last, count)
    return tuple(Epoch(step=length * (i + 1), loss=loss) for i, loss in enumerate(losses))


def test_small_steps_are_told_when_the_data_have_been_seen_several_times(window):
    """A tenth of the usual size and less: one pass through much data may do with them."""
    small = 3 * 0.99 * SLOW
    (finding,) = found(window(update=small, epochs=epochs(EPOCHS)))
    assert finding.evidence["epochs"] == EPOCHS
    assert finding.evidence["healthy_update_ratio_above"] == SLOW
    assert finding.evidence["healthy_learning_rate_times"] == pytest.approx(3)
    assert not found(window(update=small, epochs=epochs(EPOCHS - 1)))
    assert not found(window(update=3 * 1.01 * SLOW, epochs=epochs(EPOCHS)))


def test_small_steps_with_a_loss_that_crawls(window):
    for late, sick in (
        (2.6 * (1 - SLOW_FALL + 0.001), True),
        (2.6 * (1 - SLOW_FALL - 0.001), False),
        (math.nan, False),
    ):
        assert bool(found(window(update=3e-4, epochs=epochs(EPOCHS, 2.6, late)))) is sick
    learned = CHANCE * TEN - 0.01
    assert not found(window(update=3e-4, epochs=epochs(EPOCHS, learned, learned)))


def test_epochs_count_where_looks_have_become_rare(window):
    """The doctor's budget may allow the small and quick network no look after the first steps."""
    seen = {"update": 3e-4, "count": 64, "gap": 1}
    assert not found(window(epochs=epochs(EPOCHS, length=MINIMUM_STEPS // EPOCHS), **seen))
    (finding,) = found(window(epochs=epochs(EPOCHS, length=50), **seen))
    assert finding.evidence["steps"] == 150
    assert finding.evidence["path"] == pytest.approx(150 * 1e-4)


def test_small_steps_that_have_led_far(window):
    """At the level of chance after a long way: the data cannot be learned."""
    steps = 63 * 10
    for path, sick in ((0.99 * PATH, True), (1.01 * PATH, False)):
        seen = window(update=3 * path / steps, gap=10, epochs=epochs(EPOCHS))
        assert bool(found(seen)) is sick
        if sick:
            assert found(seen)[0].evidence["path"] == pytest.approx(path)


def test_noise_of_the_batches_is_no_fall(window):
    noise = np.random.default_rng(0).normal(0, 0.1, 64)
    seen = [replace(o, loss=TEN + n) for o, n in zip(window(), noise, strict=True)]
    assert found(seen)


def test_a_good_model_that_is_fine_tuned(window):
    """The loss is flat, the gradient large relative to it, but it is far below chance."""
    assert not found(window(loss=0.02))
    assert found(window(loss=CHANCE * TEN + 0.01))
    assert not found(window(loss=CHANCE * TEN - 0.01))


def test_a_model_that_was_trained_before(window):
    assert not found(window(at_start=False))


def test_a_learning_rate_that_warms_up(window):
    assert found(window(update=(3e-6, 3e-6 * GROWTH * 0.99)))
    assert not found(window(update=(3e-6, 3e-6 * GROWTH * 1.01)))


def test_a_loss_that_could_not_change(window):
    """Dead units, or a loss that is clipped: the learning rate is not to blame."""
    least = SENSITIVITY * TEN / 3
    assert found(window(gradient=least * 1.01))
    assert not found(window(gradient=least * 0.99))
    assert not found(window(gradient=0.0))


@pytest.mark.parametrize(
    ("given", "cost"),
    [
        (output("categorical_crossentropy", 4), math.log(4)),
        (output("binary_crossentropy", 1), math.log(2)),
        (output("mean_squared_error", 3, variance=50.0), 50.0),
    ],
)
def test_what_a_constant_answer_costs(window, given, cost):
    for outputs, total in (((given,), cost), ((given, output()), cost + TEN)):
        (finding,) = found(window(loss=total, outputs=outputs, gradient=100.0))
        assert finding.evidence["loss_of_a_constant_answer"] == pytest.approx(total)
        assert not found(window(loss=total / 2, outputs=outputs, gradient=100.0))


@pytest.mark.parametrize(
    "outputs",
    [
        (),
        (output(None),),
        (output("my_loss"),),
        (output(), output("my_loss")),
        (replace(output("mean_squared_error"), target=None),),
        (output(units=1),),
        (output("mean_squared_error", variance=math.nan),),
    ],
)
def test_nothing_is_said_where_that_is_not_known(window, outputs):
    assert not found(window(outputs=outputs))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_not_judged(window, bad):
    assert not found(window(update=bad))
    assert not found(window(gradient=bad))
    assert not found(window(loss=(TEN, bad)))
    assert not found(window(loss=None))
    assert not found(window(weights=[]))


def test_kernels_that_start_at_zero_are_judged_by_the_size_they_will_have(make, window):
    """0.3 of a unit-gain kernel of ten units is 0.95."""
    for share, sick in ((0.9, True), (1.1, False)):
        zero = make.kernel(norm=0.0, gradient=1.0, update=share * UPDATE * 0.3 * 10**0.5)
        assert bool(found(window(weights=[zero]))) is sick


@pytest.fixture
def said():
    """Conditions that the doctor finds in a small classifier fitted at a learning rate."""

    def said(rate):
        keras.utils.set_random_seed(0)
        random = np.random.default_rng(0)
        x = random.normal(size=(320, 20)).astype("float32")
        model = keras.Sequential(
            [
                keras.Input((20,)),
                keras.layers.Dense(32, "relu"),
                keras.layers.Dense(3, "softmax"),
            ]
        )
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        doctor = kt.callbacks.TrainingDoctor(verbose=0)
        y = x[:, :3].argmax(axis=1)
        model.fit(x, y, batch_size=32, epochs=15, verbose=0, callbacks=[doctor])
        return {finding.condition for finding in doctor.report.findings}

    return said


@pytest.mark.compiling
def test_a_hundredth_of_the_usual_learning_rate(said):
    assert "learning_rate_too_low" in said(1e-5)


@pytest.mark.compiling
def test_a_third_of_the_usual_learning_rate(said):
    assert "learning_rate_too_low" not in said(3e-4)
