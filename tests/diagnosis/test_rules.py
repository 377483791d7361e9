from dataclasses import replace

import numpy as np
import pytest

from kerastricks.diagnosis import CONDITIONS, RULES
from kerastricks.diagnosis.rules.dying_units import MINIMUM_SAMPLES, dying_units
from kerastricks.diagnosis.rules.exploding_gradients import exploding_gradients
from kerastricks.diagnosis.rules.non_finite import non_finite
from kerastricks.diagnosis.rules.poor_initialization import poor_initialization
from kerastricks.diagnosis.rules.saturated_units import saturated_units
from kerastricks.diagnosis.rules.symmetric_units import symmetric_units
from kerastricks.diagnosis.rules.vanishing_gradients import vanishing_gradients


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_named_after_a_condition_and_silent_on_a_healthy_run(name, make):
    assert name in CONDITIONS
    for length in (1, 100):
        assert list(RULES[name](make.window(length))) == []


@pytest.mark.parametrize("name", RULES)
def test_a_rule_survives_observations_with_nothing_in_them(name, make):
    assert list(RULES[name](make.window(3, layers=[], weights=[]))) == []


class TestSaturatedUnits:
    def test_onset_is_where_the_unbroken_run_began(self, make):
        window = [
            *make.window(5, layers=[make.layer(activation=make.tanh)]),
            *make.window(3, start=5, layers=[make.layer(activation=make.tanh, events=0.97)]),
        ]
        (finding,) = saturated_units(window)
        assert (finding.layer, finding.onset, finding.severity) == ("hidden", 5, "critical")
        assert finding.evidence["saturated_units"] == 10
        assert finding.evidence["examples"] == 300

    def test_few_samples_are_no_evidence(self, make):
        layer = make.layer(activation=make.tanh, events=1.0, samples=50)
        assert not list(saturated_units(make.window(3, layers=[layer])))
        assert list(saturated_units(make.window(4, layers=[layer])))

    def test_the_output_layer_may_saturate(self, make):
        layer = make.layer(activation=make.tanh, events=1.0, head=True)
        assert not list(saturated_units(make.window(9, layers=[layer])))

    def test_units_that_saturate_at_either_end_in_turn(self, make):
        """No unit reaches 90 %, but three quarters of everything passes no gradient."""
        sick, well = (make.layer(activation=make.tanh, events=share) for share in (0.8, 0.6))
        assert list(saturated_units(make.window(9, layers=[sick])))
        assert not list(saturated_units(make.window(9, layers=[well])))

    def test_half_the_units_are_needed(self, make):
        def found(saturated):
            events = np.r_[np.ones(saturated), np.zeros(10 - saturated)]
            layer = make.layer(activation=make.tanh, events=events)
            return list(saturated_units(make.window(9, layers=[layer])))

        assert not found(4)
        assert found(5)[0].severity == "warning"


DEAD_BUT_ONE = np.r_[0.5, np.zeros(9)]


class TestDyingUnits:
    def window(self, make, firing=DEAD_BUT_ONE, steps=40, samples=100, **kernel):
        layer = make.layer(events=firing, samples=samples)
        dead = np.where(np.broadcast_to(firing, 10) == 0, 0.0, 0.1)
        weights = [make.kernel(**{"unit_gradient": dead, **kernel}), make.kernel("output")]
        return make.window(steps, layers=[layer], weights=weights)

    def test_a_unit_that_fires_once_in_a_while_is_alive(self, make):
        window = self.window(make)
        sparse = make.observation(35, layers=[make.layer(events=np.r_[0.5, np.full(9, 0.01)])])
        assert list(dying_units(window))
        assert not list(dying_units([*window[:35], sparse, *window[36:]]))

    def test_death_needs_thousands_of_samples(self, make):
        needed = MINIMUM_SAMPLES // 100
        assert MINIMUM_SAMPLES >= 2000
        assert not list(dying_units(self.window(make, steps=needed - 1)))
        assert list(dying_units(self.window(make, steps=needed)))

    def test_units_of_a_layer_that_is_silent_as_a_whole_are_judged_together(self, make):
        """Ten of them on two hundred examples are two thousand samples."""
        assert not list(dying_units(self.window(make, 0.0, steps=1)))
        assert list(dying_units(self.window(make, 0.0, steps=2)))

    def test_the_bound_on_the_firing_rate_is_the_rule_of_three(self, make):
        (finding,) = dying_units(self.window(make, 0.0, steps=30))
        assert finding.evidence["examples"] == 3000
        assert finding.evidence["firing_rate_upper_bound_95"] == pytest.approx(3 / 3000, rel=2e-3)

    def test_positions_of_one_image_are_no_independent_samples(self, make):
        def window(steps):
            layer = make.layer(events=0.0, samples=3200, examples=50)
            kernel = make.kernel(unit_gradient=np.zeros(10))
            return make.window(steps, layers=[layer], weights=[kernel, make.kernel("output")])

        assert not list(dying_units(window(3)))
        assert list(dying_units(window(4)))

    def test_a_unit_whose_weights_get_gradient_is_not_dead(self, make):
        assert not list(dying_units(self.window(make, 0.0, unit_gradient=np.full(10, 0.1))))

    def test_weight_decay_in_the_gradient_does_not_hide_death(self, make):
        assert list(dying_units(self.window(make, 0.0, unit_gradient=np.full(10, 1e-4))))

    def test_onset_is_when_enough_units_had_died(self, make):
        early = np.r_[np.zeros(3), np.full(7, 0.5)]
        late = np.r_[np.zeros(6), np.full(4, 0.5)]
        window = [
            *make.window(7),
            *make.window(5, start=7, layers=[make.layer(events=early)]),
            *self.window(make, late)[12:],
        ]
        (finding,) = dying_units(window)
        assert finding.onset == 12
        assert finding.evidence["dead_units"] == 6

    def test_frozen_units_are_left_alone(self, make):
        layer = make.layer(events=0.0)
        window = make.window(40, layers=[layer], weights=[make.kernel("output")])
        assert not list(dying_units(window))

    def test_leaky_units_do_not_die(self, make):
        leaky = type(make.relu)("leaky_relu")
        layer = make.layer(activation=leaky, events=0.0)
        assert not list(dying_units(make.window(40, layers=[layer])))


class TestVanishingGradients:
    def window(self, make, gradients, count=10, **changes):
        weights = [make.kernel(f"layer{i}", gradient=g, **changes) for i, g in enumerate(gradients)]
        return make.window(count, weights=weights)

    def test_every_layer_before_the_loss_of_signal_is_named(self, make):
        findings = list(vanishing_gradients(self.window(make, [1e-9, 1e-7, 1e-2, 1.0])))
        assert [finding.layer for finding in findings] == ["layer0", "layer1"]
        assert {finding.onset for finding in findings} == {0}

    def test_a_signal_that_reaches_the_input_has_not_vanished(self, make):
        """As in attention, whose query kernels get little gradient, with a skip around them."""
        assert not list(vanishing_gradients(self.window(make, [0.5, 1e-9, 1e-9, 1.0])))

    def test_a_converged_network_is_healthy(self, make):
        assert not list(vanishing_gradients(self.window(make, [1e-9, 1e-9, 1e-9])))
        window = self.window(make, [1e-9, 1.0])
        learned = make.observation(10, weights=window[-1].weights, loss=0.1)
        assert not list(vanishing_gradients([*window, learned]))

    def test_scale_moved_from_layer_to_layer_changes_nothing(self, make):
        """|g| |w| stays when a layer's weights grow tenfold and its gradient shrinks tenfold."""
        weights = [
            make.kernel("layer0", gradient=1e-4, norm=3e3),
            make.kernel("layer1", gradient=0.1, norm=3.0),
        ]
        assert not list(vanishing_gradients(make.window(10, weights=weights)))

    def test_a_layer_that_the_optimizer_still_moves_is_a_warning(self, make):
        (moved,) = vanishing_gradients(self.window(make, [1e-6, 1.0]))
        (stuck,) = vanishing_gradients(self.window(make, [1e-6, 1.0], update=1e-6))
        assert (moved.severity, stuck.severity) == ("warning", "critical")

    def test_a_negative_loss_that_stands_still_has_not_learned(self, make):
        window = [
            make.observation(o.step, weights=o.weights, loss=-0.5)
            for o in self.window(make, [1e-9, 1.0])
        ]
        assert list(vanishing_gradients(window))

    def test_no_gradient_anywhere_while_there_is_a_loss(self, make):
        """As behind a loss that is clipped."""
        assert len(list(vanishing_gradients(self.window(make, [0.0, 0.0])))) == 2

        def without_loss(*, at_start):
            weights = [make.kernel(gradient=0.0)]
            first = make.observation(0, weights=weights, loss=0.0, at_start=at_start)
            later = [make.observation(i, weights=weights, loss=0.0) for i in range(1, 9)]
            return list(vanishing_gradients([first, *later]))

        assert without_loss(at_start=True)  # as with sample weights of zero
        assert not without_loss(at_start=False)  # what was learned to the end

    def test_eight_looks_are_needed(self, make):
        assert not list(vanishing_gradients(self.window(make, [1e-9, 1.0], count=7)))


class TestExplodingGradients:
    def test_an_update_as_large_as_the_weight(self, make):
        weights = [make.kernel(update=30.0), make.kernel("output")]
        (finding,) = exploding_gradients(make.window(4, weights=weights))
        assert (finding.layer, finding.severity) == ("hidden", "critical")
        assert finding.evidence["update_ratio"] == pytest.approx(10.0)

    def test_a_kernel_that_starts_at_zero_may_grow(self, make):
        weights = [make.kernel(norm=1e-6, update=0.1), make.kernel("output")]
        assert not list(exploding_gradients(make.window(4, weights=weights)))

    def test_a_large_gradient_that_is_rescaled_is_harmless(self, make):
        """As by Adam, under a loss that is multiplied by a million."""
        harmless = [make.kernel(gradient=1e5), make.kernel("output", gradient=1e5)]
        harmful = [make.kernel(gradient=1e5, update=0.3), make.kernel("output", gradient=1e5)]
        assert not list(exploding_gradients(make.window(9, weights=harmless)))
        assert list(exploding_gradients(make.window(9, weights=harmful)))

    def test_growth_towards_the_input(self, make):
        weights = [make.kernel(gradient=500.0), make.kernel("output", gradient=0.3)]
        assert not list(exploding_gradients(make.window(2, weights=weights)))
        (finding,) = exploding_gradients(make.window(3, weights=weights))
        assert finding.layer == "hidden"


class TestSymmetricUnits:
    def window(self, make, weights, gradients, count=3, scale=1.0):
        signature = np.stack([weights, scale * np.cos(weights)])
        kernel = make.kernel(
            units=len(weights), unit_signature=signature, unit_gradient_signature=gradients
        )
        return make.window(count, weights=[kernel])

    def test_equal_weights_and_equal_gradients(self, make):
        zeros = np.zeros(10)
        (finding,) = symmetric_units(self.window(make, zeros, zeros))
        assert finding.evidence["distinct_units"] == 1
        assert not list(symmetric_units(self.window(make, zeros, zeros, count=2)))

    def test_equal_weights_alone_are_broken_by_the_gradient(self, make):
        """A classifier that starts at zero."""
        assert not list(symmetric_units(self.window(make, np.zeros(10), np.arange(10.0))))

    def test_equal_gradients_alone_are_no_symmetry(self, make):
        """Dead units: no gradient, different weights."""
        assert not list(symmetric_units(self.window(make, np.arange(10.0), np.zeros(10))))

    def test_beside_units_that_ran_away_the_others_are_not_alike(self, make):
        weights = np.r_[np.arange(1.0, 10.0), 1e20]
        sizes = np.r_[np.ones(9), 1e20]
        assert not list(symmetric_units(self.window(make, weights, np.zeros(10), scale=sizes)))
        alike = np.r_[np.ones(9), 1e20]
        assert list(symmetric_units(self.window(make, alike, np.zeros(10), scale=sizes)))

    def test_what_begins_unequal_does_not_become_equal(self, make):
        """Weights that decay to nothing only look alike."""
        start = self.window(make, np.arange(10.0), np.zeros(10))
        assert not list(symmetric_units(start + self.window(make, np.zeros(10), np.zeros(10))))

    def test_a_wide_layer_of_random_units_has_no_twins(self, make):
        """A language model's output: most classes get no gradient in a batch."""
        units = 100_000
        signature = np.random.default_rng(0).normal(size=(2, units)).astype("float32")
        kernel = make.kernel(
            units=units,
            unit_signature=signature.astype("float64"),
            unit_gradient_signature=np.zeros(units),
        )
        assert not list(symmetric_units(make.window(3, weights=[kernel])))

    def test_units_of_whose_weights_none_is_seen_are_no_twins(self, make):
        """An identity matrix of which some rows are seen."""
        signature = np.zeros((2, 10))
        signature[:, :2] = [[1.0, -0.5], [0.3, 2.0]]
        kernel = make.kernel(unit_signature=signature, unit_gradient_signature=np.zeros(10))
        assert not list(symmetric_units(make.window(3, weights=[kernel])))
        kernel = replace(kernel, norm=0.0, unit_signature=np.zeros((2, 10)))
        assert list(symmetric_units(make.window(3, weights=[kernel])))

    def test_rounding_does_not_break_symmetry(self, make):
        noise = 1 + 1e-7 * np.random.default_rng(0).normal(size=10)
        assert list(symmetric_units(self.window(make, noise, noise)))


class TestPoorInitialization:
    def first(self, make, scales, **changes):
        layers = [make.layer(f"layer{i}", scale=s, **changes) for i, s in enumerate(scales)]
        return [make.observation(0, layers=layers)]

    def test_names_the_first_layer_out_of_range(self, make):
        (shrinks,) = poor_initialization(self.first(make, 0.2 ** np.arange(6)))
        (grows,) = poor_initialization(self.first(make, 3.0 ** np.arange(12)))
        assert (shrinks.layer, shrinks.severity) == ("layer3", "warning")
        assert (grows.layer, grows.severity) == ("layer5", "critical")
        assert shrinks.evidence["factor_per_layer"] == pytest.approx(0.2)

    def test_one_odd_layer_is_no_trend(self, make):
        assert not list(poor_initialization(self.first(make, [300.0, 1.0, 1.1, 0.9, 1.0])))

    def test_only_the_start_is_judged(self, make):
        late = [make.observation(1, layers=self.first(make, 0.2 ** np.arange(6))[0].layers)]
        assert not list(poor_initialization(late))

    def test_a_single_sample_has_no_deviation(self, make):
        assert not list(poor_initialization(self.first(make, [0.5, 1e-12, 1e-12], samples=1)))

    def test_several_steps_run_at_once_are_still_the_start(self, make):
        layers = self.first(make, 0.2 ** np.arange(6))[0].layers
        assert list(poor_initialization([make.observation(3, layers=layers, at_start=True)]))

    def test_a_model_that_was_trained_before_is_not_at_its_start(self, make):
        layers = self.first(make, 0.2 ** np.arange(6))[0].layers
        assert not list(poor_initialization([make.observation(0, layers=layers, at_start=False)]))

    def test_dead_layers_are_left_to_their_own_rule(self, make):
        layers = [
            make.layer("layer0"),
            *(make.layer(f"layer{i}", scale=0.0, events=0.0) for i in range(1, 6)),
        ]
        assert not list(poor_initialization([make.observation(0, layers=layers)]))


class TestNonFinite:
    def test_the_first_layer_that_puts_it_out(self, make):
        layers = [make.layer("first"), make.layer("second", nonfinite=7), make.layer("third")]
        broken = make.observation(4, layers=layers, loss=float("nan"))
        (finding,) = non_finite([*make.window(4), broken])
        assert (finding.layer, finding.onset) == ("second", 4)
        assert finding.evidence["last_finite_step"] == 3

    def test_it_is_named_where_it_began_only(self, make):
        broken = make.window(2, start=4, loss=float("inf"))
        assert not list(non_finite([*make.window(4), *broken]))

    def test_inputs_come_before_layers(self, make):
        layers = [make.layer(nonfinite=1)]
        (finding,) = non_finite([make.observation(layers=layers, input_nonfinite=3)])
        assert finding.evidence["place"] == "the inputs"

    def test_infinite_inputs_that_only_the_gradient_shows(self, make):
        """tanh makes 1 of them."""
        weights = [make.kernel(nonfinite=5)]
        (finding,) = non_finite([make.observation(weights=weights, input_nonfinite=3)])
        assert finding.evidence["place"] == "the inputs"

    def test_missing_values_that_the_model_replaces_are_no_fault(self, make):
        assert not list(non_finite([make.observation(input_nonfinite=3)]))

    def test_a_loss_that_is_not_seen_is_not_nan(self, make):
        assert not list(non_finite([make.observation(loss=None)]))

    def test_a_skipped_step_of_a_loss_scaling_optimizer_is_no_fault(self, make):
        weights = [make.kernel(nonfinite=5, gradient=float("inf"))]
        assert list(non_finite([make.observation(weights=weights)]))
        assert not list(non_finite([make.observation(weights=weights, loss_scaled=True)]))
