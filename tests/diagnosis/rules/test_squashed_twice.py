import math
from dataclasses import replace

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.rules._mismatches.endings import BINARY, CATEGORICAL
from kerastricks.diagnosis.rules._mismatches.squashed import TOLD, UNCHANGED
from kerastricks.diagnosis.rules.loss_mismatch import loss_mismatch

CLASSES = 5
LABELS = np.random.default_rng(0).integers(0, CLASSES, 60)
ONE_HOT = np.eye(CLASSES)[LABELS]
LOGITS = np.random.default_rng(1).normal(size=(60, CLASSES))
YES_NO = (LABELS > 2).astype(float)
CHOICE = "sparse_categorical_crossentropy"
RELU = Activation("relu", rectifier=True)


def softmax_of(numbers):
    return np.exp(numbers) / np.exp(numbers).sum(axis=1, keepdims=True)


def sigmoid_of(numbers):
    return 1 / (1 + np.exp(-numbers))


FUNCTIONS = {
    None: lambda numbers: numbers,
    "gelu": lambda numbers: numbers * sigmoid_of(1.702 * numbers),
    "relu": lambda numbers: np.maximum(numbers, 0),
    "sigmoid": sigmoid_of,
    "softmax": softmax_of,
    "tanh": np.tanh,
}
SOFTMAX, SIGMOID = softmax_of(LOGITS), sigmoid_of(LOGITS)


def targets_of(loss):
    return LABELS if loss == CHOICE else ONE_HOT


class TestSquashedTwice:
    @pytest.mark.parametrize("loss", [*CATEGORICAL, *BINARY])
    def test_probabilities_taken_for_logits(self, loss, mismatch):
        for activation, prediction in (("softmax", SOFTMAX), ("sigmoid", SIGMOID)):
            finding = mismatch(prediction, targets_of(loss), loss, activation, from_logits=True)
            assert finding.severity == "warning"
            assert "from_logits=False" in finding.remedy

    def test_the_smallest_loss_is_that_of_perfect_predictions(self, mismatch):
        """Held against Keras' own losses on outputs of exactly 0 and 1."""
        perfect = ONE_HOT.astype("float32")
        cross = keras.losses.CategoricalCrossentropy(from_logits=True)(perfect, perfect)
        finding = mismatch(
            ONE_HOT, ONE_HOT, "categorical_crossentropy", "softmax", from_logits=True
        )
        assert finding.evidence["smallest_loss"] == pytest.approx(float(cross), rel=1e-5)
        ones = np.ones((4, 1), "float32")
        binary = keras.losses.BinaryCrossentropy(from_logits=True)(ones, ones)
        finding = mismatch(ones, ones, "binary_crossentropy", "sigmoid", from_logits=True)
        assert finding.evidence["smallest_loss"] == pytest.approx(float(binary), rel=1e-5)

    def test_bounded_logits_have_a_smallest_loss(self, mismatch):
        """tanh gives -1 to 1: the perfect ones have the loss that Keras computes of them."""
        signs = (2 * ONE_HOT - 1).astype("float32")
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        finding = mismatch(signs, ONE_HOT, "categorical_crossentropy", "tanh", from_logits=True)
        perfect = float(loss(ONE_HOT.astype("float32"), signs))
        assert finding.evidence["smallest_loss"] == pytest.approx(perfect, rel=1e-5)
        assert finding.evidence["healthy_activation"] == "linear"

    @pytest.mark.parametrize("activation", ["softplus", "exponential", "hard_sigmoid"])
    def test_a_sigmoid_of_what_is_never_negative_never_says_no(self, activation, mismatch):
        logits = np.log1p(np.exp(LOGITS[:, :1]))
        finding = mismatch(logits, YES_NO, "binary_crossentropy", activation, from_logits=True)
        assert finding.severity == "critical"

    @pytest.mark.parametrize("activation", ["elu", "gelu", "leaky_relu", "softplus", "exponential"])
    def test_logits_without_an_upper_end_may_differ_by_any_amount(self, activation, mismatch):
        loss = "sparse_categorical_crossentropy"
        assert not mismatch(LOGITS, LABELS, loss, activation, from_logits=True)


class TestSquashedBefore:
    """A kernel, an activation, and another one behind it: read from the layers."""

    @pytest.fixture
    def behind(self, make, output):
        """The finding on an output that ends with these activations, one layer each."""

        def behind(
            *activations, loss=CHOICE, outputs=(), samples=60, units=CLASSES, factor=1.0, start=1.0
        ):
            """`start` scales the logits, `factor` what the last activation takes in."""
            names = [f"layer{i}" for i in range(len(activations))]
            layers, numbers = [], start * LOGITS[:, :units]
            for name, activation in zip(names, activations, strict=True):
                last = name == names[-1]
                numbers = FUNCTIONS[activation and activation.name](factor**last * numbers)
                statistics = {"mean": numbers.mean(axis=0), "variance": numbers.var(axis=0)}
                seen = 60 if last else samples
                place = {"head": True, "source": "layer0", "samples": seen, "units": units}
                layers.append(make.layer(name, activation, **place, **statistics))
            target = LABELS if units > 1 else YES_NO
            end = output(numbers, target, loss, path=names[-1], activation=None)
            end = replace(end, activation=activations[-1])
            beside = [output(SOFTMAX, LABELS, loss, "softmax", path=path) for path in outputs]
            looked = make.observation(layers=layers, outputs=(end, *beside))
            return [f for f in loss_mismatch([looked]) if f.layer == names[-1]]

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

    def test_numbers_that_are_scaled_again_are_not_squashed(self, behind):
        """Behind 15 tanh(z) a softmax reaches any probability."""
        tanh, softmax, sigmoid = map(Activation, ("tanh", "softmax", "sigmoid"))
        for factor, squashed in ((1.0, True), (2.0, False), (15.0, False)):
            assert bool(behind(tanh, softmax, factor=factor)) == squashed
            assert bool(behind(softmax, softmax, factor=factor)) == squashed
            one = {"loss": "binary_crossentropy", "units": 1, "factor": factor}
            assert bool(behind(sigmoid, sigmoid, **one)) == squashed

    def test_the_border_of_what_is_unchanged(self, behind):
        """The log odds of a sigmoid grow by the factor; what lies around 0 stays in bounds."""
        small = {"loss": "binary_crossentropy", "units": 1, "start": 0.1}
        tanh, sigmoid = Activation("tanh"), Activation("sigmoid")
        for off, squashed in ((UNCHANGED - 0.1, True), (UNCHANGED + 0.1, False)):
            assert bool(behind(tanh, sigmoid, factor=1 + off, **small)) == squashed

    def test_a_head_that_starts_at_zero_tells_nothing_yet(self, behind):
        tanh, softmax = Activation("tanh"), Activation("softmax")
        assert behind(None, tanh, softmax)
        assert not behind(None, tanh, softmax, start=0.1 * TOLD)


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
            mismatch = [f for f in kt.checkup(model, x, LABELS).findings if f.severity != "note"]
            assert {f.condition for f in mismatch} <= {"loss_mismatch"}
            return mismatch[0] if mismatch else None

        return checked

    @pytest.mark.compiling
    def test_softmax_twice(self, checked):
        dense, softmax = keras.layers.Dense, keras.layers.Softmax
        assert checked(dense(CLASSES, activation="softmax"), softmax())
        assert checked(dense(CLASSES), softmax(), keras.layers.Activation("softmax"))
        assert not checked(dense(CLASSES, activation="softmax"))
        assert not checked(dense(CLASSES), softmax())
        assert not checked(dense(CLASSES, activation="softmax"), dense(CLASSES), softmax())

    @pytest.mark.compiling
    def test_rectified_logits(self, checked):
        dense, relu = keras.layers.Dense, keras.layers.ReLU
        assert checked(dense(CLASSES, activation="relu"), from_logits=True)
        assert checked(dense(CLASSES), relu(), from_logits=True)
        assert checked(dense(CLASSES), relu(), keras.layers.Softmax())
        assert not checked(dense(CLASSES), from_logits=True)

    @pytest.mark.compiling
    def test_rectified_maps_that_are_averaged(self, checked):
        maps = keras.layers.Reshape((2, 2, 2)), keras.layers.Conv2D(CLASSES, 1, activation="relu")
        average = keras.layers.GlobalAveragePooling2D
        assert not checked(*maps, average(), from_logits=True)
        assert not checked(*maps, average(), keras.layers.Softmax())

    @pytest.mark.compiling
    def test_logits_that_are_capped_softly(self, checked):
        """15 tanh(z / 15), or of a pointer network 15 tanh(z): any probability is in reach."""
        dense, scale = keras.layers.Dense, keras.layers.Rescaling
        tanh, softmax = keras.layers.Activation("tanh"), keras.layers.Softmax()
        assert checked(dense(CLASSES), tanh, softmax)
        assert not checked(dense(CLASSES, activation="tanh"), scale(15.0), softmax)
        assert not checked(dense(CLASSES), scale(1 / 15), tanh, scale(15.0), softmax)
        zeros = dense(CLASSES, activation="tanh", kernel_initializer="zeros")
        assert not checked(zeros, scale(15.0), softmax)
