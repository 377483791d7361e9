"""What the doctor says of whole runs on real data, and how it treats those who call it."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits, load_wine

import kerastricks as kt

IMAGES, DIGITS = load_digits(return_X_y=True)
# From logits: of probabilities, JAX and torch clip the loss, and with it its gradient.
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
IMAGES = ((IMAGES - IMAGES.mean()) / IMAGES.std()).astype("float32")


def mlp(depth, activation, initializer, *, width=32, bias="zeros", normalized=False):
    model = keras.Sequential([layers.Input((64,))])
    for _ in range(depth):
        model.add(layers.Dense(width, kernel_initializer=initializer(), bias_initializer=bias))
        if normalized:
            model.add(kt.layers.BatchNormalization(alpha=0.1))
        model.add(layers.Activation(activation) if isinstance(activation, str) else activation())
    model.add(layers.Dense(10))
    return model


def examined(model, optimizer, *, epochs=3, samples=960, monitor=None, inputs=IMAGES):
    monitor = monitor or kt.callbacks.TrainingDoctor(verbose=0)
    model.compile(optimizer, LOSS)
    x, y = inputs[:samples], DIGITS[:samples]
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[monitor])
    return monitor.report


def conditions(report):
    return {finding.condition for finding in report.findings}


def roots(report):
    return {finding.condition for finding in report.root_causes}


def tiny():
    return kt.initializers.ScaledNormal(0.03)


def large():
    return kt.initializers.ScaledNormal(1.0)


def zeros():
    return keras.initializers.Zeros()


SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam
SICK = {
    "sigmoid, 0.03 N(0, 1)": (
        lambda: (mlp(8, "sigmoid", tiny), SGD(0.1)),
        "poor_initialization",
        {"vanishing_gradients"},
    ),
    "the same with Adam": (
        lambda: (mlp(8, "sigmoid", tiny), Adam(1e-3)),
        "poor_initialization",
        {"vanishing_gradients"},
    ),
    "ReLU behind a negative shift": (
        lambda: (mlp(4, "relu", kt.initializers.He, bias=keras.initializers.Constant(-30)), SGD()),
        "dying_units",
        set(),
    ),
    "ReLU after large steps": (
        lambda: (mlp(6, "relu", kt.initializers.He), Adam(0.1)),
        "learning_rate_too_high",
        {"dying_units"},
    ),
    "zeros": (lambda: (mlp(3, "tanh", zeros), Adam()), "symmetric_units", set()),
    "tanh, N(0, 1) times 4": (
        lambda: (mlp(3, "tanh", lambda: kt.initializers.ScaledNormal(4.0)), Adam(1e-4)),
        "saturated_units",
        set(),
    ),
    "ReLU, N(0, 1)": (
        lambda: (mlp(8, "relu", large, width=64), Adam(1e-3)),
        "poor_initialization",
        set(),
    ),
    "tanh, N(0, 1), deep": (
        lambda: (mlp(8, "tanh", large, width=64), SGD(0.01)),
        "saturated_units",
        set(),
    ),
    "divergence": (
        lambda: (mlp(6, kt.layers.LeakyReLU, kt.initializers.He), SGD(100.0)),
        "learning_rate_too_high",
        {"non_finite"},
    ),
}


# Deep networks take long to compile; another of the same condition is quick.
LONG = ("the same with Adam", "tanh, N(0, 1), deep", "ten ReLU layers, He", "ten of them")


def cases(of):
    slow = pytest.mark.slow
    return [pytest.param(case, marks=slow if case in LONG else ()) for case in of]


@pytest.mark.parametrize("case", cases(SICK))
def test_a_sick_network_is_named_by_its_root_cause(case, tmp_path):
    build, root, symptoms = SICK[case]
    keras.utils.set_random_seed(0)
    report = examined(*build())
    assert not report.healthy
    assert root in roots(report)
    assert symptoms <= conditions(report)
    report.to_json(tmp_path / "report.json")
    for finding in report.findings:
        assert finding.remedy
        assert any(isinstance(number, int | float) for number in finding.evidence.values())
        assert any(name.startswith("healthy_") for name in finding.evidence)


HEALTHY = {
    "ReLU, He": lambda: (mlp(3, "relu", kt.initializers.He), Adam(1e-3)),
    "ten ReLU layers, He": lambda: (mlp(10, "relu", kt.initializers.He, width=64), Adam(1e-3)),
    "LeakyReLU, batch norm": lambda: (
        mlp(3, kt.layers.LeakyReLU, lambda: kt.initializers.He(0.3), normalized=True),
        Adam(1e-2),
    ),
    "ten of them": lambda: (
        mlp(10, kt.layers.LeakyReLU, lambda: kt.initializers.He(0.3), normalized=True),
        Adam(1e-2),
    ),
    "tanh, Xavier": lambda: (mlp(4, "tanh", kt.initializers.Xavier), Adam(1e-3)),
    "two sigmoid layers, Xavier": lambda: (mlp(2, "sigmoid", kt.initializers.Xavier), Adam(1e-2)),
    "GELU, He, SGD": lambda: (mlp(5, "gelu", kt.initializers.He), SGD(0.05, momentum=0.9)),
    "logistic regression from zero": lambda: (
        keras.Sequential([layers.Input((64,)), layers.Dense(10, kernel_initializer="zeros")]),
        Adam(1e-2),
    ),
}


@pytest.mark.compiling
@pytest.mark.parametrize("case", cases(HEALTHY))
def test_the_doctor_is_silent_about_a_healthy_network(case, capsys):
    keras.utils.set_random_seed(0)
    doctor = kt.callbacks.TrainingDoctor()
    report = examined(*HEALTHY[case](), epochs=6, monitor=doctor)
    # A sigmoid's outputs lie on one side of zero by nature: a note, which is not printed.
    noted = {"not_zero_centered"} if "sigmoid" in case else set()
    assert conditions(report) == noted, report.summary()
    assert report.healthy
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_converged_network_with_sparse_units_is_healthy():
    keras.utils.set_random_seed(1)
    x, y = load_wine(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    hidden = [layers.Dense(64, activation="relu", activity_regularizer="l1") for _ in range(2)]
    model = keras.Sequential([layers.Input((13,)), *hidden, layers.Dense(3, activation="softmax")])
    model.compile(Adam(1e-2), "sparse_categorical_crossentropy")
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    model.fit(x, y, epochs=300, verbose=0, callbacks=[doctor])
    assert "vanishing_gradients" not in conditions(doctor.report)


@pytest.mark.compiling
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", ["the inputs", "the targets"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_nan_and_infinity_in_the_data_are_named_there(activation, place, value):
    x = np.random.default_rng(0).normal(size=(96, 6)).astype("float32")
    y = 2 * x[:, :1]
    (x if place == "the inputs" else y)[40, 0] = value
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, activation), layers.Dense(1)])
    model.compile(SGD(), "mse")
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    model.fit(x, y, batch_size=16, shuffle=False, epochs=3, verbose=0, callbacks=[doctor])
    (root,) = (f for f in doctor.report.root_causes if f.severity != "note")
    assert (root.condition, root.onset) == ("non_finite", 2)
    assert root.evidence["place"] == place


@pytest.mark.compiling
def test_watched_at_every_step_every_step_is_drawn():
    """Though not each is judged once the first are over."""
    model = mlp(1, "relu", kt.initializers.He)
    model.compile(SGD(), LOSS)
    doctor = kt.callbacks.TrainingDoctor(verbose=0, every=1)
    model.fit(IMAGES[:1200], DIGITS[:1200], batch_size=4, verbose=0, callbacks=[doctor])
    assert [moment.step for moment in doctor.report.timeline.moments] == list(range(300))


@pytest.mark.compiling
def test_watched_at_every_step_nan_is_named_at_its_step():
    """Long after the first looks, of which each is judged."""
    inputs = IMAGES.copy()
    inputs[4 * 333 + 1, 3] = np.nan
    model = mlp(1, "relu", kt.initializers.He)
    model.compile(SGD(), LOSS)
    doctor = kt.callbacks.TrainingDoctor(verbose=0, every=1)
    model.fit(inputs, DIGITS, batch_size=4, shuffle=False, verbose=0, callbacks=[doctor])
    (root,) = doctor.report.root_causes
    assert root.condition == "non_finite"
    assert root.onset == 333
    assert root.evidence["place"] == "the inputs"
    assert root.evidence["last_finite_step"] == 332


@pytest.mark.compiling
def test_watched_at_every_step_a_single_unreachable_target_is_seen():
    targets = (DIGITS >= 5).astype("float32")
    targets[4 * 333 + 1] = 2.0
    model = mlp(1, "relu", kt.initializers.He)
    model.add(layers.Dense(1, "tanh"))
    model.compile(SGD(1e-3), "mse")
    doctor = kt.callbacks.TrainingDoctor(verbose=0, every=1)
    model.fit(IMAGES, targets, batch_size=4, shuffle=False, verbose=0, callbacks=[doctor])
    found = {finding.condition: finding for finding in doctor.report.findings}
    assert found["unreachable_targets"].onset == 333


def test_each_finding_is_printed_once_and_its_remedy_too(capsys):
    keras.utils.set_random_seed(0)
    examined(mlp(2, "tanh", zeros), Adam(), epochs=1, monitor=kt.callbacks.TrainingDoctor())
    printed = capsys.readouterr().out
    assert printed.count("TrainingDoctor: symmetric_units") == 1
    assert "It follows from symmetric_units" in printed
    assert printed.count("Remedy:") == 1
    assert "from the start" in printed


@pytest.mark.compiling
def test_a_group_does_not_follow_from_one_of_its_own(capsys):
    keras.utils.set_random_seed(0)
    monitor = kt.callbacks.GradientMonitor()
    examined(mlp(4, "relu", kt.initializers.He), Adam(1.0), epochs=1, monitor=monitor)
    first, *_ = capsys.readouterr().out.split("GradientMonitor: ")[1:]
    assert first.startswith("exploding_gradients")
    assert "in 5 layers" in first
    assert "It follows from" not in first
    assert "Remedy:" in first


@pytest.mark.compiling
def test_a_monitor_watches_its_own_condition_only():
    keras.utils.set_random_seed(0)
    saturation = kt.callbacks.SaturationMonitor(verbose=0)
    build, *_ = SICK["tanh, N(0, 1) times 4"]
    assert conditions(examined(*build(), epochs=1, monitor=saturation)) == {"saturated_units"}
    keras.utils.set_random_seed(0)
    dying = kt.callbacks.DyingUnitMonitor(layer_fraction=0.1, verbose=0)
    build, *_ = SICK["ReLU after large steps"]
    assert conditions(examined(*build(), monitor=dying)) == {"dying_units"}


VITALS = {"silent_units", "saturation", "update_ratio", "gradient_norm", "findings"}


@pytest.mark.compiling
def test_vitals_are_logged_when_asked_for(tmp_path):
    def fitted(*callbacks):
        keras.utils.set_random_seed(0)
        model = mlp(3, "relu", kt.initializers.He)
        model.compile(SGD(0.1), LOSS)
        # Batches of 32 all of them: on a last one of five, many units are silent by chance.
        x, y = IMAGES[:1792], DIGITS[:1792]
        return model.fit(x, y, epochs=2, verbose=0, callbacks=list(callbacks)).history

    plain = fitted(kt.callbacks.TrainingDoctor())
    csv = tmp_path / "log.csv"
    doctor = kt.callbacks.TrainingDoctor(log_vitals=True)
    logged = fitted(doctor, keras.callbacks.CSVLogger(csv))
    names = {f"doctor_{name}" for name in VITALS}
    assert set(plain) == {"loss"}
    assert set(logged) == {"loss"} | names
    assert logged["loss"] == plain["loss"]
    assert names <= set(csv.read_text(encoding="utf-8").splitlines()[0].split(","))
    assert logged["doctor_findings"] == [0.0, 0.0]
    assert all(0 < ratio < 0.1 for ratio in logged["doctor_update_ratio"])
    assert all(0 <= share < 0.4 for share in logged["doctor_silent_units"])
    assert np.isnan(logged["doctor_saturation"]).all()


@pytest.mark.compiling
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras' TensorBoard is TensorFlow's"
)
def test_keras_tensorboard_writes_them(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = mlp(1, "relu", kt.initializers.He)
    model.compile(SGD(0.1), LOSS)
    doctor = kt.callbacks.TrainingDoctor(verbose=0, log_vitals=True)
    board = keras.callbacks.TensorBoard(tmp_path)
    model.fit(IMAGES[:320], DIGITS[:320], epochs=2, verbose=0, callbacks=[doctor, board])
    tags = EventAccumulator(str(tmp_path / "train")).Reload().Tags()["tensors"]
    assert {f"epoch_doctor_{name}" for name in VITALS} <= set(tags)


@pytest.mark.compiling
def test_early_stopping_reads_them():
    keras.utils.set_random_seed(0)
    model = mlp(3, "tanh", zeros)
    model.compile(Adam(), LOSS)
    doctor = kt.callbacks.TrainingDoctor(verbose=0, log_vitals=True)
    stop = keras.callbacks.EarlyStopping("doctor_findings", mode="min", baseline=0.5)
    x, y = IMAGES[:320], DIGITS[:320]
    history = model.fit(x, y, epochs=5, verbose=0, callbacks=[doctor, stop])
    assert len(history.epoch) == 2  # it never stops in the first


@pytest.mark.compiling
def test_a_gradient_monitor_watches_gradients():
    keras.utils.set_random_seed(0)
    monitor = kt.callbacks.GradientMonitor(verbose=0)
    build, *_ = SICK["divergence"]
    watched = {"exploding_gradients", "vanishing_gradients", "non_finite"}
    assert conditions(examined(*build(), monitor=monitor)) <= watched
    assert not monitor.report.healthy


@pytest.mark.compiling
def test_training_stops_on_what_was_asked_for(capsys):
    def epochs(**arguments):
        keras.utils.set_random_seed(0)
        model, optimizer = mlp(3, "tanh", zeros), Adam()
        model.compile(optimizer, LOSS)
        doctor = kt.callbacks.TrainingDoctor(**arguments)
        x, y = IMAGES[:320], DIGITS[:320]
        history = model.fit(x, y, epochs=2, verbose=0, callbacks=[doctor])
        assert not doctor.report.healthy
        return len(history.epoch)

    assert epochs(stop_on="symmetric_units") == 1
    assert "training stops because of symmetric_units" in capsys.readouterr().out
    assert epochs(stop_on=("non_finite", "overfitting")) == 2


@pytest.mark.compiling
def test_a_note_stops_nothing():
    keras.utils.set_random_seed(0)
    model = mlp(2, "sigmoid", kt.initializers.Xavier)
    model.compile(Adam(1e-2), LOSS)
    doctor = kt.callbacks.TrainingDoctor(stop_on="not_zero_centered")
    history = model.fit(IMAGES, DIGITS, epochs=2, verbose=0, callbacks=[doctor])
    assert "not_zero_centered" in conditions(doctor.report)
    assert len(history.epoch) == 2


@pytest.mark.compiling
def test_unscaled_inputs_are_the_one_root_of_what_they_cause():
    keras.utils.set_random_seed(0)
    model = mlp(3, "tanh", kt.initializers.Xavier)
    report = examined(model, SGD(0.1), inputs=300 * IMAGES)
    assert roots(report) == {"unnormalized_inputs"}
    assert "saturated_units" in conditions(report)


@pytest.mark.compiling
def test_unscaled_inputs_saturation_lost_gradients_and_a_flat_loss_are_one_finding():
    keras.utils.set_random_seed(0)
    model = mlp(6, "sigmoid", lambda: keras.initializers.RandomNormal(stddev=0.05))
    report = examined(model, SGD(0.01), inputs=300 * IMAGES, epochs=5)
    (root,) = (finding for finding in report.root_causes if finding.severity != "note")
    assert root.condition == "unnormalized_inputs"
    symptoms = {finding.condition for finding in report.consequences(root)}
    assert {"saturated_units", "vanishing_gradients", "constant_output"} <= symptoms


@pytest.mark.compiling
def test_the_report_belongs_to_the_last_fit():
    keras.utils.set_random_seed(0)
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    assert not doctor.report.findings
    assert not doctor.report.healthy  # nor sick: nothing was observed yet
    small = {"samples": 320, "monitor": doctor}
    assert not examined(mlp(2, "tanh", zeros), Adam(), **small).healthy
    assert examined(mlp(1, "relu", kt.initializers.He), Adam(), **small).healthy
