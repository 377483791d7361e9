from dataclasses import replace

import keras
import numpy as np
import pytest

from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.rules._mismatches.mismatch import TOLERANCE
from kerastricks.diagnosis.rules.loss_mismatch import loss_mismatch

CLASSES = 5
LABELS = np.random.default_rng(0).integers(0, CLASSES, 60)
ONE_HOT = np.eye(CLASSES)[LABELS]
LOGITS = np.random.default_rng(1).normal(size=(60, CLASSES))
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
SIGMOID = 1 / (1 + np.exp(-LOGITS))
YES_NO = (LABELS > 2).astype(float)

CATEGORICAL = ("categorical_crossentropy", "categorical_focal_crossentropy")
ALL_CATEGORICAL = (*CATEGORICAL, "sparse_categorical_crossentropy")
BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
REGRESSION = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")


def targets_of(loss):
    return LABELS if loss.startswith("sparse") else ONE_HOT


def rectified(output):
    return replace(output, activation=Activation("relu", rectifier=True))


class TestHealthy:
    @pytest.mark.parametrize("loss", ALL_CATEGORICAL)
    def test_categorical(self, loss, mismatch):
        target = targets_of(loss)
        assert not mismatch(SOFTMAX, target, loss, "softmax")
        assert not mismatch(LOGITS, target, loss, from_logits=True)
        assert not mismatch(LOGITS * 30, target, loss, from_logits=True)

    @pytest.mark.parametrize("loss", BINARY)
    def test_binary(self, loss, mismatch):
        assert not mismatch(SIGMOID[:, :1], YES_NO, loss, "sigmoid")
        assert not mismatch(SIGMOID[:, :1], YES_NO[:, None], loss, "sigmoid")
        assert not mismatch(LOGITS[:, :1], YES_NO, loss, from_logits=True)

    def test_several_labels_a_sample(self, mismatch):
        labels = (LOGITS > 0.3).astype(float)
        assert not mismatch(SIGMOID, labels, "binary_crossentropy", "sigmoid")
        assert not mismatch(SIGMOID, ONE_HOT, "binary_crossentropy", "sigmoid")

    def test_smoothed_and_mixed_labels(self, mismatch):
        smooth = 0.9 * ONE_HOT + 0.1 / CLASSES
        mixed = 0.3 * ONE_HOT + 0.7 * ONE_HOT[::-1]
        for target in (smooth, mixed):
            assert not mismatch(SOFTMAX, target, "categorical_crossentropy", "softmax")

    @pytest.mark.parametrize("loss", REGRESSION)
    def test_regression(self, loss, mismatch):
        target = np.random.default_rng(2).normal(size=60)
        assert not mismatch(LOGITS[:, :1], target, loss)
        assert not mismatch(LOGITS[:, :1], target[:, None], loss)
        assert not mismatch(LOGITS[:, :1], LABELS, loss)
        assert not mismatch(np.abs(LOGITS), np.abs(LOGITS[::-1]), loss, "relu")
        assert not mismatch(SIGMOID, SIGMOID[::-1], loss, "sigmoid")

    def test_images_and_sequences(self, mismatch):
        images = np.random.default_rng(3).random((4, 6, 6, 3))
        assert not mismatch(images, images[::-1], "mean_squared_error", "sigmoid")
        assert not mismatch(images[..., :1], images[..., 0], "mean_squared_error", "sigmoid")
        assert not mismatch(images[:, 0, :, :1], images[:, 0, :, 1], "mean_squared_error")

    def test_probabilities_that_no_layer_made(self, mismatch):
        loss = "categorical_crossentropy"
        assert not mismatch(SOFTMAX, ONE_HOT, loss, known=False)
        assert mismatch(SIGMOID, ONE_HOT, loss, known=False)

    def test_a_softmax_inside_a_layer_that_does_not_tell(self, mismatch):
        assert not mismatch(SOFTMAX, ONE_HOT, "categorical_crossentropy")
        assert not mismatch(SIGMOID[:, :1], YES_NO, "binary_crossentropy")

    def test_classes_along_another_axis(self, mismatch):
        """The loss is told the axis; from outside it is not seen."""
        channels_first = np.moveaxis(SOFTMAX.reshape(4, 15, CLASSES), -1, 1)
        assert not mismatch(channels_first, None, "categorical_crossentropy", known=False)

    def test_more_classes_than_are_told_apart(self, columns, mismatch):
        """The statistics then see a row in every entry."""
        entries = columns(SOFTMAX.reshape(-1), shape=(CLASSES,))

        def unseen(made):
            return replace(made, prediction=entries)

        loss = "categorical_crossentropy"
        assert not mismatch(SOFTMAX, None, loss, known=False, change=unseen)

    def test_what_softmax_rounds_to_in_bfloat16(self, mismatch):
        loss = "categorical_crossentropy"
        assert not mismatch(SOFTMAX * (1 + 0.9 * TOLERANCE), ONE_HOT, loss, known=False)
        assert mismatch(SOFTMAX * (1 + 1.1 * TOLERANCE), ONE_HOT, loss, known=False)

    @pytest.mark.parametrize("loss", [None, "contrastive_loss", "hinge", "cosine_similarity"])
    def test_a_loss_that_is_not_known(self, loss, mismatch):
        for prediction in (LOGITS, SIGMOID, SOFTMAX):
            assert not mismatch(prediction, ONE_HOT, loss)

    @pytest.mark.parametrize("loss", [*ALL_CATEGORICAL, *BINARY, *REGRESSION, "poisson"])
    def test_targets_that_are_not_known(self, loss, mismatch):
        activation = "sigmoid" if loss in BINARY else "softmax"
        prediction = SIGMOID if loss in BINARY else SOFTMAX
        assert not mismatch(prediction, None, loss, activation)

    def test_a_softmax_over_one_unit_is_a_constant_output(self, mismatch):
        for loss in (*CATEGORICAL, *BINARY):
            assert not mismatch(np.ones((60, 1)), YES_NO, loss, "softmax")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_left_to_its_own_rule(self, value, mismatch):
        broken = LOGITS.copy()
        broken[3, 2] = value
        losses = (*ALL_CATEGORICAL, *BINARY, *REGRESSION, "poisson", "kl_divergence")
        for loss in losses:
            assert not mismatch(broken, targets_of(loss), loss)
        assert not mismatch(SOFTMAX, broken, "mean_squared_error", "softmax")

    def test_nothing_in_it(self, columns, mismatch):
        names = ("mean", "variance", "minimum", "maximum")
        nothing = columns(LOGITS, **dict.fromkeys(names, np.zeros(0)))

        def emptied(made):
            return replace(made, prediction=nothing)

        assert not mismatch(LOGITS, None, "categorical_crossentropy", change=emptied)


class TestNoProbabilities:
    @pytest.mark.parametrize("loss", ALL_CATEGORICAL)
    @pytest.mark.parametrize("activation", [None, "tanh", "log_softmax"])
    def test_negative_outputs(self, loss, activation, mismatch):
        prediction = np.log(SOFTMAX) if activation == "log_softmax" else np.tanh(LOGITS)
        finding = mismatch(prediction, targets_of(loss), loss, activation)
        assert (finding.layer, finding.severity) == ("output", "critical")
        assert finding.evidence["range"] == [prediction.min(), prediction.max()]
        assert 'activation="softmax"' in finding.remedy

    @pytest.mark.parametrize("loss", BINARY)
    def test_no_answer_to_yes_or_no(self, loss, mismatch):
        for activation, prediction in ((None, LOGITS), ("tanh", np.tanh(LOGITS))):
            finding = mismatch(prediction[:, :1], YES_NO, loss, activation)
            assert finding.severity == "critical"
            assert 'activation="sigmoid"' in finding.remedy
        assert mismatch(3 * np.abs(LOGITS), YES_NO, loss, change=rectified).severity == "critical"

    def test_the_border(self, mismatch):
        """Both ends, each on both sides."""
        inside, outside = 0.9 * TOLERANCE, 1.1 * TOLERANCE
        for beyond, sick in ((inside, False), (outside, True)):
            for edge in (-beyond, 1 + beyond):
                prediction = np.r_[SIGMOID[:, 0], edge][:, None]
                target = np.r_[YES_NO, 1.0]
                assert bool(mismatch(prediction, target, "binary_crossentropy")) == sick

    def test_rectified_outputs_die(self, mismatch):
        prediction = np.maximum(LOGITS, 0)
        finding = mismatch(prediction, ONE_HOT, "categorical_crossentropy", change=rectified)
        assert finding.severity == "critical"

    def test_it_has_been_so_since_the_model_was_compiled(self, mismatch):
        finding = mismatch(LOGITS, ONE_HOT, "categorical_crossentropy", steps=9)
        assert finding.onset == 7

    def test_a_head_that_starts_at_zero(self, mismatch):
        loss = "sparse_categorical_crossentropy"
        assert mismatch(np.zeros((60, CLASSES)), LABELS, loss)

    @pytest.mark.parametrize("loss", ALL_CATEGORICAL)
    def test_sigmoid_outputs_train_but_are_no_distribution(self, loss, mismatch):
        finding = mismatch(SIGMOID, targets_of(loss), loss, "sigmoid")
        assert finding.severity == "warning"
        sums = SIGMOID.sum(axis=1)
        assert finding.evidence["row_sums"] == pytest.approx([sums.min(), sums.max()])
        pixels = SIGMOID.reshape(4, 15, CLASSES)
        assert mismatch(pixels, None, loss, "sigmoid").severity == "warning"

    def test_positive_outputs_train_too(self, mismatch):
        finding = mismatch(
            np.log1p(np.exp(LOGITS)), ONE_HOT, "categorical_crossentropy", "softplus"
        )
        assert finding.severity == "warning"


class TestLabels:
    @pytest.mark.parametrize("loss", CATEGORICAL)
    @pytest.mark.parametrize("from_logits", [False, True])
    def test_class_numbers_where_columns_are_wanted(self, loss, from_logits, mismatch):
        for target in (LABELS, LABELS[:, None]):
            prediction, activation = (LOGITS, None) if from_logits else (SOFTMAX, "softmax")
            finding = mismatch(prediction, target, loss, activation, from_logits=from_logits)
            assert finding.severity == "critical"
            assert "sparse_categorical_crossentropy" in finding.remedy

    @pytest.mark.parametrize("loss", ALL_CATEGORICAL)
    def test_a_choice_of_one(self, loss, mismatch):
        finding = mismatch(SIGMOID[:, :1], YES_NO, loss, "sigmoid")
        assert finding.severity == "critical"
        assert "binary_crossentropy" in finding.remedy

    @pytest.mark.parametrize("loss", BINARY)
    def test_softmax_where_each_class_is_judged_alone(self, loss, mismatch):
        finding = mismatch(SOFTMAX, ONE_HOT, loss, "softmax")
        assert finding.severity == "warning"
        assert "categorical_crossentropy" in finding.remedy
        several = (LOGITS > 0).astype(float)
        assert 'activation="sigmoid"' in mismatch(SOFTMAX, several, loss, "softmax").remedy
        assert not mismatch(SOFTMAX, SOFTMAX[::-1], loss, "softmax")

    def test_over_two_classes_it_is_the_same_number(self, mismatch):
        one, two = SIGMOID[:, :1], np.eye(2)[(LABELS > 2).astype(int)]
        prediction = np.concatenate([1 - one, one], axis=1)
        assert mismatch(prediction, two, "binary_crossentropy", "softmax").severity == "note"
        losses = keras.losses.BinaryCrossentropy(), keras.losses.CategoricalCrossentropy()
        binary, cross = (float(loss(two, prediction)) for loss in losses)
        assert binary == pytest.approx(cross, rel=1e-5)


class TestRegression:
    @pytest.mark.parametrize("loss", REGRESSION)
    def test_a_label_for_each_of_several_units(self, loss, mismatch):
        for target in (LABELS, LABELS[:, None]):
            finding = mismatch(SOFTMAX, target, loss, "softmax")
            assert finding.severity == "critical"
            assert "sparse_categorical_crossentropy" in finding.remedy
        assert finding.evidence["target_shape"] == "(batch, 1)"
        assert not mismatch(SOFTMAX, LABELS[:, None] + 0.5, loss, "softmax")

    @pytest.mark.parametrize("loss", REGRESSION)
    def test_one_output_for_several_targets(self, loss, mismatch):
        finding = mismatch(LOGITS[:, :1], ONE_HOT, loss)
        assert finding.severity == "critical"
        assert f"Dense({CLASSES})" in finding.remedy
        sequence = np.random.default_rng(0).normal(size=(60, 7, 1))
        assert mismatch(LOGITS[:, :1], sequence, loss).severity == "critical"

    def test_a_sequence_of_outputs_for_one_target(self, mismatch):
        """Keras broadcasts (batch,) against (batch, time, 1) to (batch, time, batch)."""
        target = np.random.default_rng(0).normal(size=60)
        prediction = np.random.default_rng(1).normal(size=(60, 7, 1))
        finding = mismatch(prediction, target, "mean_squared_error")
        assert finding.severity == "critical"
        assert "Flatten" in finding.remedy
        assert not mismatch(prediction[:1], target[:1], "mean_squared_error")
        value = keras.losses.MeanSquaredError()(target, prediction)
        crossed = np.mean(np.square(target - prediction))
        assert float(value) == pytest.approx(crossed, rel=1e-5)

    def test_softmax_with_one_hot_labels_learns_slowly(self, mismatch):
        finding = mismatch(SOFTMAX, ONE_HOT, "mean_squared_error", "softmax")
        assert finding.severity == "note"
        assert not mismatch(SOFTMAX, SOFTMAX[::-1], "mean_squared_error", "softmax")
        assert not mismatch(SIGMOID, ONE_HOT, "mean_squared_error", "sigmoid")


class TestOtherLosses:
    def test_poisson_needs_outputs_above_zero(self, mismatch):
        counts = LABELS.astype(float)
        assert not mismatch(np.exp(LOGITS[:, :1]), counts, "poisson", "exponential")
        assert not mismatch(np.zeros((60, 1)), counts, "poisson")
        finding = mismatch(LOGITS[:, :1], counts, "poisson")
        assert finding.severity == "critical"
        assert finding.evidence["minimum"] == LOGITS[:, 0].min()
        assert np.isnan(float(keras.losses.Poisson()(counts[:, None], LOGITS[:, :1])))

    def test_divergence_of_what_is_no_distribution(self, mismatch):
        target = SOFTMAX[::-1]
        assert not mismatch(SOFTMAX, target, "kl_divergence", "softmax")
        assert not mismatch(SOFTMAX, target, "kl_divergence", known=False)
        for activation, prediction in (("sigmoid", SIGMOID), (None, LOGITS)):
            finding = mismatch(prediction, target, "kl_divergence", activation)
            assert finding.severity == "critical"
        ones = np.ones_like(target)
        lowest, right = (float(keras.losses.KLDivergence()(target, p)) for p in (ones, target))
        assert lowest < right

    def test_divergence_from_what_is_no_distribution(self, mismatch):
        finding = mismatch(SOFTMAX, 2 * SOFTMAX, "kl_divergence", known=False)
        assert finding.severity == "warning"
        padded = np.where(LABELS[:, None] == 0, 0.0, SOFTMAX)
        assert not mismatch(SOFTMAX, padded, "kl_divergence", known=False)


def test_each_output_is_judged_alone(make, output):
    heads = (
        output(SOFTMAX, ONE_HOT, "categorical_crossentropy", "softmax", path="class"),
        output(LOGITS, ONE_HOT, "categorical_crossentropy", path="other"),
        output(LOGITS[:, :1], LABELS, "mean_squared_error", path="age"),
    )
    findings = list(loss_mismatch([make.observation(outputs=heads)]))
    assert [finding.layer for finding in findings] == ["other"]


def test_a_remedy_names_a_class_that_keras_has(mismatch):
    for loss in (*ALL_CATEGORICAL, *BINARY):
        remedy = mismatch(LOGITS, targets_of(loss), loss).remedy
        name = remedy.split("keras.losses.")[1].split("(")[0]
        assert getattr(keras.losses, name)(from_logits=True).from_logits
