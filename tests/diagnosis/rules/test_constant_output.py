import json

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis.rules._window import LOOK_BACK
from kerastricks.diagnosis.rules.constant_output import (
    FROM_START_LOOKS,
    MINIMUM_LOOKS,
    ROUNDING,
    constant_output,
)

RANDOM = np.random.default_rng(0)
VARYING = RANDOM.normal(size=(32, 1))
SIGNS = np.where(np.arange(32)[:, None] % 2, 1.0, -1.0)
LABELS = np.arange(32) % 2


@pytest.fixture
def collapsed(make, output):
    """A run of 5 healthy observations, then `count` of these predictions."""

    def collapsed(prediction, target=LABELS, count=MINIMUM_LOOKS, healthy=5, weights=None):
        before = output(RANDOM.normal(size=np.shape(prediction)), target, "mean_squared_error")
        after = output(prediction, target, "mean_squared_error")
        return [
            *make.window(healthy, outputs=(before,)),
            *make.window(count, start=healthy, outputs=(after,), weights=weights),
        ]

    return collapsed


def found(window):
    return list(constant_output(window))


class TestSoftmaxOverOneUnit:
    def window(self, make, output, prediction, **changes):
        outputs = (output(prediction, LABELS, "categorical_crossentropy", "softmax", **changes),)
        return make.window(2, outputs=outputs)

    def test_it_is_found_at_once(self, make, output):
        window = self.window(make, output, np.ones((32, 1)))
        for seen in (window[:1], window):
            (finding,) = found(seen)
            assert (finding.severity, finding.onset) == ("critical", 0)
            assert "binary_crossentropy" in finding.remedy
            assert json.dumps(finding.to_dict())

    def test_two_units_or_another_axis_are_well(self, make, output):
        assert not found(self.window(make, output, np.eye(2)[LABELS]))
        over_time = np.full((4, 8, 1), 1 / 8) + 0.01 * RANDOM.normal(size=(4, 8, 1))
        assert not found(self.window(make, output, over_time))

    def test_a_sigmoid_over_one_unit_is_well(self, make, output):
        outputs = (output(np.ones((32, 1)), LABELS, "binary_crossentropy", "sigmoid"),)
        assert not found(make.window(1, outputs=outputs))

    def test_nan_is_not_constant(self, make, output):
        assert not found(self.window(make, output, np.full((32, 1), np.nan)))


class TestMeasured:
    def test_a_model_that_collapses_is_found_with_its_onset(self, collapsed):
        assert not found(collapsed(np.full((32, 1), 0.3), count=MINIMUM_LOOKS - 1))
        (finding,) = found(collapsed(np.full((32, 1), 0.3)))
        assert (finding.layer, finding.severity, finding.onset) == ("output", "critical", 5)
        assert finding.evidence["samples"] == 32 * MINIMUM_LOOKS
        assert json.dumps(finding.to_dict())

    def test_all_zeros_are_constant(self, collapsed):
        """A rectifier as output whose unit has died."""
        assert found(collapsed(np.zeros((32, 1))))

    def test_border_is_the_rounding_of_float32(self, collapsed):
        for factor, count in [(0.9, 1), (1.1, 0)]:
            prediction = 0.5 * (1 + factor * ROUNDING * SIGNS)
            assert len(found(collapsed(prediction))) == count

    def test_rounding_of_a_wide_layer_is_below_the_border(self, collapsed):
        """Equal sums of 10000 products, added up in different orders."""
        products = RANDOM.normal(1e-4, 1e-4, 10_000).astype("float32")
        sums = [np.cumsum(RANDOM.permutation(products), dtype="float32")[-1] for _ in range(32)]
        assert len(set(sums)) > 1
        assert found(collapsed(np.array(sums, float)[:, None]))

    def test_a_small_spread_in_one_column_is_an_answer(self, collapsed):
        constant = np.full((32, 3), 1 / 3)
        assert found(collapsed(constant))
        constant[:, 2] += 1e-3 * SIGNS[:, 0]
        assert not found(collapsed(constant))

    def test_a_column_of_vanishing_probability_may_vary(self, collapsed):
        sure = np.hstack([np.ones((32, 1)), 1e-20 * RANDOM.random((32, 1))])
        assert found(collapsed(sure))

    def test_targets_that_vary_by_less_than_rounding_themselves(self, collapsed):
        """Time stamps: predictions that follow the target vary by little beside their mean."""
        stamps = 1.7e9 + 1000 * VARYING
        assert not found(collapsed(1.7e9 + 500 * VARYING, stamps))
        assert found(collapsed(np.full((32, 1), 1.7e9), stamps))

    def test_equal_targets_ask_for_equal_answers(self, collapsed):
        assert not found(collapsed(np.ones((32, 1)), np.ones(32), count=20))

    def test_batches_of_one_class_do_not_break_the_run(self, make, output, collapsed):
        window = collapsed(np.ones((32, 1)), count=4)
        one_class = output(np.ones((32, 1)), np.ones(32), "mean_squared_error")
        window[6] = make.observation(6, outputs=(one_class,))
        assert [f.onset for f in found(window)] == [5]
        assert found(window)[0].evidence["samples"] == 3 * 32
        assert not found(window[:-1])

    def test_an_answer_in_between_breaks_the_run(self, collapsed):
        window = collapsed(np.ones((32, 1)), count=7)
        window[9] = window[0]
        assert not found(window)

    def test_few_samples_are_no_evidence(self, collapsed):
        eight, one = np.full((8, 1), 0.3), np.full((1, 1), 0.3)
        assert not found(collapsed(eight, LABELS[:8], count=7))
        assert found(collapsed(eight, LABELS[:8], count=8))
        assert not found(collapsed(one, LABELS[:1], count=99))
        assert not found(collapsed(eight[:7], LABELS[:7], count=99))

    def test_sequences_and_maps_count_by_columns(self, collapsed):
        constant = np.broadcast_to(np.full(3, 1 / 3), (4, 8, 8, 3))
        labels = RANDOM.integers(0, 3, (4, 8, 8, 1))
        assert found(collapsed(constant, labels))
        by_position = constant + 0.1 * RANDOM.normal(size=(8, 8, 1))
        assert not found(collapsed(by_position, labels))

    def test_outputs_without_targets_may_be_constant(self, collapsed):
        assert not found(collapsed(np.ones((32, 1)), target=None, count=20))

    def test_what_is_not_finite_is_not_constant(self, collapsed):
        for value in (np.nan, np.inf):
            assert not found(collapsed(np.full((32, 1), value)))


class TestFromTheStart:
    def test_it_takes_longer(self, collapsed):
        def window(count):
            return collapsed(np.full((32, 1), 0.5), count=count, healthy=0)

        assert not found(window(FROM_START_LOOKS - 1))
        assert [f.onset for f in found(window(FROM_START_LOOKS))] == [0]

    def test_a_last_kernel_of_zeros_gives_constant_outputs_at_first(self, make, output):
        first = output(np.zeros((32, 10)), LABELS, "sparse_categorical_crossentropy")
        later = output(1e-4 * RANDOM.normal(size=(32, 10)), LABELS, first.loss.name)
        window = [make.observation(0, outputs=(first,)), *make.window(9, 1, outputs=(later,))]
        for length in range(1, 11):
            assert not found(window[:length])

    def test_a_last_kernel_that_grows_from_zero_is_waited_for(self, make, output):
        """A warm-up whose first updates are lost in the rounding of a sigmoid's 0.5."""
        outputs = (output(np.full((32, 1), 0.5), LABELS, "binary_crossentropy", "sigmoid"),)

        def window(norms):
            return [
                make.observation(i, outputs=outputs, weights=[make.kernel("output", norm=norm)])
                for i, norm in enumerate(norms)
            ]

        for length in (FROM_START_LOOKS, LOOK_BACK, 2 * LOOK_BACK):
            steps = np.arange(length)
            assert not found(window(1e-9 * steps**2))
            assert found(window(np.zeros(length)))
            assert found(window(np.ones(length)))


class TestWhereItIsCutOff:
    def named(self, make, output, constant, order=("a", "b", "output", "other")):
        """The layer that is named when these of the layers do not vary."""
        layers = [
            make.layer(path, mean=np.full(3, 0.5), units=3, scale=0.0 if path in constant else 0.1)
            for path in order
        ]
        outputs = (output(np.full((32, 1), 0.3), LABELS, "mean_squared_error"),)
        window = make.window(FROM_START_LOOKS, layers=layers, outputs=outputs)
        (finding,) = constant_output(window)
        assert finding.layer == "output"
        return finding.evidence["constant_from"]

    def test_the_first_layer_from_which_on_nothing_varies(self, make, output):
        assert self.named(make, output, {"a", "b", "output"}) == "a"
        assert self.named(make, output, {"b", "output"}) == "b"
        assert self.named(make, output, {"output", "other"}) == "output"

    def test_a_branch_that_does_not_vary_beside_one_that_does(self, make, output):
        assert self.named(make, output, {"a", "output"}) == "output"

    def test_an_output_that_is_no_layer_is_named_itself(self, make, output):
        assert self.named(make, output, {"a", "b"}, order=("a", "b")) == "output"

    @pytest.mark.compiling
    @pytest.mark.parametrize(("axis", "sick"), [((1, 2), False), (-1, True)])
    def test_normalization_over_one_number(self, axis, sick):
        """It leaves zero whatever it gets, and the rectifiers behind it are all dead."""
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((6, 1)),
                keras.layers.LayerNormalization(axis=axis, name="normalization"),
                keras.layers.Flatten(),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", "mean_squared_error")
        x = np.random.default_rng(0).normal(size=(256, 6, 1)).astype("float32")
        doctor = kt.callbacks.TrainingDoctor(verbose=0)
        y = x[:, 0] - x[:, 1]
        model.fit(x, y, epochs=8, batch_size=32, callbacks=[doctor], verbose=0)
        report = doctor.report
        if not sick:
            assert report.healthy
            return
        (root,) = report.root_causes
        assert root.condition == "constant_output"
        assert root.evidence["constant_from"].endswith("normalization")
        assert "normalization on" in root.message
        assert "dying_units" in {f.condition for f in report.findings if f.caused_by is root}
