import math
from dataclasses import replace

import keras
import numpy as np
import pytest

import kerastricks as kt
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


@pytest.fixture
def found(make, output):
    """The one finding on an output, or None."""

    def found(*arguments, steps=1, change=lambda made: made, **named):
        made = change(output(*arguments, **named))
        findings = list(loss_mismatch(make.window(steps, start=7, outputs=(made,))))
        assert len(findings) <= 1
        return findings[0] if findings else None

    return found


def targets_of(loss):
    return LABELS if loss.startswith("sparse") else ONE_HOT


def rectified(output):
    return replace(output, activation=Activation("relu", rectifier=True))


class TestHealthy:
    @pytest.mark.parametrize("loss", ALL_CATEGORICAL)
    def test_categorical(self, loss, found):
        target = targets_of(loss)
        assert not found(SOFTMAX, target, loss, "softmax")
        assert not found(LOGITS, target, loss, from_logits=True)
        assert not found(LOGITS * 30, target, loss, from_logits=True)

    @pytest.mark.parametrize("loss", BINARY)
    def test_binary(self, loss, found):
        assert not found(SIGMOID[:, :1], YES_NO, loss, "sigmoid")
        assert not found(SIGMOID[:, :1], YES_NO[:, None], loss, "sigmoid")
        assert not found(LOGITS[:, :1], YES_NO, loss, from_logits=True)

    def test_several_labels_a_sample(self, found):
        labels = (LOGITS > 0.3).astype(float)
        assert not found(SIGMOID, labels, "binary_crossentropy", "sigmoid")
        assert not found(SIGMOID, ONE_HOT, "binary_crossentropy", "sigmoid")

    def test_smoothed_and_mixed_labels(self, found):
        smooth = 0.9 * ONE_HOT + 0.1 / CLASSES
        mixed = 0.3 * ONE_HOT + 0.7 * ONE_HOT[::-1]
        for target in (smooth, mixed):
            assert not found(SOFTMAX, target, "categorical_crossentropy", "softmax")

    @pytest.mark.parametrize("loss", REGRESSION)
    def test_regression(self, loss, found):
        target = np.random.default_rng(2).normal(size=60)
        assert not found(LOGITS[:, :1], target, loss)
        assert not found(LOGITS[:, :1], target[:, None], loss)
        assert not found(LOGITS[:, :1], LABELS, loss)
        assert not found(np.abs(LOGITS), np.abs(LOGITS[::-1]), loss, "relu")
        assert not found(SIGMOID, SIGMOID[::-1], loss, "sigmoid")

    def test_images_and_sequences(self, found):
        images = np.random.default_rng(3).random((4, 6, 6, 3))
        assert not found(images, images[::-1], "mean_squared_error", "sigmoid")
        assert not found(images[..., :1], images[..., 0], "mean_squared_error", "sigmoid")
        assert not found(images[:, 0, :, :1], images[:, 0, :, 1], "mean_squared_error")

    def test_probabilities_that_no_layer_made(self, found):
        loss = "categorical_crossentropy"
        assert not found(SOFTMAX, ONE_HOT, loss, known=False)
        assert found(SIGMOID, ONE_HOT, loss, known=False)

    def test_a_softmax_inside_a_layer_that_does_not_tell(self, found):
        assert not found(SOFTMAX, ONE_HOT, "categorical_crossentropy")
        assert not found(SIGMOID[:, :1], YES_NO, "binary_crossentropy")

    def test_classes_along_another_axis(self, found):
        """The loss is told the axis; from outside it is not seen."""
        channels_first = np.moveaxis(SOFTMAX.reshape(4, 15, CLASSES), -1, 1)
        assert not found(channels_first, None, "categorical_crossentropy", known=False)

    def test_more_classes_than_are_told_apart(self, columns, found):
        """The statistics then see a row in every entry."""
        entries = columns(SOFTMAX.reshape(-1), shape=(CLASSES,))

        def unseen(made):
            return replace(made, prediction=entries)

        loss = "categorical_crossentropy"
        assert not found(SOFTMAX, None, loss, known=False, change=unseen)

    def test_what_softmax_rounds_to_in_bfloat16(self, found):
        loss = "categorical_crossentropy"
        assert not found(SOFTMAX * (1 + 0.9 * TOLERANCE), ONE_HOT, loss, known=False)
        assert found(SOFTMAX * (1 + 1.1 * TOLERANCE), ONE_HOT, loss, known=False)

    @pytest.mark.parametrize("loss", [None, "contrastive_loss", "hinge", "cosine_similarity"])
    def test_a_loss_that_is_not_known(self, loss, found):
        for prediction in (LOGITS, SIGMOID, SOFTMAX):
            assert not found(prediction, ONE_HOT, loss)

    @pytest.mark.parametrize("loss", [*ALL_CATEGORICAL, *BINARY, *REGRESSION, "poisson"])
    def test_targets_that_are_not_known(self, loss, found):
        activation = "sigmoid" if loss in BINARY else "softmax"
        prediction = SIGMOID if loss in BINARY else SOFTMAX
        assert not found(prediction, None, loss, activation)

    def test_a_softmax_over_one_unit_is_a_constant_output(self, found):
        for loss in (*CATEGORICAL, *BINARY):
            assert not found(np.ones((60, 1)), YES_NO, loss, "softmax")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_left_to_its_own_rule(self, value, found):
        broken = LOGITS.copy()
        broken[3, 2] = value
        losses = (*ALL_CATEGORICAL, *BINARY, *REGRESSION, "poisson", "kl_divergence")
        for loss in losses:
            assert not found(broken, targets_of(loss), loss)
        assert not found(SOFTMAX, broken, "mean_squared_error", "softmax")

    def test_nothing_in_it(self, columns, found):
        names = ("mean", "variance", "minimum", "maximum")
        nothing = columns(LOGITS, **dict.fromkeys(names, np.zeros(0)))

        def emptied(made):
            return replace(made, prediction=nothing)

        assert not found(LOGITS, None, "categorical_crossentropy", change=emptied)


class TestNoProbabilities:
    @pytest.mark.parametrize("loss", ALL_CATEGORICAL)
    @pytest.mark.parametrize("activation", [None, "tanh", "log_softmax"])
    def test_negative_outputs(self, loss, activation, found):
        prediction = np.log(SOFTMAX) if activation == "log_softmax" else np.tanh(LOGITS)
        finding = found(prediction, targets_of(loss), loss, activation)
        assert (finding.layer, finding.severity) == ("output", "critical")
        assert finding.evidence["range"] == [prediction.min(), prediction.max()]
        assert 'activation="softmax"' in finding.remedy

    @pytest.mark.parametrize("loss", BINARY)
    def test_no_answer_to_yes_or_no(self, loss, found):
        for activation, prediction in ((None, LOGITS), ("tanh", np.tanh(LOGITS))):
            finding = found(prediction[:, :1], YES_NO, loss, activation)
            assert finding.severity == "critical"
            assert 'activation="sigmoid"' in finding.remedy
        assert found(3 * np.abs(LOGITS), YES_NO, loss, change=rectified).severity == "critical"

    def test_the_border(self, found):
        """Both ends, each on both sides."""
        inside, outside = 0.9 * TOLERANCE, 1.1 * TOLERANCE
        for beyond, sick in ((inside, False), (outside, True)):
            for edge in (-beyond, 1 + beyond):
                prediction = np.r_[SIGMOID[:, 0], edge][:, None]
                target = np.r_[YES_NO, 1.0]
                assert bool(found(prediction, target, "binary_crossentropy")) == sick

    def test_rectified_outputs_die(self, found):
        prediction = np.maximum(LOGITS, 0)
        finding = found(prediction, ONE_HOT, "categorical_crossentropy", change=rectified)
        assert finding.severity == "critical"

    def test_it_has_been_so_since_the_model_was_compiled(self, found):
        finding = found(LOGITS, ONE_HOT, "categorical_crossentropy", steps=9)
        assert finding.onset == 7

    def test_a_head_that_starts_at_zero(self, found):
        loss = "sparse_categorical_crossentropy"
        assert found(np.zeros((60, CLASSES)), LABELS, loss)

    @pytest.mark.parametrize("loss", ALL_CATEGORICAL)
    def test_sigmoid_outputs_train_but_are_no_distribution(self, loss, found):
        finding = found(SIGMOID, targets_of(loss), loss, "sigmoid")
        assert finding.severity == "warning"
        sums = SIGMOID.sum(axis=1)
        assert finding.evidence["row_sums"] == pytest.approx([sums.min(), sums.max()])
        pixels = SIGMOID.reshape(4, 15, CLASSES)
        assert found(pixels, None, loss, "sigmoid").severity == "warning"

    def test_positive_outputs_train_too(self, found):
        finding = found(np.log1p(np.exp(LOGITS)), ONE_HOT, "categorical_crossentropy", "softplus")
        assert finding.severity == "warning"


class TestSquashedTwice:
    @pytest.mark.parametrize("loss", [*ALL_CATEGORICAL, *BINARY])
    def test_probabilities_taken_for_logits(self, loss, found):
        for activation, prediction in (("softmax", SOFTMAX), ("sigmoid", SIGMOID)):
            finding = found(prediction, targets_of(loss), loss, activation, from_logits=True)
            assert finding.severity == "warning"
            assert "from_logits=False" in finding.remedy

    def test_the_smallest_loss_is_that_of_perfect_predictions(self, found):
        """Held against Keras' own losses on outputs of exactly 0 and 1."""
        perfect = ONE_HOT.astype("float32")
        cross = keras.losses.CategoricalCrossentropy(from_logits=True)(perfect, perfect)
        finding = found(ONE_HOT, ONE_HOT, "categorical_crossentropy", "softmax", from_logits=True)
        assert finding.evidence["smallest_loss"] == pytest.approx(float(cross), rel=1e-5)
        ones = np.ones((4, 1), "float32")
        binary = keras.losses.BinaryCrossentropy(from_logits=True)(ones, ones)
        finding = found(ones, ones, "binary_crossentropy", "sigmoid", from_logits=True)
        assert finding.evidence["smallest_loss"] == pytest.approx(float(binary), rel=1e-5)

    def test_bounded_logits_have_a_smallest_loss(self, found):
        """tanh gives -1 to 1: the perfect ones have the loss that Keras computes of them."""
        signs = (2 * ONE_HOT - 1).astype("float32")
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        finding = found(signs, ONE_HOT, "categorical_crossentropy", "tanh", from_logits=True)
        perfect = float(loss(ONE_HOT.astype("float32"), signs))
        assert finding.evidence["smallest_loss"] == pytest.approx(perfect, rel=1e-5)
        assert finding.evidence["healthy_activation"] == "linear"

    @pytest.mark.parametrize("activation", ["softplus", "exponential", "hard_sigmoid"])
    def test_a_sigmoid_of_what_is_never_negative_never_says_no(self, activation, found):
        logits = np.log1p(np.exp(LOGITS[:, :1]))
        finding = found(logits, YES_NO, "binary_crossentropy", activation, from_logits=True)
        assert finding.severity == "critical"

    @pytest.mark.parametrize("activation", ["elu", "gelu", "leaky_relu", "softplus", "exponential"])
    def test_logits_without_an_upper_end_may_differ_by_any_amount(self, activation, found):
        loss = "sparse_categorical_crossentropy"
        assert not found(LOGITS, LABELS, loss, activation, from_logits=True)


RELU = Activation("relu", rectifier=True)
CHOICE = "sparse_categorical_crossentropy"


class TestSquashedBefore:
    """A kernel, an activation, and another one behind it: read from the layers."""

    @pytest.fixture
    def behind(self, make, output):
        """The finding on an output that ends with these activations, one layer each."""

        def behind(*activations, loss=CHOICE, outputs=(), samples=60, units=CLASSES):
            names = [f"layer{i}" for i in range(len(activations))]
            layers = [
                make.layer(
                    name,
                    activation,
                    units=units,
                    head=True,
                    source="layer0",
                    samples=samples if name != names[-1] else 60,
                )
                for name, activation in zip(names, activations, strict=True)
            ]
            prediction = SOFTMAX if units > 1 else SIGMOID[:, :1]
            target = LABELS if units > 1 else YES_NO
            last = output(prediction, target, loss, path=names[-1], activation=None)
            last = replace(last, activation=activations[-1])
            beside = [output(SOFTMAX, LABELS, loss, "softmax", path=path) for path in outputs]
            seen = make.observation(layers=layers, outputs=(last, *beside))
            return [f for f in loss_mismatch([seen]) if f.layer == names[-1]]

        return behind

    def test_a_softmax_of_a_softmax(self, behind):
        """Of one 1 and zeros, softmax makes e / (e + n - 1)."""
        softmax = Activation("softmax")
        for activations in ((softmax, softmax), (None, softmax, softmax)):
            (finding,) = behind(*activations)
            ceiling = math.e / (math.e + CLASSES - 1)
            assert math.exp(-finding.evidence["smallest_loss"]) == pytest.approx(ceiling)
            assert finding.severity == "warning"
            assert "activation=None" in finding.remedy
            assert finding.evidence["healthy_activation"] == "softmax"
        assert finding.evidence["squashed_by"] == "layer1"

    def test_a_rectifier_before_a_softmax(self, behind):
        (finding,) = behind(RELU, Activation("softmax"))
        assert finding.severity == "warning"

    def test_maps_that_are_averaged_after_the_rectifier(self, behind):
        """The ending of SqueezeNet: more samples in front of the softmax's kernel than behind."""
        assert behind(RELU, Activation("softmax"), samples=60)
        assert not behind(RELU, Activation("softmax"), samples=60 * 9)

    def test_yes_or_no_behind_a_sigmoid(self, behind):
        sigmoid = Activation("sigmoid")
        (finding,) = behind(sigmoid, sigmoid, loss="binary_crossentropy", units=1)
        assert finding.severity == "critical"
        assert not behind(None, sigmoid, loss="binary_crossentropy", units=1)

    def test_one_squash_is_enough(self, behind):
        softmax = Activation("softmax")
        assert not behind(softmax)
        assert not behind(None, softmax)
        assert not behind(None, Activation("gelu"), softmax)
        assert not behind(softmax, softmax, loss="my_loss")

    def test_two_outputs_of_one_kernel_are_not_one_behind_the_other(self, behind):
        softmax = Activation("softmax")
        assert behind(None, softmax, softmax)
        assert not behind(None, softmax, softmax, outputs=("layer1",))


class TestModels:
    @pytest.fixture
    def checked(self):
        """The mismatch that a check finds in a model with this ending, or None."""

        def checked(*ending, from_logits=False):
            keras.utils.set_random_seed(0)
            hidden = keras.layers.Dense(8, activation="tanh")
            model = keras.Sequential([keras.Input((4,)), hidden, *ending])
            model.compile(
                "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
            )
            x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
            found = [f for f in kt.checkup(model, x, LABELS).findings if f.severity != "note"]
            assert {f.condition for f in found} <= {"loss_mismatch"}
            return found[0] if found else None

        return checked

    def test_softmax_twice(self, checked):
        dense, softmax = keras.layers.Dense, keras.layers.Softmax
        assert checked(dense(CLASSES, activation="softmax"), softmax())
        assert checked(dense(CLASSES), softmax(), keras.layers.Activation("softmax"))
        assert not checked(dense(CLASSES, activation="softmax"))
        assert not checked(dense(CLASSES), softmax())
        assert not checked(dense(CLASSES, activation="softmax"), dense(CLASSES), softmax())

    def test_rectified_logits(self, checked):
        dense, relu = keras.layers.Dense, keras.layers.ReLU
        assert checked(dense(CLASSES, activation="relu"), from_logits=True)
        assert checked(dense(CLASSES), relu(), from_logits=True)
        assert checked(dense(CLASSES), relu(), keras.layers.Softmax())
        assert not checked(dense(CLASSES), from_logits=True)

    def test_rectified_maps_that_are_averaged(self, checked):
        maps = keras.layers.Reshape((2, 2, 2)), keras.layers.Conv2D(CLASSES, 1, activation="relu")
        average = keras.layers.GlobalAveragePooling2D
        assert not checked(*maps, average(), from_logits=True)
        assert not checked(*maps, average(), keras.layers.Softmax())


class TestLabels:
    @pytest.mark.parametrize("loss", CATEGORICAL)
    @pytest.mark.parametrize("from_logits", [False, True])
    def test_class_numbers_where_columns_are_wanted(self, loss, from_logits, found):
        for target in (LABELS, LABELS[:, None]):
            prediction, activation = (LOGITS, None) if from_logits else (SOFTMAX, "softmax")
            finding = found(prediction, target, loss, activation, from_logits=from_logits)
            assert finding.severity == "critical"
            assert "sparse_categorical_crossentropy" in finding.remedy

    @pytest.mark.parametrize("loss", ALL_CATEGORICAL)
    def test_a_choice_of_one(self, loss, found):
        finding = found(SIGMOID[:, :1], YES_NO, loss, "sigmoid")
        assert finding.severity == "critical"
        assert "binary_crossentropy" in finding.remedy

    @pytest.mark.parametrize("loss", BINARY)
    def test_softmax_where_each_class_is_judged_alone(self, loss, found):
        finding = found(SOFTMAX, ONE_HOT, loss, "softmax")
        assert finding.severity == "warning"
        assert "categorical_crossentropy" in finding.remedy
        several = (LOGITS > 0).astype(float)
        assert 'activation="sigmoid"' in found(SOFTMAX, several, loss, "softmax").remedy
        assert not found(SOFTMAX, SOFTMAX[::-1], loss, "softmax")

    def test_over_two_classes_it_is_the_same_number(self, found):
        one, two = SIGMOID[:, :1], np.eye(2)[(LABELS > 2).astype(int)]
        prediction = np.concatenate([1 - one, one], axis=1)
        assert found(prediction, two, "binary_crossentropy", "softmax").severity == "note"
        losses = keras.losses.BinaryCrossentropy(), keras.losses.CategoricalCrossentropy()
        binary, cross = (float(loss(two, prediction)) for loss in losses)
        assert binary == pytest.approx(cross, rel=1e-5)


class TestRegression:
    @pytest.mark.parametrize("loss", REGRESSION)
    def test_a_label_for_each_of_several_units(self, loss, found):
        for target in (LABELS, LABELS[:, None]):
            finding = found(SOFTMAX, target, loss, "softmax")
            assert finding.severity == "critical"
            assert "sparse_categorical_crossentropy" in finding.remedy
        assert finding.evidence["target_shape"] == "(batch, 1)"
        assert not found(SOFTMAX, LABELS[:, None] + 0.5, loss, "softmax")

    @pytest.mark.parametrize("loss", REGRESSION)
    def test_one_output_for_several_targets(self, loss, found):
        finding = found(LOGITS[:, :1], ONE_HOT, loss)
        assert finding.severity == "critical"
        assert f"Dense({CLASSES})" in finding.remedy
        sequence = np.random.default_rng(0).normal(size=(60, 7, 1))
        assert found(LOGITS[:, :1], sequence, loss).severity == "critical"

    def test_a_sequence_of_outputs_for_one_target(self, found):
        """Keras broadcasts (batch,) against (batch, time, 1) to (batch, time, batch)."""
        target = np.random.default_rng(0).normal(size=60)
        prediction = np.random.default_rng(1).normal(size=(60, 7, 1))
        finding = found(prediction, target, "mean_squared_error")
        assert finding.severity == "critical"
        assert "Flatten" in finding.remedy
        assert not found(prediction[:1], target[:1], "mean_squared_error")
        value = keras.losses.MeanSquaredError()(target, prediction)
        crossed = np.mean(np.square(target - prediction))
        assert float(value) == pytest.approx(crossed, rel=1e-5)

    def test_softmax_with_one_hot_labels_learns_slowly(self, found):
        finding = found(SOFTMAX, ONE_HOT, "mean_squared_error", "softmax")
        assert finding.severity == "note"
        assert not found(SOFTMAX, SOFTMAX[::-1], "mean_squared_error", "softmax")
        assert not found(SIGMOID, ONE_HOT, "mean_squared_error", "sigmoid")


class TestOtherLosses:
    def test_poisson_needs_outputs_above_zero(self, found):
        counts = LABELS.astype(float)
        assert not found(np.exp(LOGITS[:, :1]), counts, "poisson", "exponential")
        assert not found(np.zeros((60, 1)), counts, "poisson")
        finding = found(LOGITS[:, :1], counts, "poisson")
        assert finding.severity == "critical"
        assert finding.evidence["minimum"] == LOGITS[:, 0].min()
        assert np.isnan(float(keras.losses.Poisson()(counts[:, None], LOGITS[:, :1])))

    def test_divergence_of_what_is_no_distribution(self, found):
        target = SOFTMAX[::-1]
        assert not found(SOFTMAX, target, "kl_divergence", "softmax")
        assert not found(SOFTMAX, target, "kl_divergence", known=False)
        for activation, prediction in (("sigmoid", SIGMOID), (None, LOGITS)):
            finding = found(prediction, target, "kl_divergence", activation)
            assert finding.severity == "critical"
        ones = np.ones_like(target)
        lowest, right = (float(keras.losses.KLDivergence()(target, p)) for p in (ones, target))
        assert lowest < right

    def test_divergence_from_what_is_no_distribution(self, found):
        finding = found(SOFTMAX, 2 * SOFTMAX, "kl_divergence", known=False)
        assert finding.severity == "warning"
        padded = np.where(LABELS[:, None] == 0, 0.0, SOFTMAX)
        assert not found(SOFTMAX, padded, "kl_divergence", known=False)


def test_each_output_is_judged_alone(make, output):
    heads = (
        output(SOFTMAX, ONE_HOT, "categorical_crossentropy", "softmax", path="class"),
        output(LOGITS, ONE_HOT, "categorical_crossentropy", path="other"),
        output(LOGITS[:, :1], LABELS, "mean_squared_error", path="age"),
    )
    findings = list(loss_mismatch([make.observation(outputs=heads)]))
    assert [finding.layer for finding in findings] == ["other"]


def test_a_remedy_names_a_class_that_keras_has(found):
    for loss in (*ALL_CATEGORICAL, *BINARY):
        remedy = found(LOGITS, targets_of(loss), loss).remedy
        name = remedy.split("keras.losses.")[1].split("(")[0]
        assert getattr(keras.losses, name)(from_logits=True).from_logits
