import numpy as np
import pytest

from kerastricks.diagnosis.observation import Epoch, NormalizationStatistics
from kerastricks.diagnosis.rules.overfitting import (
    LATER_EPOCHS,
    LEARNED,
    RISE,
    SCATTER,
    overfitting,
)

STEPS = 100
FALLING = 2.0 * 0.9 ** np.arange(200)


def epochs_of(validation, training=FALLING):
    return tuple(
        Epoch((i + 1) * STEPS, float(loss), value if value is None else float(value))
        for i, (loss, value) in enumerate(zip(training, validation, strict=False))
    )


def judged(make, validation, training=FALLING, **first):
    """The findings of a run, epoch by epoch; the findings of the newest are the last."""
    epochs = epochs_of(validation, training)
    window = [make.observation(0, **first)]
    said = []
    for count in range(1, len(epochs) + 1):
        window.append(make.observation(count * STEPS, epochs=epochs[:count]))
        said.append(list(overfitting(window)))
    return said


def fires(make, *arguments, **named):
    return any(judged(make, *arguments, **named))


def bathtub(minimum=8, slope=0.1, length=30):
    """A validation loss that falls from 2 to 1 and then rises by `slope` an epoch."""
    epoch = np.arange(length)
    return np.where(epoch <= minimum, 2 - epoch / minimum, 1 + slope * (epoch - minimum))


def noisy(losses, share, seed):
    return losses * np.exp(share * np.random.default_rng(seed).normal(size=len(losses)))


def plateau(length=60):
    return 1 + np.exp(-np.arange(length) / 4)


class TestSick:
    def test_onset_is_the_epoch_with_the_minimum(self, make):
        (finding,) = judged(make, bathtub())[-1]
        assert (finding.layer, finding.severity, finding.onset) == (None, "warning", 9 * STEPS)
        assert finding.evidence["best_epoch"] == 9
        assert finding.evidence["best_validation_loss"] == pytest.approx(1)
        assert (
            finding.evidence["validation_loss"] > finding.evidence["healthy_validation_loss_below"]
        )

    def test_it_is_found_through_noise(self, make):
        for seed in range(20):
            assert fires(make, noisy(bathtub(length=60), 0.05, seed))

    def test_a_minimum_in_the_first_epoch(self, make):
        assert fires(make, [1.0, 1.3, 1.6, 1.9, 2.2])

    def test_a_loss_that_is_negative(self, make):
        assert fires(make, bathtub() - 5, FALLING - 8)
        assert not fires(make, plateau() - 5, FALLING - 8)

    def test_the_unit_of_the_loss_does_not_matter(self, make):
        for unit in (1e-6, 1e6):
            assert fires(make, unit * bathtub(), unit * FALLING)
            assert not fires(make, unit * plateau(), unit * FALLING)

    def test_epochs_without_validation_are_passed_over(self, make):
        every_other = [v for value in bathtub() for v in (value, None)]
        (finding,) = judged(make, every_other)[-2]
        assert finding.evidence["best_epoch"] == 17
        assert finding.onset == 17 * STEPS


class TestHealthy:
    @pytest.mark.compiling
    def test_a_plateau_while_training_goes_on(self, make):
        """60 epochs of 40 runs, at each of three sizes of noise."""
        for share in (0.01, 0.05, 0.2):
            assert not any(fires(make, noisy(plateau(), share, seed)) for seed in range(40))

    def test_no_validation(self, make):
        assert not fires(make, [None] * 30)

    def test_two_bad_epochs_of_any_size(self, make):
        validation = plateau()
        validation[30 : 30 + LATER_EPOCHS - 1] *= 100
        assert not fires(make, validation)

    def test_a_lucky_epoch(self, make):
        validation = plateau()
        validation[30] /= 2
        assert not fires(make, validation)

    def test_a_validation_loss_below_the_training_loss(self, make):
        """Dropout is at work in training only."""
        above = FALLING[:30] + 5
        assert above[-1] < (1 - LEARNED) * above[8]
        assert fires(make, bathtub() + 5, above)
        assert not fires(make, bathtub(), above)

    def test_both_losses_rise(self, make):
        """A learning rate too high, or restarted."""
        assert not fires(make, bathtub(), 0.5 * bathtub())

    def test_a_converged_network(self, make):
        """The loss doubles from a thousandth of what it began with."""
        validation = 2 * 0.5 ** np.arange(12.0)
        rising = np.r_[validation, np.linspace(validation[-1], 2 * validation[-1], 20)]
        assert not fires(make, rising, 0.3 * 2 * 0.5 ** np.arange(40.0))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_what_is_not_finite_is_passed_over(self, value, make):
        assert not fires(make, np.r_[plateau()[:20], [value] * 10])
        assert not fires(make, bathtub(), [value] * 30)
        assert fires(make, np.r_[bathtub()[:5], value, bathtub()[5:]])

    def test_averages_that_have_not_settled(self, make):
        """Their first epochs are worth nothing: after 298 steps 5 % of the start is left."""
        one = np.ones(1)
        normalization = NormalizationStatistics("bn", 0.01, 1e-3, one, one, one, one)
        validation = [0.7, 1.0, 1.4, 1.8, 2.2]
        assert fires(make, validation)
        assert not fires(make, validation, normalizations=(normalization,))
        assert fires(make, bathtub(), normalizations=(normalization,))
        trained = {"normalizations": (normalization,), "at_start": False}
        assert fires(make, validation, **trained)


class TestBorders:
    """A validation loss that falls to 1 and then stands at a height, without scatter."""

    def step(self, height, later=LATER_EPOCHS):
        return np.r_[np.linspace(3, 1, 21), 1.0, np.full(later, height)]

    def test_the_rise(self, make):
        assert not fires(make, self.step(1 + 0.98 * RISE))
        assert fires(make, self.step(1 + 1.02 * RISE))

    def test_the_epochs_since(self, make):
        assert not fires(make, self.step(2.0, later=LATER_EPOCHS - 1))
        assert fires(make, self.step(2.0))

    def test_the_training_loss(self, make):
        """It stands at 0.5 until the minimum, and then at less."""
        validation = self.step(2.0)
        for share, sick in ((0.9, False), (1.1, True)):
            training = np.where(np.arange(len(validation)) < 22, 0.5, 0.5 * (1 - share * LEARNED))
            assert fires(make, validation, training) == sick

    def test_the_scatter(self, make):
        """A loss that alternates around a line has second differences of 4 amplitudes."""
        sway = 0.03 * (-1.0) ** np.arange(21)
        deviation = 4 * 0.03 / (0.6745 * np.sqrt(6))
        for share, sick in ((0.9, False), (1.2, True)):
            later = 1 + share * SCATTER * deviation + 0.03 * (-1.0) ** np.arange(LATER_EPOCHS)
            validation = np.r_[np.linspace(3, 1, 21) + sway, 1.0, later]
            assert fires(make, validation) == sick

    def test_it_is_said_when_an_epoch_has_ended(self, make):
        epochs = epochs_of(bathtub())
        window = [make.observation(i, epochs=epochs) for i in range(2)]
        assert list(overfitting(window[:1]))
        assert not list(overfitting(window))
