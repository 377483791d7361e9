"""Inputs, targets, outputs and losses: the treated model fits the same x and y."""

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis import Finding, Report
from kerastricks.surgery import treat

pytestmark = pytest.mark.slow  # each test compiles and fits several models

L = keras.layers
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(256, 6)).astype("float32")
LABELS = np.argmax(X[:, :3], axis=1)


def array(value):
    return np.array(keras.ops.convert_to_numpy(value))


def net(*head, loss="mse", width=6, **arguments):
    model = keras.Sequential(
        [keras.Input((width,)), L.Dense(16, "relu", name="hidden"), *head], name="net"
    )
    model.compile(**{"optimizer": "sgd", "loss": loss, **arguments})
    return model


def healed(model, x, y, **arguments):
    report = kt.checkup(model, x, y)
    return (report, *treat(model, report, return_trials=True, verbose=0, **arguments))


def conditions(report):
    return {finding.condition for finding in report.root_causes if finding.severity != "note"}


# --- Inputs --------------------------------------------------------------------------------------

SCALES = {
    "large": X * 1e3,
    "small": X * 1e-4,
    "tiny": X * 1e-9,
    "uneven": X * 10.0 ** np.arange(-3, 3),
    "far": X + 1e3,
}


@pytest.mark.parametrize("x", SCALES.values(), ids=SCALES)
def test_the_first_kernel_multiplies_columns_of_mean_zero_and_variance_one(x):
    x = x.astype("float32")
    y = LABELS % 2
    model = net(L.Dense(1, "sigmoid"), loss="binary_crossentropy")
    report, treated, _ = healed(model, x, y)
    assert conditions(report) == {"unnormalized_inputs"}
    seen = array(treated.layers[0](x))
    # A float32 sum of 256 numbers near 1e3 is off by up to 2^-7 an addition, so that the mean has a
    # standard error of 2^-7 / sqrt(3) / sqrt(256) = 3e-4.
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=2e-3)
    np.testing.assert_allclose(seen.std(axis=0), 1, rtol=2e-3)
    assert kt.checkup(treated, x, y).healthy


def test_pixels_are_divided_by_255():
    x = RANDOM.integers(0, 256, (256, 6))
    model = net(L.Dense(1, "sigmoid"), loss="binary_crossentropy")
    _, treated, _ = healed(model, x, LABELS % 2)
    np.testing.assert_allclose(array(treated.layers[0](x)), x / 255, rtol=1e-6)


def test_constant_and_rare_columns_are_not_blown_up():
    x = X * 1e3
    x[:, 0] = 7.0
    x[:, 1] = 0.0
    x[3, 1] = 5e3
    model = net(L.Dense(1, "sigmoid"), loss="binary_crossentropy")
    _, treated, _ = healed(model, x, LABELS % 2)
    others = x + 1e3 * np.eye(6)[0]
    others[:, 1] = 5e3
    assert np.abs(array(treated.layers[0](others.astype("float32")))).max() < 15


def test_the_statistics_are_those_of_the_run_and_not_of_a_batch():
    x = 1e3 * X
    keras.utils.set_random_seed(0)
    model = net(L.Dense(1, "sigmoid"), loss="binary_crossentropy")
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    model.fit(x, LABELS % 2, batch_size=16, verbose=0, callbacks=[doctor])
    treated = treat(model, doctor.report, verbose=0)
    np.testing.assert_allclose(array(treated.layers[0](x)).mean(axis=0), 0, atol=1e-4)


def test_images_are_normalized_by_their_channels_and_where_those_are_first_as_a_whole():
    images = 1e3 + 1e3 * RANDOM.normal(size=(64, 4, 4, 3)).astype("float32")
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), L.Conv2D(4, 2, activation="relu"), L.Flatten(), L.Dense(1)]
    )
    model.compile("sgd", "mse")
    _, treated, _ = healed(model, images, np.ones(64))
    seen = array(treated.layers[0](images))
    np.testing.assert_allclose(seen.mean(axis=(0, 1, 2)), 0, atol=1e-4)


def test_what_attends_to_itself_is_not_scaled_in_one_place_only():
    x = keras.Input((5, 6))
    attention = L.MultiHeadAttention(2, 3, name="attention")
    model = keras.Model(x, L.Dense(1)(L.Flatten()(attention(x, x))))
    model.compile("sgd", "mse")
    inputs = 1e3 + 1e3 * RANDOM.normal(size=(64, 5, 6)).astype("float32")
    _, treated, trials = healed(model, inputs, np.ones((64, 1)))
    (trial,) = (trial for trial in trials if trial.condition == "unnormalized_inputs")
    assert not trial.kept
    assert "several tensors" in trial.remedy
    assert not any(isinstance(layer, L.Normalization) for layer in treated.layers)


# --- Targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "mae"])
@pytest.mark.parametrize("scale", [1e3, 1e-3])
def test_a_step_on_raw_targets_is_a_step_on_standardized_ones(loss, scale):
    """Gradients at the head are those of the standardized task, up to rounding to four digits."""
    y = (scale * (X[:, :1] + 2 * X[:, 1:2] + 8)).astype("float32")
    model = net(L.Dense(1, name="head"), loss=loss)
    _, treated, _ = healed(model, X, y)
    rescaling = treated.layers[-1]
    treated.optimizer.learning_rate = 0.1

    inner = keras.Sequential([keras.Input((6,)), *(L.Dense(16, "relu"), L.Dense(1))])
    inner.compile(keras.optimizers.SGD(0.1), loss)
    inner.set_weights(treated.get_weights())
    for each, targets in (treated, y), (inner, (y - rescaling.offset) / rescaling.scale):
        each.fit(X, targets, batch_size=256, verbose=0)
    for one, other in zip(treated.get_weights(), inner.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        treated.predict(X, verbose=0),
        inner.predict(X, verbose=0) * rescaling.scale + rescaling.offset,
        rtol=1e-3,
        atol=1e-3 * scale,
    )


@pytest.mark.parametrize("scale", [1e3, 1e-3])
def test_the_doctor_is_silent_on_rescaled_targets(scale):
    y = scale * (X[:, :1] + 2 * X[:, 1:2] + 8)
    optimizer = keras.optimizers.SGD(0.1)
    model = net(L.Dense(1, name="head"), metrics=["mae"], optimizer=optimizer)
    report, treated, _ = healed(model, X, y)
    assert conditions(report) == {"unnormalized_targets"}
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    history = treated.fit(X, y, epochs=12, verbose=0, callbacks=[doctor]).history
    assert conditions(doctor.report) == set()
    assert history["mae"][-1] < 0.5 * np.abs(y - y.mean()).mean()


RECTIFIED = {
    "half normal": (np.abs(X[:, 0]), True),
    "exponential": (np.square(X[:, :2]).sum(axis=1), True),
    "far": (50 + np.abs(X[:, 0]), False),
}


@pytest.mark.parametrize(
    ("activation", "apart"), [("relu", True), ("softplus", True), ("elu", False), ("gelu", False)]
)
@pytest.mark.parametrize(("y", "keeps"), RECTIFIED.values(), ids=RECTIFIED)
def test_a_rectified_head_can_reach_its_rescaled_targets(y, keeps, activation, apart):
    """Half of standardized targets lie below zero, where no rectifier gets."""
    y = 1000 * y
    head = [L.Dense(1), L.Activation(activation)] if apart else [L.Dense(1, activation)]
    _, treated, trials = healed(net(*head, loss="mse"), X, y)
    assert {trial.condition for trial in trials if trial.kept} == {"unnormalized_targets"}
    rescaling = treated.layers[-1]
    reached = treated.layers[-2].activation(np.linspace(-50.0, 50.0, 9, dtype="float32"))
    reached = array(reached) * rescaling.scale + rescaling.offset
    assert reached.min() <= y.min() + 1e-3 * y.std()
    assert reached.max() >= y.max()
    # What its activation kept positive stays so where targets begin at zero.
    kept = treated.layers[-2].activation is getattr(keras.activations, activation)
    assert kept == (rescaling.offset == 0) == keeps
    assert kt.checkup(treated, X, y).healthy


def test_outputs_keep_their_names_where_losses_go_by_them():
    x = keras.Input((6,))
    h = L.Dense(16, "relu")(x)
    model = keras.Model(x, [L.Dense(1, name="a")(h), L.Dense(2, name="b")(h)])
    model.compile(
        "sgd",
        loss={"a": "mse", "b": "mse"},
        loss_weights={"a": 0.5, "b": 2.0},
        metrics={"a": "mae"},
    )
    y = {"a": 1e3 * X[:, :1], "b": X[:, :2]}
    report, treated, _ = healed(model, X, y)
    assert conditions(report) == {"unnormalized_targets"}
    assert treated.output_names == ["a", "b"]
    weights = treated.get_compile_config()["loss_weights"]
    assert weights["b"] == 2.0
    assert weights["a"] == pytest.approx(0.5 / np.var(y["a"]), rel=1e-3)
    assert "a_mae" in treated.fit(X, y, verbose=0).history
    assert kt.checkup(treated, X, y).healthy


def test_an_output_that_feeds_another_layer_keeps_its_scale():
    x = keras.Input((6,))
    h = L.Dense(16, "relu")(x)
    first = L.Dense(1, name="first")(h)
    second = L.Dense(1, name="second")(L.Concatenate()([h, first]))
    model = keras.Model(x, [first, second])
    model.compile("sgd", ["mse", "mse"])
    _, treated, trials = healed(model, X, [1e3 + 300 * X[:, :1], X[:, :1]])
    (trial,) = (trial for trial in trials if trial.condition == "unnormalized_targets")
    assert not trial.kept
    assert "What first puts out is used elsewhere" in trial.remedy
    assert not any(isinstance(layer, L.Rescaling) for layer in treated.layers)


# --- Outputs and losses --------------------------------------------------------------------------

SPARSE = "sparse_categorical_crossentropy"
ONE_HOT = np.eye(3)[LABELS]
MISMATCHES = {
    "logits forgotten": (L.Dense(3), SPARSE, LABELS),
    "logits forgotten, binary": (L.Dense(1), "binary_crossentropy", LABELS % 2),
    "logits twice": (
        L.Dense(3, "softmax"),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        LABELS,
    ),
    "logits twice, smoothed": (
        L.Dense(3, "softmax"),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        ONE_HOT,
    ),
    "mse for one hot in one unit": (L.Dense(1), "mse", ONE_HOT),
    "relu before a cross entropy": (L.Dense(3, "relu"), SPARSE, LABELS),
    "tanh before a cross entropy": (L.Dense(1, "tanh"), "binary_crossentropy", LABELS % 2),
    "softmax over one": (L.Dense(1, "softmax"), "binary_crossentropy", LABELS % 2),
    "one sigmoid for three": (L.Dense(1, "sigmoid"), "binary_crossentropy", LABELS),
    "sigmoid for any number": (L.Dense(1, "sigmoid"), "mse", 3 * X[:, 0]),
    "relu for any number": (L.Dense(1, "relu"), "mse", X[:, 0]),
    "tanh for large numbers": (L.Dense(1, "tanh"), "mae", 300 + 100 * X[:, 0]),
    "sums beyond one": (L.Dense(3, "softmax"), "categorical_crossentropy", (X > 0)[:, :3] * 1.0),
    "poisson below zero": (L.Dense(1), "poisson", np.round(np.exp(X[:, 0]))),
}


# What Keras says of it is what the doctor says.
@pytest.mark.filterwarnings("ignore:.*softmax over axis -1:UserWarning")
@pytest.mark.parametrize(
    ("head", "loss", "y"),
    [pytest.param(*case, id=name) for name, case in MISMATCHES.items()],
)
def test_output_and_loss_fit_each_other_and_the_targets(head, loss, y):
    keras.utils.set_random_seed(0)
    head = type(head).from_config(head.get_config())
    model = net(head, loss=loss, optimizer=keras.optimizers.Adam(0.01))
    report, treated, trials = healed(model, X, y)
    assert conditions(report) & {"loss_mismatch", "unreachable_targets", "constant_output"}
    assert all(trial.kept for trial in trials)
    assert conditions(kt.checkup(treated, X, y)) == set()
    losses = treated.fit(X, y, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


def test_the_smoothing_of_a_loss_stays():
    head, loss, y = MISMATCHES["logits twice, smoothed"]
    _, treated, _ = healed(net(type(head).from_config(head.get_config()), loss=loss), X, y)
    config = treated.loss.get_config()
    assert (config["from_logits"], config["label_smoothing"]) == (False, 0.1)


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy"])
def test_labels_that_were_taken_for_columns_become_classes_of_their_own(loss):
    """Most backends refuse to compare them at all, so the finding is made by hand.

    The batch in which it was found may lack the last class; the run has seen it.
    """
    keras.utils.set_random_seed(0)
    labels = np.where(np.arange(256) < 250, LABELS % 2, 4)
    model = net(L.Dense(2), loss=loss, optimizer=keras.optimizers.Adam(0.02))
    path = model.layers[-1].path
    evidence = {"healthy_loss": SPARSE, "healthy_activation": "softmax", "healthy_units": 2}
    found = Finding("loss_mismatch", path, "critical", 0, "message", "remedy", evidence)
    pool = kt.checkup(net(L.Dense(1)), X, labels).pool
    pool.targets[path] = pool.targets.popitem()[1]
    treated = treat(model, Report([found], pool=pool), verbose=0)
    assert treated.output_shape == (None, 5)
    assert treated.loss == SPARSE
    losses = treated.fit(X, labels, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(
    "metric",
    [
        "accuracy",
        "binary_accuracy",
        keras.metrics.BinaryAccuracy(name="right"),
    ],
)
def test_accuracy_counts_as_the_new_loss_does(metric):
    keras.utils.set_random_seed(0)
    head, loss, y = MISMATCHES["one sigmoid for three"]
    if not isinstance(metric, str):
        metric = type(metric).from_config(metric.get_config())
    model = net(
        type(head).from_config(head.get_config()),
        loss=loss,
        metrics=[metric],
        optimizer=keras.optimizers.Adam(0.02),
    )
    _, treated, _ = healed(model, X, y)
    history = treated.fit(X, y, epochs=20, verbose=0).history
    (name,) = history.keys() - {"loss"}
    assert name == (metric if isinstance(metric, str) else "right")
    right = np.mean(np.argmax(treated.predict(X, verbose=0), axis=1) == y)
    result = treated.evaluate(X, y, verbose=0, return_dict=True)
    assert result[name] == pytest.approx(right, abs=1e-6)
    assert right > 0.8


def test_an_activation_that_is_a_layer_of_the_output_is_exchanged():
    model = net(L.Dense(1, name="head"), L.Activation("tanh", name="squash"), loss="mse")
    _, treated, _ = healed(model, X, 5 * X[:, 0])
    assert "squash" not in [layer.name for layer in treated.layers]
    assert np.abs(treated.predict(100 * X, verbose=0)).max() > 1


def test_labels_of_minus_one_and_one_get_a_loss_that_takes_them():
    optimizer = keras.optimizers.Adam(0.01)
    model = net(L.Dense(1, "sigmoid"), loss="binary_crossentropy", optimizer=optimizer)
    y = np.sign(X[:, 0])
    _, treated, trials = healed(model, X, y)
    assert [trial.kept for trial in trials] == [True]
    assert "(y + 1) / 2" in trials[0].remedy
    treated.fit(X, y, epochs=20, verbose=0)
    said = treated.predict(X, verbose=0)[:, 0]
    # Without learning, the share of 256 is 0.5 with a standard error of 0.03.
    assert np.mean((said > 0) == (y > 0)) > 0.5 + 5 * 0.03
    assert kt.checkup(treated, X, y).healthy


def test_labels_that_have_to_change_are_told():
    model = net(L.Dense(1, "sigmoid"), loss="binary_crossentropy")
    labels = np.where(X[:, 0] > 1, 0, np.sign(X[:, 1]))
    _, treated, trials = healed(model, X, labels)
    (trial,) = (trial for trial in trials if trial.condition == "unreachable_targets")
    assert not trial.kept
    assert treated.loss == "binary_crossentropy"


def test_the_class_that_a_loss_ignores_gets_no_unit():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=255)
    labels = np.where(np.arange(256) % 7, LABELS, 255)
    _, treated, trials = healed(net(L.Dense(3), loss=loss), X, labels)
    assert [trial.kept for trial in trials] == [True]
    assert treated.output_shape == (None, 3)


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        (99999, "100000 classes, of 256 samples"),
        (200, "201 classes, not 3"),
        (np.nan, "no finite numbers"),
    ],
)
def test_labels_that_name_no_class_are_told(mark, reason):
    labels = np.where(np.arange(256) % 7, LABELS, mark).astype("float32")
    model = net(L.Dense(3), loss=SPARSE)
    path = model.layers[-1].path
    pool = kt.checkup(net(L.Dense(1)), X, labels).pool
    pool.targets[path] = pool.targets.popitem()[1]
    evidence = {"healthy_activation": "softmax"}
    found = Finding("loss_mismatch", path, "critical", 0, "message", "remedy", evidence)
    treated, (trial,) = treat(model, Report([found], pool=pool), return_trials=True, verbose=0)
    assert not trial.kept
    assert reason in trial.remedy
    assert treated.output_shape == (None, 3)
