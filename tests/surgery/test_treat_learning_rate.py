"""Remedies for the learning rate: a factor, held to what is usual."""

import keras
import numpy as np
import pytest

L = keras.layers


@pytest.mark.parametrize(
    ("optimizer", "condition", "factor", "rate"),
    [
        (keras.optimizers.SGD(10.0), "learning_rate_too_high", 1e-2, 0.1),
        (keras.optimizers.SGD(10.0), "learning_rate_too_high", 1e-3, 0.05),
        (keras.optimizers.SGD(10.0, momentum=0.9), "learning_rate_too_high", 1e-3, 0.01),
        (keras.optimizers.Adam(0.5), "learning_rate_too_high", 1e-1, 3e-3),
        (keras.optimizers.Adam(1e-7), "learning_rate_too_low", 1e3, 1e-3),
        (keras.optimizers.SGD(1e-3), "learning_rate_too_low", 1e2, 0.1),
        # Below what is usual already, and measured to be too high.
        (keras.optimizers.SGD(1e-3), "learning_rate_too_high", 1e-2, 1e-4),
        (keras.optimizers.Adam(1e-4), "learning_rate_too_high", 0.5, 5e-5),
        (keras.optimizers.Adafactor(1e-7), "learning_rate_too_low", 1e3, 1e-4),
    ],
)
def test_the_learning_rate_is_divided_and_held_to_what_is_usual(
    finding, healed, stack, optimizer, condition, factor, rate
):
    model = stack(L.Dense(1), optimizer=optimizer)
    treated, _ = healed(model, finding(condition, healthy_learning_rate_times=factor))
    assert float(treated.optimizer.learning_rate) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("momentum", [0.999, 1.0])
@pytest.mark.parametrize("condition", ["learning_rate_too_high", "constant_output"])
def test_a_momentum_of_many_steps_becomes_the_usual_one(
    finding, healed, stack, momentum, condition
):
    """The rate, 0.02 at most, times 1 / (1 - 0.9) is the largest that is usual, 0.2."""
    optimizer = keras.optimizers.SGD(0.05, momentum=momentum, nesterov=True)
    model = stack(L.Dense(1), optimizer=optimizer)
    evidence = {"healthy_learning_rate_times": 0.1} if condition.startswith("learning") else {}
    treated, _ = healed(model, finding(condition, model.layers[0].path, **evidence))
    assert treated.optimizer.momentum == 0.9
    assert treated.optimizer.nesterov
    assert 0.0049 < float(treated.optimizer.learning_rate) < 0.0201


@pytest.mark.parametrize(
    ("depth", "optimizer", "rate"),
    [
        # 0.13 = 1e-3 * 2 * 64: the sum over the layers of rate times width, to one digit.
        (20, keras.optimizers.Adam(1e-3), 4e-4),
        # Not below a tenth, and not where it is small already.
        (20, keras.optimizers.Adam(3e-2), 3e-3),
        (20, keras.optimizers.Adam(1e-4), 1e-4),
        (2, keras.optimizers.Adam(1e-3), 1e-3),
        # Three layers are shallow.
        (30, keras.optimizers.SGD(0.1), 1e-2),
        (10, keras.optimizers.SGD(0.1, momentum=0.5), 3e-2),
        (100, keras.optimizers.SGD(0.1), 1e-2),
        (30, keras.optimizers.SGD(5e-3), 5e-3),
        (2, keras.optimizers.SGD(0.1), 0.1),
    ],
)
def test_the_steps_of_many_layers_add_up_to_those_of_few(
    finding, healed, plain, depth, optimizer, rate
):
    model = plain(depth, "relu")
    model.compile(optimizer, "mse")
    treated, _ = healed(model, finding("vanishing_gradients", "net/hidden_0"))
    assert float(treated.optimizer.learning_rate) == pytest.approx(rate, rel=1e-3)


def test_there_is_no_multiple_of_a_learning_rate_of_zero(finding, healed, stack):
    model = stack(L.Dense(1), optimizer=keras.optimizers.SGD(0.0))
    found = finding("learning_rate_too_low", healthy_learning_rate_times=1e3)
    _, (trial,) = healed(model, found)
    assert not trial.kept
    assert "learning rate is 0" in trial.remedy


def test_gradients_that_are_clipped_are_not_clipped_twice(finding, healed, stack):
    model = stack(L.Dense(1), optimizer=keras.optimizers.SGD(10.0, global_clipnorm=5.0))
    treated, _ = healed(model, finding("learning_rate_too_high", healthy_learning_rate_times=1e-2))
    assert treated.optimizer.clipnorm is None
    assert treated.optimizer.global_clipnorm == 5.0


@pytest.mark.parametrize(
    ("schedule", "scaled"),
    [
        (
            keras.optimizers.schedules.CosineDecay(0.0, 90, 0.1, warmup_target=2.0, warmup_steps=9),
            lambda c: (c["initial_learning_rate"], c["warmup_target"], c["alpha"]) == (0, 0.2, 0.1),
        ),
        (
            keras.optimizers.schedules.PiecewiseConstantDecay([3, 6], [2.0, 1.0, 0.5]),
            lambda c: np.allclose(c["values"], [0.2, 0.1, 0.05]) and c["boundaries"] == [3, 6],
        ),
        (
            keras.optimizers.schedules.PolynomialDecay(2.0, 9, 0.2, power=2.0),
            lambda c: np.allclose((c["end_learning_rate"], c["power"]), (0.02, 2.0)),
        ),
    ],
)
def test_schedules_keep_their_course(finding, healed, stack, schedule, scaled):
    model = stack(L.Dense(1), optimizer=keras.optimizers.SGD(schedule))
    treated, _ = healed(model, finding("learning_rate_too_high", healthy_learning_rate_times=0.1))
    config = treated.optimizer.get_config()["learning_rate"]["config"]
    assert scaled(config), config
