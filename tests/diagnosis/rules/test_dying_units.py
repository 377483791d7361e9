import numpy as np
import pytest
from scipy.stats import binom

from kerastricks.diagnosis.observation import Epoch
from kerastricks.diagnosis.rules.dying_units import (
    CRITICAL_FRACTION,
    EPOCHS,
    LEARNED,
    UNLEARNED,
    dying_units,
)

LABELS = np.arange(32) % 4


@pytest.fixture
def severity(make, output):
    """How grave it is that so many of a layer's units are dead, some of them only later."""

    def severity(units, born, later=0, epochs=(), steps=40, losses=(2.3, 2.3), told=True):
        choice = "sparse_categorical_crossentropy" if told else "my_loss"
        outputs = (output(np.full((32, 4), 0.25), LABELS, choice),)

        def looks(dead, count, start):
            firing = np.where(np.arange(units) < dead, 0.0, 0.5)
            layer = make.layer(units=units, events=firing)
            kernel = make.kernel(units=units, unit_gradient=0.1 * firing)
            return make.window(
                count,
                start=start,
                loss=losses[start > 0],
                layers=[layer],
                weights=[kernel, make.kernel("output")],
                outputs=outputs,
                epochs=tuple(Epoch(10 * i, loss) for i, loss in enumerate(epochs)),
            )

        window = [*looks(born, 5, 0), *looks(born + later, steps - 5, 5)]
        findings = list(dying_units(window))
        assert len(findings) <= 1
        return findings[0].severity if findings else None

    return severity


@pytest.mark.parametrize("units", [8, 16, 32, 64, 100])
def test_what_a_start_does_by_chance_is_a_note(units, severity):
    """Each unit dead with a probability of one half: the border is where 1 % is left."""
    grades = {dead: severity(units, dead) for dead in range(units // 2, units + 1)}
    beyond = min(dead for dead, grade in grades.items() if grade != "note")
    assert binom.sf(beyond - 1, units, 0.5) < 0.011
    assert binom.sf(beyond - 2, units, 0.5) > 0.011


@pytest.mark.parametrize("units", [2, 3, 4, 6])
def test_a_small_layer_lets_nothing_through_when_all_are_dead(units, severity):
    assert severity(units, units) == "critical"
    assert severity(units, units - 1) in ("note", None)


def test_the_bottleneck_of_a_gate(severity):
    """Squeeze and excitation on digits: of 8 units 3 are born dead, and one dies soon after."""
    assert severity(8, 3, later=1) == "note"


def test_units_that_die_in_training_are_no_chance(severity):
    assert severity(10, 0, later=4) == "warning"
    assert severity(10, 1, later=3) == "note"


class TestNetworksThatDoNotLearn:
    def test_a_note_becomes_a_warning(self, severity):
        constant = np.log(4)
        for share, expected in ((1.05 * UNLEARNED, "warning"), (0.95 * UNLEARNED, "note")):
            assert severity(6, 4, epochs=[share * constant] * EPOCHS) == expected

    def test_it_is_given_time(self, severity):
        stuck = [np.log(4)] * EPOCHS
        assert severity(6, 4, epochs=stuck[1:]) == "note"
        assert severity(6, 4, epochs=stuck) == "warning"

    def test_the_newest_epoch_counts(self, severity):
        losses = [np.log(4)] * EPOCHS
        assert severity(6, 4, epochs=[*losses, 0.1]) == "note"


class TestNetworksThatLearnWithoutThem:
    """Units that die in training, where the others have learned."""

    @pytest.mark.parametrize("told", [True, False])
    def test_a_warning_becomes_a_note(self, severity, told):
        """Against a constant answer; against the first loss where that is not known."""
        reference = np.log(4) if told else 30.0
        for share, expected in ((1.05 * LEARNED, "warning"), (0.95 * LEARNED, "note")):
            losses = 30.0, share * reference
            assert severity(10, 0, later=5, losses=losses, told=told) == expected

    def test_a_layer_that_lets_hardly_anything_through_is_critical(self, severity):
        enough = int(np.ceil(20 * CRITICAL_FRACTION))
        for dead, expected in ((enough, "critical"), (enough - 1, "note")):
            assert severity(20, 0, later=dead, losses=(2.3, 0.01)) == expected

    @pytest.mark.parametrize("losses", [(None, None), (0.0, 0.0), (-1.0, -3.0)])
    def test_a_loss_that_says_nothing(self, severity, losses):
        assert severity(10, 0, later=5, losses=losses, told=False) == "warning"
