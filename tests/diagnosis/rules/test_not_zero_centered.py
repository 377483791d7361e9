import math

import numpy as np
import pytest

from kerastricks.diagnosis.activations import GATE, Activation
from kerastricks.diagnosis.rules.not_zero_centered import (
    DEVIATIONS,
    MINIMUM_EXAMPLES,
    not_zero_centered,
)

SIGMOID = Activation("sigmoid", low=0.026, high=0.974)
LEAKY = Activation("leaky_relu")


def found(make, count=1, **layer):
    return list(not_zero_centered(make.window(count, layers=[make.layer(**layer)])))


def aside(deviations, units=10):
    """Units that lie to the positive side by this many deviations of 1."""
    return np.broadcast_to(np.asarray(deviations, float), (units,))


def test_sigmoid_is_a_note(make):
    (finding,) = found(make, activation=SIGMOID, mean=np.full(10, 0.5), scale=0.1)
    assert (finding.layer, finding.severity, finding.onset) == ("hidden", "note", 0)
    assert finding.evidence["mean"] == pytest.approx(0.5)
    assert finding.evidence["deviation"] == pytest.approx(0.1)
    assert "positive" in finding.message


def test_what_is_healthy(make):
    assert not found(make, activation=make.tanh)
    assert not found(make, activation=make.tanh, mean=aside(2.0))
    for name in (GATE, "softmax"):
        gate = Activation(name, low=0.0, high=1.0)
        assert not found(make, activation=gate, mean=aside(0.5), scale=0.01)
    assert not found(make, activation=SIGMOID, head=True)
    assert not found(make, activation=None, mean=aside(50.0))


def test_relu_of_a_standard_normal(make):
    """Mean 1 / sqrt(2 pi), second moment 1 / 2."""
    mean = 1 / math.sqrt(2 * math.pi)
    assert not found(make, mean=np.full(10, mean), scale=math.sqrt(0.5 - mean**2))


def test_units_that_never_fire_lie_nowhere(make):
    assert not found(make, scale=0.0, events=0.0)


def test_the_border_of_a_unit(make):
    assert not found(make, activation=LEAKY, mean=aside(0.99 * DEVIATIONS))
    assert found(make, activation=LEAKY, mean=aside(1.01 * DEVIATIONS))
    (finding,) = found(make, activation=LEAKY, mean=-aside(1.01 * DEVIATIONS))
    assert "negative" in finding.message


def test_more_than_half_of_the_units(make):
    for count, sick in ((5, False), (6, True)):
        mean = np.where(np.arange(10) < count, 5.0, 0.5)
        assert bool(found(make, activation=LEAKY, mean=mean)) == sick


def test_one_unit_on_the_other_side_gives_the_weights_both_signs(make):
    assert found(make, activation=LEAKY, mean=aside(9.0))
    assert not found(make, activation=LEAKY, mean=np.r_[aside(9.0, 9), -9.0])


def test_it_is_judged_once_when_enough_examples_were_seen(make):
    layer = {"activation": SIGMOID, "samples": MINIMUM_EXAMPLES // 4}
    said = [len(found(make, count, **layer)) for count in range(1, 9)]
    assert said == [0, 0, 0, 1, 0, 0, 0, 0]


def test_positions_of_one_image_are_no_examples(make):
    assert not found(make, activation=SIGMOID, samples=900, examples=1)


def test_several_observations_have_one_deviation(make):
    """Batches around 4 and 8 with deviation 1 each deviate by sqrt(1 + 2^2) together."""
    half = MINIMUM_EXAMPLES // 2
    layers = [make.layer(activation=SIGMOID, samples=half, mean=aside(m)) for m in (4, 8)]
    window = [make.observation(i, layers=[layer]) for i, layer in enumerate(layers)]
    (finding,) = not_zero_centered(window)
    assert finding.evidence["mean"] == pytest.approx(6)
    assert finding.evidence["deviation"] == pytest.approx(math.sqrt(5))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_left_to_its_own_rule(value, make):
    mean = np.r_[np.full(9, 0.5), value]
    assert not found(make, activation=SIGMOID, mean=mean)
    assert not found(make, activation=SIGMOID, variance=mean)


def test_a_layer_without_units(make):
    assert not found(make, activation=SIGMOID, units=0)


def test_what_came_after_the_first_looks_is_not_read(make):
    layers = [make.layer(activation=SIGMOID, mean=np.full(10, 0.5), samples=MINIMUM_EXAMPLES)]
    first, last = make.window(2, layers=layers)
    assert list(not_zero_centered([first]))
    assert not list(not_zero_centered([first, None, None, last]))
