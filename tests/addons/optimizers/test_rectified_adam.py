"""RectifiedAdam is the paper's algorithm."""

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa


def paper(gradients, rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-7, decay=0.0, threshold=5.0):
    """Algorithm 2, in float64."""
    weights, m, v, course = 1.0, 0.0, 0.0, []
    sma_inf = 2 / (1 - beta_2) - 1
    for t, gradient in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        sma = sma_inf - 2 * t * beta_2**t / (1 - beta_2**t)
        update = m / (1 - beta_1**t)
        if sma >= threshold:
            r = (sma - 4) * (sma - 2) * sma_inf / ((sma_inf - 4) * (sma_inf - 2) * sma)
            update *= np.sqrt(r) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        weights -= rate * (update + decay * weights)
        course.append(weights)
    return course


def course(optimizer, gradients):
    weights, values = keras.Variable([1.0]), []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor([gradient])], [weights])
        values.append(float(weights.numpy()[0]))
    return values


GRADIENTS = np.random.default_rng(0).normal(size=30).astype("float32").tolist()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"beta_1": 0.5, "beta_2": 0.9}, {"beta_1": 0.5, "beta_2": 0.9}),
        ({"beta_1": 0.0, "beta_2": 0.3}, {"beta_1": 0.0, "beta_2": 0.3}),
        ({"weight_decay": 0.2}, {"decay": 0.2}),
        ({"sma_threshold": 8.0, "epsilon": 1e-2}, {"threshold": 8.0, "epsilon": 1e-2}),
    ],
)
def test_it_is_the_papers(ours, theirs):
    optimizer = tfa.optimizers.RectifiedAdam(0.1, **ours)
    np.testing.assert_allclose(course(optimizer, GRADIENTS), paper(GRADIENTS, **theirs), rtol=2e-5)


def test_the_rate_is_warmed_up_and_falls():
    arguments = {"total_steps": 10, "warmup_proportion": 0.4, "min_lr": 0.01}
    # With a threshold out of reach and no momentum, the gradient is the update.
    optimizer = tfa.optimizers.RectifiedAdam(0.1, beta_1=0.0, sma_threshold=1e9, **arguments)
    rates = -np.diff(course(optimizer, [1.0] * 12), prepend=1.0)
    expected = [0.025, 0.05, 0.075, 0.1, 0.085, 0.07, 0.055, 0.04, 0.025, 0.01, 0.01, 0.01]
    np.testing.assert_allclose(rates, expected, rtol=1e-4)


def test_amsgrad_never_forgets_a_large_gradient():
    gradients = [*GRADIENTS[:8], 100.0, *[0.01] * 20]
    plain, ams = (
        course(tfa.optimizers.RectifiedAdam(0.1, 0.5, 0.9, amsgrad=a), gradients)
        for a in (False, True)
    )
    # The plain one forgets 0.9 ** 20 of it, and its steps grow by the root of that.
    assert ams[-2] - ams[-1] < 0.5 * (plain[-2] - plain[-1])


def test_weight_decay_may_be_a_schedule():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.5, 0.25])
    optimizer = tfa.optimizers.RectifiedAdam(1.0, weight_decay=schedule)
    np.testing.assert_allclose(course(optimizer, [0.0, 0.0]), [0.5, 0.375])
    config = optimizer.get_config()
    assert tfa.optimizers.RectifiedAdam.from_config(config).get_config() == config


@pytest.mark.compiling
@pytest.mark.parametrize(
    "arguments", [{}, {"amsgrad": True, "total_steps": 20, "weight_decay": 0.1}]
)
def test_in_fit_and_from_a_file(arguments, linear_model, train, weight, tmp_path):
    def model():
        return linear_model(tfa.optimizers.RectifiedAdam(0.1, beta_2=0.9, **arguments))

    whole, part = model(), model()
    train(whole, 9)
    train(part, 5)
    part.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, tfa.optimizers.RectifiedAdam)
    assert loaded.optimizer.get_config() == part.optimizer.get_config()
    train(loaded, 4)
    assert weight(loaded) == pytest.approx(weight(whole), rel=1e-6)


def test_old_names_of_arguments():
    optimizer = tfa.optimizers.RectifiedAdam(lr=1)
    assert float(optimizer.learning_rate) == 1
    optimizer = tfa.optimizers.RectifiedAdam(lr=1.0, decay=0.5)
    optimizer.iterations.assign(2)
    assert float(optimizer.learning_rate) == 0.5
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    with pytest.raises(ValueError, match="decays by itself"):
        tfa.optimizers.RectifiedAdam(schedule, decay=0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta_1": 1.0}, r"`beta_1`.*Received: 1\.0"),
        ({"beta_2": -0.1}, r"`beta_2`.*Received: -0\.1"),
        ({"sma_threshold": 3.0}, "4 or more"),
        ({"warmup_proportion": 2.0}, "warmup_proportion"),
        ({"weight_decay": -1.0}, "weight_decay"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfa.optimizers.RectifiedAdam(**arguments)


def test_what_is_no_weight_decay_is_refused():
    with pytest.raises(TypeError, match="weight_decay"):
        tfa.optimizers.RectifiedAdam(weight_decay="much")
