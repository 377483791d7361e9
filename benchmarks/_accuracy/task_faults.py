"""Faults of the task: the scale of the data, the learning rate, the loss, the output.

A fault's roots are the conditions that name its cause; where two names are right, a comment says
why. They go from mild to gross: a mild one often does no harm, and such a run is set aside.
"""

from _accuracy.fault import Fault, fault
from _accuracy.states import (
    CONSTANT_OUTPUT,
    HARMED,
    INPUTS_OFF,
    NEVER_SURE,
    NO_PROBABILITIES,
    NON_FINITE,
    OTHER_LOSS,
    OUT_OF_REACH,
    OVERFITTED,
    TARGETS_OFF,
)

_INPUTS, _TARGETS = "unnormalized_inputs", "unnormalized_targets"
_HIGH, _LOW = "learning_rate_too_high", "learning_rate_too_low"
_LOSS, _REACH = "loss_mismatch", "unreachable_targets"
# Labels that no output can give are labels that do not fit the output.
_LABELS = f"{_REACH} {_LOSS}"
_ONE_UNIT = f"constant_output {_LOSS}"
_WRONG_RATE = HARMED | NON_FINITE

TASK_FAULTS: dict[str, Fault] = {
    # Scale.
    "pixels of 0 to 255": fault(
        "scale",
        "digits-mlp digits-sgd digits-convolution",
        _INPUTS,
        INPUTS_OFF,
        inputs=("raw", 255 / 16),
    ),
    "raw columns": fault(
        "scale",
        "wine-mlp wine-tanh cancer-mlp cancer-sgd diabetes-mlp",
        _INPUTS,
        INPUTS_OFF,
        inputs=("raw", 1.0),
    ),
    "inputs times 1e-4": fault(
        "scale", "digits-mlp wine-mlp", _INPUTS, INPUTS_OFF, inputs=("scaled", 1e-4)
    ),
    "inputs times 0.01": fault(
        "scale", "cancer-mlp digits-tanh", _INPUTS, INPUTS_OFF, inputs=("scaled", 1e-2)
    ),
    "inputs plus 100": fault(
        "scale", "cancer-mlp wine-tanh", _INPUTS, INPUTS_OFF, inputs=("shifted", 100.0)
    ),
    "inputs plus 10": fault("scale", "diabetes-mlp", _INPUTS, INPUTS_OFF, inputs=("shifted", 10.0)),
    "one column times 10 000": fault(
        "scale", "cancer-mlp wine-mlp", _INPUTS, INPUTS_OFF, inputs=("one column", 1e4)
    ),
    "one column times 100": fault(
        "scale", "diabetes-mlp", _INPUTS, INPUTS_OFF, inputs=("one column", 100.0)
    ),
    "raw targets": fault(
        "scale",
        "diabetes-mlp diabetes-tanh diabetes-sgd",
        _TARGETS,
        TARGETS_OFF,
        targets=("raw", 1.0),
    ),
    "targets times 10 000": fault(
        "scale", "diabetes-mlp", _TARGETS, TARGETS_OFF, targets=("scaled", 1e4)
    ),
    "targets times 1e-4": fault(
        "scale", "diabetes-mlp", _TARGETS, TARGETS_OFF, targets=("scaled", 1e-4)
    ),
    "targets plus 1000": fault(
        "scale", "diabetes-sgd", _TARGETS, TARGETS_OFF, targets=("shifted", 1e3)
    ),
    # Learning rate.
    "Adam at 1": fault(
        "learning rate", "cancer-deep digits-mlp", _HIGH, _WRONG_RATE, learning_rate=1.0
    ),
    "Adam at 0.3": fault(
        "learning rate", "digits-mlp digits-deep", _HIGH, _WRONG_RATE, learning_rate=0.3
    ),
    "Adam at 0.1": fault(
        "learning rate", "digits-deep wine-mlp", _HIGH, _WRONG_RATE, learning_rate=0.1
    ),
    "Adam at 0.03": fault("learning rate", "digits-deep", _HIGH, _WRONG_RATE, learning_rate=0.03),
    "SGD at 100": fault(
        "learning rate", "digits-tanh diabetes-sgd", _HIGH, _WRONG_RATE, learning_rate=100.0
    ),
    "SGD at 10": fault(
        "learning rate", "digits-sgd cancer-sgd", _HIGH, _WRONG_RATE, learning_rate=10.0
    ),
    "SGD at 1": fault(
        "learning rate", "digits-sgd digits-tanh", _HIGH, _WRONG_RATE, learning_rate=1.0
    ),
    "momentum 0.999": fault(
        "learning rate", "digits-sgd cancer-sgd", _HIGH, _WRONG_RATE, momentum=0.999
    ),
    "Adam at 1e-6": fault(
        "learning rate", "digits-mlp cancer-mlp", _LOW, HARMED, learning_rate=1e-6
    ),
    "Adam at 1e-5": fault(
        "learning rate", "digits-deep diabetes-mlp", _LOW, HARMED, learning_rate=1e-5
    ),
    "SGD at 1e-6": fault(
        "learning rate", "digits-sgd diabetes-sgd", _LOW, HARMED, learning_rate=1e-6
    ),
    "SGD at 1e-4": fault(
        "learning rate", "cancer-sgd digits-tanh", _LOW, HARMED, learning_rate=1e-4
    ),
    # Loss.
    "mean squared error of class numbers": fault(
        "loss",
        "digits-mlp wine-mlp digits-convolution",
        _LABELS,
        HARMED,
        loss="mse",
        targets=("column", 1),
    ),
    "regression of class numbers": fault(
        "loss", "digits-mlp", _LOSS, HARMED, loss="mse", head="linear", head_units=1
    ),
    "mean squared error of one-hot labels": fault(
        "loss", "digits-mlp", _LOSS, HARMED, loss="mse", targets=("one hot", 10)
    ),
    "mean absolute error of one-hot labels": fault(
        "loss", "digits-mlp", _LOSS, HARMED, loss="mae", targets=("one hot", 10)
    ),
    "binary cross-entropy of one-hot labels": fault(
        "loss", "digits-mlp", _LOSS, HARMED, loss="binary_crossentropy", targets=("one hot", 10)
    ),
    "logits taken for probabilities": fault(
        "loss",
        "digits-mlp digits-deep wine-tanh cancer-mlp",
        _LOSS,
        NO_PROBABILITIES,
        head="linear",
    ),
    "probabilities taken for logits": fault(
        "loss", "digits-mlp cancer-mlp", _LOSS, OTHER_LOSS, from_logits=True
    ),
    "softmax twice": fault(
        "loss", "digits-mlp digits-tanh wine-mlp", _LOSS, NEVER_SURE, head="softmax twice"
    ),
    # Divided by the sum over one unit, every answer has the probability 1.
    "categorical cross-entropy over one unit": fault(
        "loss", "cancer-mlp cancer-deep", _ONE_UNIT, HARMED, loss="categorical_crossentropy"
    ),
    "a sum over the batch": fault(
        "loss", "digits-sgd diabetes-sgd", _HIGH, _WRONG_RATE, reduction="sum"
    ),
    # Head.
    "softmax over one unit": fault(
        "head", "cancer-mlp cancer-deep", _ONE_UNIT, CONSTANT_OUTPUT, head="softmax"
    ),
    "one sigmoid unit for many classes": fault(
        "head", "digits-mlp wine-mlp", _LABELS, OUT_OF_REACH, head="sigmoid", head_units=1
    ),
    "labels -1 and 1 for a sigmoid": fault(
        "head", "cancer-mlp cancer-sgd", _LABELS, OUT_OF_REACH, targets=("signed", 1.0)
    ),
    # Compiled by XLA, as Keras does by default: without it, TensorFlow refuses such labels itself.
    "labels counted from 1": fault(
        "head",
        "digits-mlp wine-mlp",
        _LABELS,
        OUT_OF_REACH,
        targets=("shifted", 1),
        jit_compile=True,
    ),
    "a unit too few": fault(
        "head",
        "digits-tanh wine-tanh",
        _LABELS,
        OUT_OF_REACH,
        missing_units=1,
        jit_compile=True,
    ),
    "relu before targets of both signs": fault(
        "head", "diabetes-mlp diabetes-sgd", _REACH, OUT_OF_REACH, head="relu"
    ),
    "sigmoid before targets of both signs": fault(
        "head", "diabetes-mlp diabetes-tanh", _REACH, OUT_OF_REACH, head="sigmoid"
    ),
    "tanh before targets beyond 1": fault(
        "head", "diabetes-mlp diabetes-tanh", _REACH, OUT_OF_REACH, head="tanh"
    ),
    # Logits below zero are what the unlikely classes need: the output does not fit the loss.
    "relu before a softmax": fault(
        "head",
        "digits-mlp wine-mlp",
        f"{_LOSS} {_REACH} dying_units",
        HARMED,
        head="relu",
        from_logits=True,
    ),
    # Beside the ten families: nothing is wrong with the network but its size for the data.
    "a wide network, 40 noisy samples": Fault(
        "capacity",
        ("wine-mlp", "diabetes-mlp"),
        {"samples": 40, "epochs": 100, "width": 256, "batch_size": 8, "label_noise": 0.3},
        ("overfitting",),
        OVERFITTED,
        treatable=False,
    ),
    # The one answer, 1, is also out of reach of targets on both sides of it.
    "softmax over one unit, a regression": fault(
        "head", "diabetes-mlp", f"{_ONE_UNIT} {_REACH}", CONSTANT_OUTPUT, head="softmax"
    ),
}
"""Faults by name."""
