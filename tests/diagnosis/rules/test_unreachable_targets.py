import inspect
import json
import re
from dataclasses import replace

import keras
import numpy as np
import pytest

from kerastricks.diagnosis.rules.unreachable_targets import (
    LOSSES,
    RANGES,
    SLIGHT,
    SPARSE_LOSSES,
    SUM_TOLERANCE,
    unreachable_targets,
)


@pytest.fixture
def judged(make, output):
    """Judges targets, beside softmax predictions of as many columns, or of `units`."""

    def judged(target, activation=None, loss="mean_squared_error", units=None, **changes):
        target = np.asarray(target, float)
        units = units or (target.shape[-1] if target.ndim > 1 else 1)
        prediction = changes.pop("predicted", np.full((4, units), 1 / units))
        outputs = (output(prediction, target, loss, activation, **changes),)
        return list(unreachable_targets([make.observation(outputs=outputs)]))

    return judged


def severities(findings):
    return [finding.severity for finding in findings]


def layer_of(remedy, y):
    """The layer that a remedy tells to type."""
    (call,) = re.findall(r"keras\.layers\.Dense\(.*\+ 1[^)]*\)", remedy)
    return eval(call, {"keras": keras, "y": y})


def between(low, high):
    return np.linspace(low, high, 11)[:, None]


@pytest.mark.parametrize("name", sorted(RANGES))
def test_ranges_are_those_that_keras_activations_keep_and_come_close_to(name):
    activation = keras.activations.get("softsign" if name == "soft_sign" else name)
    inputs = np.linspace(-1e4, 80, 20_001, dtype="float32")[:, None]
    if name in ("softmax", "sparsemax"):
        inputs = np.hstack([inputs, -inputs])
    outputs = keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(inputs)))
    low, high = RANGES[name]
    rounding = 16 * np.finfo("float32").eps
    assert low - rounding <= outputs.min() <= low + 0.02  # softsign ends as 1 / x
    assert outputs.max() <= high + rounding
    assert outputs.max() >= min(high, 50) - 0.02


def test_losses_are_named_as_keras_names_them():
    for name in (*LOSSES, *SPARSE_LOSSES):
        assert inspect.isfunction(getattr(keras.losses, name))


class TestRange:
    @pytest.mark.parametrize(
        ("activation", "sick"),
        [
            ("sigmoid", between(-1, 1)),
            ("hard_sigmoid", between(0, 9)),
            ("tanh", between(-3, 3)),
            ("softsign", between(22, 50)),
            ("relu", between(-2, 2)),
            ("relu6", between(0, 9)),
            ("softplus", between(-2, 2)),
            ("exponential", between(-2, -1)),
            ("elu", between(-2, 2)),
            ("selu", between(-3, 3)),
            ("gelu", between(-2, 2)),
            ("silu", between(-2, 2)),
            ("mish", between(-2, 2)),
        ],
    )
    def test_targets_beyond_an_end_are_critical_and_within_are_not(self, activation, sick, judged):
        (finding,) = judged(sick, activation)
        assert (finding.layer, finding.severity, finding.onset) == ("output", "critical", 0)
        assert finding.evidence["healthy_range"] == list(RANGES[activation])
        low, high = np.clip(RANGES[activation], -5, 5)
        assert not judged(between(low, high), activation)

    def test_a_linear_or_unknown_output_reaches_everything(self, judged):
        for activation in (None, "linear", "leaky_relu", "my_activation"):
            assert not judged(between(-99, 99), activation)

    def test_rounding_is_forgiven_and_a_slight_overshoot_a_note(self, judged):
        eps = np.finfo("float32").eps
        assert not judged(between(0, 1 + eps), "sigmoid")
        assert severities(judged(between(0, 1 + 1e-5), "sigmoid")) == ["note"]
        assert severities(judged(between(-0.99 * SLIGHT, 1), "sigmoid")) == ["note"]
        assert severities(judged(between(-1.01 * SLIGHT, 1), "sigmoid")) == ["critical"]
        assert severities(judged(between(-0.01, 1), "relu")) == ["note"]

    def test_smoothed_labels_are_within(self, judged):
        assert not judged(between(0.05, 0.95), "sigmoid", "binary_crossentropy")

    def test_what_the_loss_squashes_has_the_range_of_a_sigmoid(self, judged):
        for from_logits, count in [(True, 1), (False, 0)]:
            found = judged(between(-1, 1), None, "binary_crossentropy", from_logits=from_logits)
            assert len(found) == count
            assert not any("None" in finding.message for finding in found)

    def test_losses_that_compare_otherwise_are_left_out(self, judged):
        for loss in ("hinge", "squared_hinge", "categorical_hinge", "cosine_similarity", "mine"):
            assert not judged(between(-1, 3), "sigmoid", loss)
        assert not judged(between(-1, 3), "sigmoid", None)

    @pytest.mark.parametrize(
        ("target", "loss", "remedy"),
        [
            ([[-1], [1]], "binary_crossentropy", "(y + 1) / 2"),
            ([[0], [255]], "binary_crossentropy", "y / 255"),
            ([[0], [9]], "binary_crossentropy", "sparse_categorical_crossentropy"),
            ([[0.5], [9]], "binary_crossentropy", "mean_squared_error"),
            ([[0], [9]], "mean_squared_error", "activation=None"),
        ],
    )
    def test_remedies_fit_the_labels(self, target, loss, remedy, judged):
        (finding,) = judged(target, "sigmoid", loss)
        assert remedy in finding.remedy

    def test_the_layer_of_the_remedy_is_one_that_keras_makes(self, judged):
        (finding,) = judged([[0], [9]], "sigmoid", "binary_crossentropy")
        assert layer_of(finding.remedy, np.array([[0], [9]])).units == 10

    def test_columns_outside_are_named(self, judged):
        (finding,) = judged(np.array([[0, 5, 1, -5], [1, 0, 0, 0]]), "sigmoid")
        assert finding.evidence["columns_outside"] == [1, 3]


class TestRowsOfASoftmax:
    @pytest.fixture
    def softmax(self, judged):
        def softmax(target, **changes):
            return judged(target, "softmax", "categorical_crossentropy", **changes)

        return softmax

    def test_one_hot_and_soft_rows_are_healthy(self, softmax):
        soft = np.random.default_rng(0).dirichlet(np.ones(5), 20)
        for rows in (np.eye(5), soft, soft.astype("float16")):
            assert not softmax(rows)

    def test_several_labels_a_sample(self, softmax):
        (finding,) = softmax([[1, 1, 0], [0, 1, 0]])
        assert finding.severity == "critical"
        assert finding.evidence["largest_sum"] == 2
        assert "binary_crossentropy" in finding.remedy

    def test_rows_of_zeros_are_left_out_samples(self, softmax):
        assert not softmax([[1, 0, 0], [0, 0, 0]])
        assert not softmax(np.zeros((4, 3)))

    def test_border(self, softmax):
        for off, found in [(0.9, False), (1.1, True)]:
            for sign in (-1, 1):
                rows = np.full((4, 2), (1 + sign * off * SUM_TOLERANCE) / 2)
                assert bool(softmax(rows)) == found

    def test_a_softmax_over_another_axis_has_other_sums(self, softmax):
        rows = np.full((4, 2), 0.1)
        assert softmax(rows)
        assert not softmax(rows, predicted=np.full((4, 2), 0.1))

    def test_softmax_within_the_loss(self, judged):
        rows = [[1, 1, 0], [0, 1, 0]]
        logits = np.random.default_rng(0).normal(size=(4, 3))
        for from_logits, count in [(True, 1), (False, 0)]:
            changes = {"from_logits": from_logits, "predicted": logits}
            assert len(judged(rows, None, "categorical_crossentropy", **changes)) == count

    def test_columns_that_are_not_told_apart_have_no_rows(self, softmax):
        assert not softmax([[1], [0.5]], units=2000)


class TestClasses:
    @pytest.fixture
    def sparse(self, judged):
        def sparse(labels, units=10, **changes):
            return judged(labels, "softmax", "sparse_categorical_crossentropy", units, **changes)

        return sparse

    def test_labels_up_to_the_last_unit(self, sparse):
        assert not sparse(np.arange(10))
        assert not sparse(np.arange(10).reshape(1, 2, 5))
        (finding,) = sparse(np.arange(1, 11))
        assert (finding.severity, finding.evidence["maximum"]) == ("critical", 10)
        assert finding.evidence["healthy_range"] == [0, 9]
        assert "y - y.min()" in finding.remedy

    def test_only_the_class_that_the_loss_ignores_may_be_outside(self, sparse):
        for label in (-1, 255, -100):
            labels = [label, 0, 9]
            assert not sparse(labels, ignore_class=label)
            for ignored in (None, 5, label - 1):
                (finding,) = sparse(labels, ignore_class=ignored)
                assert finding.severity == "critical"
                assert finding.evidence["ignore_class"] == ignored
        for labels in ([-1, 10], [-2, 0], [-1, 255]):
            assert severities(sparse(labels, ignore_class=-1)) == ["critical"]
        assert severities(sparse([-1, 255], ignore_class=255)) == ["critical"]

    def test_columns_without_the_ignored_class_show_the_others(self, sparse):
        """As in a map of labels whose border is void."""
        rows = np.tile([255, 3, 9], (4, 1))
        assert not sparse(rows, ignore_class=255)
        rows[0, 1] = 10
        assert severities(sparse(rows, ignore_class=255)) == ["critical"]
        assert not sparse(np.full((4, 2), 255), ignore_class=255)

    @pytest.mark.parametrize(
        ("labels", "ignored", "units"),
        [([1, 10], None, 11), ([-1, 12], None, 13), ([0, 254], None, 255), ([-1, 12], -1, 13)],
    )
    def test_the_layer_of_the_remedy_is_one_that_keras_makes(self, labels, ignored, units, sparse):
        (finding,) = sparse(labels, ignore_class=ignored)
        assert layer_of(finding.remedy, np.array(labels)).units == units

    @pytest.mark.parametrize("from_logits", [False, True])
    def test_one_label_outside_may_be_ignored_as_the_remedy_says(self, from_logits, sparse):
        (finding,) = sparse([-1, 0, 9], from_logits=from_logits)
        (call,) = re.findall(r"keras\.losses\.\w+\(.*?\)", finding.remedy)
        config = eval(call).get_config()
        assert (config["ignore_class"], config["from_logits"]) == (-1, from_logits)
        for labels in ([1, 10], [-1, 12]):
            assert "ignore_class" not in sparse(labels)[0].remedy

    def test_fractions_are_no_classes(self, sparse):
        assert severities(sparse([0, 1.5, 2])) == ["critical"]
        assert not sparse([0, 1, 2, np.nan])

    def test_units_that_are_not_known(self, make, output):
        for labels, count in [([0, 99], 0), ([-5, 1], 1)]:
            each = output(np.full((4, 3), 1 / 3), labels, SPARSE_LOSSES[0], "softmax")
            each = replace(each, prediction=replace(each.prediction, shape=(None,)))
            found = list(unreachable_targets([make.observation(outputs=(each,))]))
            assert len(found) == count


def test_onset_is_the_first_step_seen_with_such_targets(make, output):
    well, sick = (
        (output(np.full((4, 1), 0.5), between(0, top), "mean_squared_error", "sigmoid"),)
        for top in (1, 9)
    )
    steps = [make.observation(i, outputs=o) for i, o in enumerate([well, sick, well, sick, well])]
    assert [f.onset for f in unreachable_targets(steps[:4])] == [1]
    assert not list(unreachable_targets(steps))


def test_what_is_not_finite_is_left_out(judged):
    for value in (np.nan, np.inf):
        assert not judged([[value], [1.0]], "sigmoid")
        assert not judged([[value, 1.0], [0.0, 1.0]], "softmax", "categorical_crossentropy")
        (finding,) = judged([[value, 7.0], [0.0, 1.0]], "sigmoid")
        assert finding.evidence["columns_outside"] == [1]


def test_the_evidence_fits_into_json(judged):
    for findings in (
        judged(between(-3, 3), "tanh"),
        judged(between(-3, 3), "relu"),
        judged([[1, 1]], "softmax", "categorical_crossentropy"),
        judged([7], "softmax", SPARSE_LOSSES[0], 3),
    ):
        (finding,) = findings
        assert json.loads(json.dumps(finding.to_dict()))["evidence"]["samples"] > 0
