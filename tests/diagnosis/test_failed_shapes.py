"""Targets whose shape does not fit the loss: a finding and a remedy, not Keras' exception.

On JAX and torch Keras tries the loss on shapes before it calls any callback; on TensorFlow it is
the first step that raises.
"""

import json

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt
from kerastricks.__main__ import main

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 6)).astype("float32")
LABELS = np.arange(48) % 3
NUMBERS = RANDOM.normal(size=(48, 3)).astype("float32")
CATEGORICAL, SPARSE = "categorical_crossentropy", "sparse_categorical_crossentropy"


def network(units, activation=None, loss="mse"):
    head = layers.Dense(units, activation, name="head")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), head])
    model.compile("sgd", loss)
    return model


# Units, activation, loss and targets that do not fit; what the remedy says, and its outcome.
CASES = {
    "one-hot for class numbers": (
        (3, "softmax", SPARSE, np.eye(3)[LABELS]),
        'loss="categorical_crossentropy"',
        (3, "softmax", CATEGORICAL, np.eye(3)[LABELS]),
    ),
    "class numbers for one-hot": (
        (3, "softmax", CATEGORICAL, LABELS),
        'loss="sparse_categorical_crossentropy"',
        (3, "softmax", SPARSE, LABELS),
    ),
    "a column of class numbers for one-hot": (
        (3, "softmax", CATEGORICAL, LABELS[:, None]),
        "keras.utils.to_categorical(y, 3)",
        (3, "softmax", CATEGORICAL, keras.utils.to_categorical(LABELS[:, None], 3)),
    ),
    "class numbers for yes and no": (
        (3, "softmax", "binary_crossentropy", LABELS),
        'loss="sparse_categorical_crossentropy"',
        (3, "softmax", SPARSE, LABELS),
    ),
    "a class too many": (
        (3, "softmax", CATEGORICAL, np.eye(4)[LABELS + 1]),
        'keras.layers.Dense(4, activation="softmax")',
        (4, "softmax", CATEGORICAL, np.eye(4)[LABELS + 1]),
    ),
    "a column too many": (
        (2, None, "mse", NUMBERS),
        "keras.layers.Dense(3)",
        (3, None, "mse", NUMBERS),
    ),
}


def mismatch_of(report):
    (finding,) = (f for f in report.root_causes if f.condition == "loss_mismatch")
    return finding


@pytest.mark.compiling
@pytest.mark.parametrize("case", CASES)
def test_a_shape_that_does_not_fit_is_reported_and_its_remedy_helps(case):
    (*arguments, y), remedy, (*better, other) = CASES[case]
    model = network(*arguments)
    weights = model.get_weights()
    report = kt.checkup(model, X, y)
    finding = mismatch_of(report)
    assert report.sick
    assert not report.healthy
    assert (finding.severity, finding.onset, finding.layer) == (
        "critical",
        0,
        model.layers[-1].path,
    )
    assert finding.evidence["target_shape"] == f"({', '.join(['batch', *map(str, y.shape[1:])])})"
    assert finding.evidence["output_shape"] == f"(batch, {arguments[0]})"
    assert remedy in finding.remedy
    assert "raised" in report.unobserved["training step 0"]
    for was, now in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    assert "Probe" not in repr(model.train_function)
    conditions = {finding.condition for finding in kt.checkup(network(*better), X, other).findings}
    assert "loss_mismatch" not in conditions


@pytest.mark.parametrize("case", CASES)
def test_the_doctor_says_so_after_a_step_that_raised(case):
    (*arguments, y), remedy, _ = CASES[case]
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    model = network(*arguments)
    with pytest.raises(Exception):  # noqa: B017, PT011  (each backend raises its own)
        model.fit(X, y, verbose=0, callbacks=[doctor])
    report = doctor.report
    assert not report.healthy
    assert not report.to_dict()["healthy"]
    if BACKEND == "tensorflow":
        assert remedy in mismatch_of(report).remedy
    else:
        assert report.summary() == "Nothing was observed."


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_line_leaves_with_one_and_says_why(options, tmp_path, capsys):
    (*arguments, y), remedy, _ = CASES["a column too many"]
    network(*arguments).save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=X, y=y)
    files = [str(tmp_path / "model.keras"), str(tmp_path / "data.npz")]
    assert main(["checkup", *files, *options]) == 1
    said = capsys.readouterr().out
    assert remedy in said
    if options:
        assert json.loads(said)["findings"][0]["condition"] == "loss_mismatch"


def test_a_model_that_is_not_built_yet():
    model = keras.Sequential([layers.Dense(2)])
    model.compile("sgd", "mse")
    assert mismatch_of(kt.checkup(model, X, NUMBERS)).evidence["healthy_units"] == 3


def test_one_of_two_outputs():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, [layers.Dense(3, name=name)(inputs) for name in "ab"])
    model.compile("sgd", "mse")
    finding = mismatch_of(kt.checkup(model, X, [NUMBERS, NUMBERS[:, :2]]))
    assert (finding.layer, finding.evidence["healthy_units"]) == ("b", 2)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[16 * index :][:16], NUMBERS[16 * index :][:16]


def test_a_data_set_is_asked_for_its_first_batch_again():
    report = kt.checkup(network(2), Batches())
    assert mismatch_of(report).evidence["healthy_units"] == 3
    assert report.unobserved.keys() == {"training step 0"}


def test_a_generator_has_no_first_batch_any_more():
    asked = []

    def batches():
        for index in range(8):
            asked.append(index)
            yield X[:16], NUMBERS[:16]

    before = 0
    try:
        network(2).fit(batches(), steps_per_epoch=1, verbose=0)
    except Exception:
        before = len(asked)
    asked.clear()
    with pytest.raises(Exception):  # noqa: B017, PT011
        kt.checkup(network(2), batches())
    assert len(asked) <= before


def test_what_the_targets_do_not_explain_is_raised():
    with pytest.raises(Exception, match=r"(?i)shape|size|dim"):
        kt.checkup(network(3), X[:, :5], NUMBERS)
    with pytest.raises(ValueError, match=r"cardinality|same size|number of samples"):
        kt.checkup(network(3), X, NUMBERS[:10])

    def own(y_true, y_pred):
        raise RuntimeError("no such loss")

    with pytest.raises(RuntimeError, match="no such loss"):
        kt.checkup(network(2, loss=own), X, NUMBERS)


@pytest.mark.compiling
def test_what_trains_is_observed_as_ever():
    for units, y in (
        (3, NUMBERS),
        (1, NUMBERS[:, 0]),
        (1, NUMBERS[:, :1]),
        (1, NUMBERS[:, :1, None]),
    ):
        report = kt.checkup(network(units), X, y)
        assert report.observed
        assert "loss_mismatch" not in {finding.condition for finding in report.findings}
