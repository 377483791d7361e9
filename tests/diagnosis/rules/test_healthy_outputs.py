"""Which output and loss the rules say would be healthy: what surgery goes by."""

import numpy as np
import pytest

from kerastricks.diagnosis.rules import constant_output, loss_mismatch, unreachable_targets

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(32, 3)) * 3
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
SIGMOID = 1 / (1 + np.exp(-LOGITS))
LABELS = np.arange(32) % 3
ONE_HOT = np.eye(3)[LABELS]
ONES = np.ones((32, 1))
SPARSE, CATEGORICAL = "sparse_categorical_crossentropy", "categorical_crossentropy"
BINARY, SQUARED = "binary_crossentropy", "mean_squared_error"
CLASSES = {"loss": SPARSE, "activation": "softmax", "from_logits": False}
ONE_OF_THREE = {**CLASSES, "loss": CATEGORICAL, "units": 3}
LINEAR = {"activation": "linear"}


def healthy(rule, make, seen):
    (found,) = rule([make.observation(outputs=(seen,))])
    names = ("loss", "from_logits", "activation", "units")
    evidence = found.evidence
    return {name: evidence[f"healthy_{name}"] for name in names if f"healthy_{name}" in evidence}


@pytest.mark.parametrize(
    ("prediction", "target", "loss", "activation", "logits", "expected"),
    [
        (SOFTMAX, LABELS, CATEGORICAL, "softmax", False, CLASSES),
        (
            LOGITS,
            LABELS,
            CATEGORICAL,
            None,
            True,
            {"loss": SPARSE, "activation": "linear", "from_logits": True},
        ),
        (SOFTMAX, LABELS, CATEGORICAL, "softmax", True, CLASSES),
        (SOFTMAX, LABELS, SPARSE, "softmax", True, {"from_logits": False}),
        (LOGITS, LABELS, SPARSE, None, False, {"activation": "softmax"}),
        (SIGMOID, ONE_HOT, CATEGORICAL, "sigmoid", False, {"activation": "softmax"}),
        (LOGITS, ONE_HOT, BINARY, None, False, {"activation": "sigmoid"}),
        (SOFTMAX, ONE_HOT, BINARY, "softmax", False, {"loss": CATEGORICAL}),
        (SOFTMAX, LABELS, SQUARED, "softmax", False, {**CLASSES, "units": 3}),
        (SOFTMAX, LABELS + 4, SQUARED, "softmax", False, {**CLASSES, "units": 7}),
        (LOGITS, LABELS + 4, SQUARED, None, False, {**LINEAR, "units": 1}),
        (LOGITS, LABELS - 1, SQUARED, None, False, {**LINEAR, "units": 1}),
        (
            LOGITS[:, :1],
            ONE_HOT,
            SQUARED,
            None,
            False,
            {**CLASSES, "loss": CATEGORICAL, "units": 3},
        ),
        (LOGITS[:, :1], LOGITS, SQUARED, None, False, {"units": 3}),
        (LOGITS, np.exp(LOGITS), "poisson", None, False, {"activation": "softplus"}),
        (SIGMOID, SOFTMAX, "kl_divergence", "sigmoid", False, {"activation": "softmax"}),
        (SIGMOID[:, :1], LABELS, SPARSE, "sigmoid", False, {**CLASSES, "units": 3}),
        (
            SIGMOID[:, :1],
            LABELS % 2,
            CATEGORICAL,
            "sigmoid",
            False,
            {"loss": BINARY, "activation": "sigmoid", "from_logits": False},
        ),
    ],
)
def test_of_a_mismatch(make, output, prediction, target, loss, activation, logits, expected):
    seen = output(prediction, target, loss, activation, from_logits=logits)
    assert healthy(loss_mismatch, make, seen) == expected


@pytest.mark.parametrize(
    ("target", "loss", "activation", "logits", "expected"),
    [
        (LOGITS, SQUARED, "sigmoid", False, LINEAR),
        (LOGITS, "huber", "tanh", False, LINEAR),
        (
            LOGITS[:, :1],
            BINARY,
            "sigmoid",
            False,
            {"loss": SQUARED, "activation": "linear", "from_logits": False},
        ),
        (LABELS, BINARY, "sigmoid", False, {**CLASSES, "units": 3}),
        (LABELS, BINARY, None, True, {**CLASSES, "units": 3}),
        (2 * LABELS - 2, BINARY, "sigmoid", False, {}),
        (LOGITS, "dice", "sigmoid", False, {}),
        (LABELS + 1, SPARSE, "softmax", False, {"units": 4}),
        (LABELS - 1, SPARSE, "softmax", False, {}),
        (
            LABELS + 0.5,
            SPARSE,
            "softmax",
            False,
            {"loss": SQUARED, "activation": "linear", "from_logits": False, "units": 1},
        ),
        (
            1 - ONE_HOT,
            CATEGORICAL,
            "softmax",
            False,
            {"loss": BINARY, "activation": "sigmoid", "from_logits": False},
        ),
        (0.7 * SOFTMAX, CATEGORICAL, "softmax", False, {}),
    ],
)
def test_of_targets_out_of_reach(make, output, target, loss, activation, logits, expected):
    if np.ndim(target) == 2:
        prediction = SOFTMAX[:, : target.shape[1]]
    else:
        prediction = SOFTMAX if loss == SPARSE else SOFTMAX[:, :1]
    seen = output(prediction, target, loss, activation, from_logits=logits)
    assert healthy(unreachable_targets, make, seen) == expected


@pytest.mark.parametrize(
    ("target", "loss", "expected"),
    [
        (LABELS % 2, BINARY, {"loss": BINARY, "activation": "sigmoid", "from_logits": False}),
        (LABELS % 2, SQUARED, {"loss": SQUARED, "activation": "sigmoid", "from_logits": False}),
        (LABELS % 2, SPARSE, {**CLASSES, "units": 2}),
        (LABELS, SPARSE, {**CLASSES, "units": 3}),
        (LABELS, CATEGORICAL, {**CLASSES, "units": 3}),
        (LOGITS[:, 0], SQUARED, LINEAR),
        (LABELS, SQUARED, LINEAR),
        (LABELS - 1, BINARY, {}),
        (None, BINARY, {}),
    ],
)
def test_of_a_softmax_over_one_unit(make, output, target, loss, expected):
    seen = output(ONES, target, loss, "softmax")
    assert healthy(constant_output, make, seen) == expected
