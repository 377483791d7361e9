"""Shapes of targets and outputs, with Keras' own losses as the judge."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest

from kerastricks.diagnosis.rules._mismatches.shapes import misshapen

BATCH = 7  # as no axis is long: what broadcasts along it fails
SHAPES = ((), (1,), (2,), (3,), (2, 1), (2, 3), (3, 2), (2, 2, 3))
PAIRS = list(itertools.product(SHAPES, SHAPES))
ENTRYWISE = (
    "mean_squared_error",
    "mean_absolute_percentage_error",
    "huber",
    "log_cosh",
    "poisson",
    "kl_divergence",
    "squared_hinge",
    "cosine_similarity",
)
EQUAL = ("categorical_crossentropy", "binary_crossentropy", "binary_focal_crossentropy")
SPARSE = "sparse_categorical_crossentropy"
ALONG = [
    (target, shape)
    for target, shape in PAIRS
    if len(shape) > 1 and any(shape[:axis] + shape[axis + 1 :] == target for axis in (0, 1))
]
"""Class numbers along another axis than the last, which only torch's loss can be told."""
LOSSES = (*ENTRYWISE, *EQUAL, "categorical_focal_crossentropy", SPARSE)

CLASSES = np.arange(60) % 3
ONE_HOT = np.eye(3)[CLASSES]


def object_of(loss):
    special = {"kl_divergence": "KLDivergence", "log_cosh": "LogCosh"}
    return getattr(keras.losses, special.get(loss, loss.title().replace("_", "")))()


def fails(loss, target, output):
    """Whether Keras cannot compute a loss on such shapes."""
    y_true, y_pred = np.zeros((BATCH, *target)), np.full((BATCH, *output), 0.5)
    try:
        object_of(loss)(y_true.astype("float32"), y_pred.astype("float32"))
    except Exception:
        return True
    return False


def judged(output, loss, target, shape, **named):
    made = output(np.full((BATCH, *shape), 0.5), np.zeros((BATCH, *target)), loss, **named)
    return misshapen(made, made.loss)


@pytest.mark.filterwarnings("ignore:In loss")
@pytest.mark.parametrize("loss", LOSSES)
def test_what_keras_cannot_compute_is_found_and_nothing_that_it_can(loss, output, mismatch):
    for target, shape in PAIRS:
        case = f"targets {target}, outputs {shape}"
        alone = judged(output, loss, target, shape) is not None
        if fails(loss, target, shape):
            values = np.full((BATCH, *shape), 0.5), np.zeros((BATCH, *target))
            assert mismatch(*values, loss) or (loss == SPARSE and (target, shape) in ALONG), case
        elif alone:
            # It broadcasts samples along positions.
            assert loss not in (*EQUAL, SPARSE), case
            assert abs(len(target) - len(shape)) > 1, case


@pytest.mark.parametrize("loss", LOSSES)
def test_sizes_that_are_not_known_are_not_judged(loss, output, columns):
    unknown = columns(np.full((BATCH, 2, 3), 0.5), shape=(None, 3))
    for target in ((2,), (2, 1)) if loss == SPARSE else ((2, 3), (5, 3)):
        made = output(np.ones(1), np.zeros((BATCH, *target)), loss)
        assert misshapen(replace(made, prediction=unknown), made.loss) is None
    open_end = columns(np.full((BATCH, 1), 0.5), shape=(None,))
    made = output(np.ones(1), np.zeros(BATCH), loss)
    assert misshapen(replace(made, prediction=open_end), made.loss) is None


@pytest.mark.parametrize("loss", ENTRYWISE)
def test_one_example_and_an_axis_of_length_one_may_be_meant_to_broadcast(loss, output):
    for target, shape in (((1, 3), (2, 3)), ((2, 3), (1, 3)), ((1,), (3,))):
        assert judged(output, loss, target, shape) is None
    made = output(np.ones((1, 2, 3)), np.ones((1, 3)), loss)
    assert misshapen(made, made.loss) is None


def test_class_numbers_along_another_axis_are_left_alone(output):
    for target in ((4, 5), (1, 4, 5)):
        assert judged(output, SPARSE, target, (3, 4, 5)) is None


class TestRemedies:
    """What is to be typed in, and the numbers that say so."""

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_columns_for_a_loss_of_class_numbers(self, smoothing, mismatch):
        target = (1 - smoothing) * ONE_HOT + smoothing / 3
        finding = mismatch(np.full((60, 3), 1 / 3), target, SPARSE, "softmax")
        assert finding.severity == "critical"
        assert finding.evidence["target_shape"] == "(batch, 3)"
        assert finding.evidence["output_shape"] == "(batch, 3)"
        assert finding.evidence["healthy_loss"] == "categorical_crossentropy"
        assert 'loss="categorical_crossentropy"' in finding.remedy
        assert "y.argmax(axis=-1)" in finding.remedy

    def test_logits_stay_logits(self, mismatch):
        logits = {"activation": None, "from_logits": True}
        finding = mismatch(np.ones((60, 3)), ONE_HOT, SPARSE, **logits)
        assert "CategoricalCrossentropy(from_logits=True)" in finding.remedy
        assert finding.evidence["healthy_from_logits"] is True
        finding = mismatch(np.ones((60, 3)), CLASSES, "categorical_crossentropy", **logits)
        assert "SparseCategoricalCrossentropy(from_logits=True)" in finding.remedy

    def test_more_columns_than_units(self, mismatch):
        loss = "categorical_crossentropy"
        from_one = np.eye(4)[CLASSES + 1]
        for target, counted in ((np.eye(4)[CLASSES], False), (from_one, True)):
            finding = mismatch(np.full((60, 3), 1 / 3), target, loss, "softmax")
            assert 'keras.layers.Dense(4, activation="softmax")' in finding.remedy
            assert finding.evidence["healthy_units"] == 4
            assert ("y[..., 1:]" in finding.remedy) == counted

    def test_fewer_columns_than_units(self, mismatch):
        made = mismatch(np.full((60, 5), 0.2), ONE_HOT, "categorical_crossentropy", "softmax")
        assert "to_categorical(y.argmax(axis=-1), 5)" in made.remedy

    @pytest.mark.parametrize("loss", ["mean_squared_error", "huber", "poisson"])
    def test_columns_of_numbers(self, loss, mismatch):
        finding = mismatch(np.ones((60, 2)), np.ones((60, 3)) + 0.5, loss)
        assert finding.remedy == "End with keras.layers.Dense(3)."
        assert finding.evidence["healthy_units"] == 3

    def test_images_get_filters(self, mismatch):
        images = np.full((2, 4, 4, 3), 0.5)
        finding = mismatch(images[..., :2], images, "mean_squared_error", "sigmoid")
        assert "3 filters" in finding.remedy
        finding = mismatch(images[:, :2], images, "mean_squared_error", "sigmoid")
        assert "(batch, 2, 4, 3)" in finding.remedy

    def test_class_numbers_for_a_yes_or_no_of_each_unit(self, mismatch):
        for target in (CLASSES, CLASSES[:, None]):
            finding = mismatch(np.full((60, 3), 1 / 3), target, "binary_crossentropy", "softmax")
            assert "sparse_categorical_crossentropy" in finding.remedy
            assert finding.evidence["healthy_units"] == 3

    def test_a_yes_or_no_for_several_units(self, mismatch):
        yes_no = (CLASSES > 1).astype(float)
        finding = mismatch(np.full((60, 2), 0.5), yes_no, "binary_crossentropy", "sigmoid")
        assert 'keras.layers.Dense(1, activation="sigmoid")' in finding.remedy
        assert finding.evidence["healthy_units"] == 1

    def test_one_number_for_several_units(self, mismatch):
        finding = mismatch(np.ones((60, 2)), CLASSES + 0.5, "mean_squared_error")
        assert "keras.layers.Dense(1)" in finding.remedy

    @pytest.mark.parametrize("loss", ["categorical_crossentropy", SPARSE, "binary_crossentropy"])
    def test_an_output_that_keeps_its_sequence(self, loss, mismatch):
        target = CLASSES if loss == SPARSE else ONE_HOT
        activation = "sigmoid" if loss == "binary_crossentropy" else "softmax"
        finding = mismatch(np.full((60, 5, 3), 1 / 3), target, loss, activation)
        assert "return_sequences=False" in finding.remedy

    def test_an_output_that_has_lost_its_shape(self, mismatch):
        finding = mismatch(np.ones((60, 12)), np.ones((60, 3, 4)), "mean_squared_error")
        assert finding.remedy == "End with keras.layers.Reshape((3, 4))."
        finding = mismatch(np.ones((60, 6)), np.ones((60, 3, 4)), "mean_squared_error")
        assert "keras.layers.Dense(12) and keras.layers.Reshape((3, 4))" in finding.remedy

    def test_one_hot_labels_for_one_unit(self, output):
        made = output(np.full((60, 1), 0.5), ONE_HOT, "binary_crossentropy", "sigmoid")
        finding = misshapen(made, made.loss)
        assert 'Dense(3, activation="softmax")' in finding.remedy
        assert finding.evidence["healthy_loss"] == "categorical_crossentropy"

    def test_an_activation_that_has_no_usual_name_is_not_made_up(self, mismatch):
        own = {"activation": None, "known": False}
        finding = mismatch(np.ones((60, 2)), np.ones((60, 3)), "mean_squared_error", **own)
        assert finding.remedy == "End with keras.layers.Dense(3)."
        finding = mismatch(np.ones((60, 2)), np.ones((60, 3)), "mean_squared_error", "gate")
        assert finding.remedy == "End with a layer of 3 units."
