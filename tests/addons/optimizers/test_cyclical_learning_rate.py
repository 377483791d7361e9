"""Learning rates go up and down where they should."""

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

KINDS = {
    "Triangular": {},
    "Triangular2": {},
    "Exponential": {"gamma": 0.9},
}


def make(kind, *arguments, **kwargs):
    return getattr(tfa.optimizers, f"{kind}CyclicalLearningRate")(*arguments, **kwargs)


@keras.saving.register_keras_serializable("tests.addons")
def halved(x):
    return x / 2


@pytest.mark.parametrize("kind", KINDS)
def test_cycles(kind):
    rate = make(kind, 1.0, 3.0, 5, **KINDS[kind])
    values = np.array([float(rate(step)) for step in range(31)])
    np.testing.assert_allclose(values[::10], 1)
    heights = values[5::10] - 1
    expected = {
        "Triangular": [2, 2, 2],
        "Triangular2": [2, 1, 0.5],
        "Exponential": 2 * 0.9 ** np.array([5, 15, 25]),
    }
    np.testing.assert_allclose(heights, expected[kind], rtol=1e-5)
    assert (np.diff(values[:6]) > 0).all()
    assert (np.diff(values[5:11]) < 0).all()


def test_the_scale_is_told_the_cycle_or_the_step():
    told = []
    for mode in ("cycle", "iterations"):
        rate = tfa.optimizers.CyclicalLearningRate(
            0.0, 1.0, 2, lambda x: told.append(float(x)) or 1.0, scale_mode=mode
        )
        for step in (0, 3, 4, 9):
            rate(step)
    assert told == [1, 1, 2, 3, 0, 3, 4, 9]


@pytest.mark.parametrize("kind", [*KINDS, ""])
def test_in_fit_and_from_a_file(kind, linear_model, train, weight, tmp_path):
    arguments = KINDS.get(kind, {"scale_fn": halved})
    rate = make(kind, 0.25, 1.0, 2, **arguments)
    model = linear_model(keras.optimizers.SGD(rate))
    train(model, 3)
    assert weight(model) == pytest.approx(-sum(float(rate(step)) for step in range(3)), rel=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    train(loaded, 2)
    assert weight(loaded) == pytest.approx(-sum(float(rate(step)) for step in range(5)), rel=1e-5)


def test_arguments_are_kept():
    rate = make("Exponential", 0.1, 1, 3, "cycle", 0.5, "mine")
    again = type(rate).from_config(rate.get_config())
    assert again.get_config() == rate.get_config()
    assert (again.name, again.gamma, again.scale_mode) == ("mine", 0.5, "cycle")


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"step_size.*Received: 0"):
        make("Triangular", 0.1, 1.0, 0)
    with pytest.raises(TypeError, match="scale_fn"):
        make("", 0.1, 1.0, 2, 1.0)
