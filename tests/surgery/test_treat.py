"""What `treat` keeps, whatever it heals: the original, the compile state, what is not sick."""

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis import Finding, Report
from kerastricks.surgery import treat

L = keras.layers


def array(value):
    return np.array(keras.ops.convert_to_numpy(value))


def weights(model):
    return [array(variable) for variable in model.weights]


def net(**compile_arguments):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(8, "relu", name="hidden"),
            L.BatchNormalization(name="normalization"),
            L.Dropout(0.1, name="dropout"),
            L.Dense(1, name="head"),
        ],
        name="net",
    )
    model.compile(**{"optimizer": keras.optimizers.Adam(0.02), "loss": "mse", **compile_arguments})
    return model


@pytest.fixture
def data():
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    return x, x[:, :1] - x[:, 1:2]


@pytest.fixture
def fitted(data):
    keras.utils.set_random_seed(1)
    model = net()
    model.fit(*data, verbose=0)
    return model


SLOWER = {"healthy_learning_rate_times": 0.1}


def sick(*conditions, layer="net/hidden", **evidence):
    return Report(
        [Finding(name, layer, "critical", 0, "message", "remedy", evidence) for name in conditions]
    )


def healed(model, report, **arguments):
    return treat(model, report, verbose=0, **arguments)


@pytest.mark.compiling
def test_the_original_is_only_read(fitted, untouched):
    config, compiled = fitted.get_config(), fitted.get_compile_config()
    with untouched(fitted):
        treated = healed(fitted, sick("dying_units", "symmetric_units", "exploding_gradients"))
    assert fitted.get_config() == config
    assert fitted.get_compile_config() == compiled
    assert not {id(v) for v in fitted.variables} & {id(v) for v in treated.variables}
    assert treated.get_layer("hidden").activation is keras.activations.leaky_relu


@pytest.mark.compiling
def test_the_original_is_only_read_when_it_cannot_be_copied(data, untouched):
    def own_metric(y, p):
        return keras.ops.mean(y - p)

    model = net(metrics=[own_metric])
    model.fit(*data, verbose=0)
    with untouched(model), pytest.raises(ValueError, match="register_keras_serializable"):
        healed(model, sick("dying_units"))


@pytest.mark.compiling
@pytest.mark.parametrize("reinitialize", [True, False])
def test_a_healthy_model_is_copied(fitted, data, reinitialize):
    same = healed(fitted, Report(), reinitialize=reinitialize)
    for new, old in zip(weights(same), weights(fitted), strict=True):
        np.testing.assert_array_equal(new, old)
    assert same.optimizer.get_config() == fitted.optimizer.get_config()
    same.fit(*data, verbose=0)
    note = Finding("not_zero_centered", "net/hidden", "note", 0, "message", "remedy")
    assert treat(fitted, Report([note]), return_trials=True, verbose=0)[1] == []


@pytest.mark.compiling
def test_what_was_trained_starts_anew(fitted):
    treated = healed(fitted, sick("learning_rate_too_high", layer=None, **SLOWER))
    kernel = treated.get_layer("hidden").kernel
    assert not np.isclose(array(kernel), array(fitted.get_layer("hidden").kernel)).any()
    averages = treated.get_layer("normalization").non_trainable_variables
    assert [array(average).tolist() for average in averages] == [[0.0] * 8, [1.0] * 8]
    assert array(fitted.get_layer("normalization").moving_mean).any()
    assert int(treated.optimizer.iterations) == 0


@pytest.mark.compiling
def test_where_nothing_is_changed_weights_stay(fitted):
    """Nor do they start anew for a finding about which nothing can be done in the model."""
    treated, (trial,) = healed(fitted, sick("overfitting", layer=None), return_trials=True)
    assert not trial.kept
    for kept, own in zip(weights(treated), weights(fitted), strict=True):
        np.testing.assert_array_equal(kept, own)


@pytest.mark.compiling
@pytest.mark.parametrize("place", ["the inputs", "the targets"])
def test_what_is_wrong_with_the_data_is_left_to_their_owner(fitted, place):
    treated, (trial,) = healed(fitted, sick("non_finite", place=place), return_trials=True)
    assert not trial.kept
    assert trial.remedy == "The data are at fault, not the model. remedy"
    for kept, own in zip(weights(treated), weights(fitted), strict=True):
        np.testing.assert_array_equal(kept, own)


def test_averages_of_batches_start_anew_without_weights_to_train(data):
    def model(trainable):
        batches = L.BatchNormalization(center=False, scale=False, trainable=trainable)
        made = keras.Sequential([keras.Input((4,)), batches, L.Dense(1, name="head")])
        made.compile("sgd", "mse")
        batches.moving_mean.assign([np.nan] * 4)
        batches.moving_variance.assign([np.nan] * 4)
        return made

    report = sick("learning_rate_too_high", layer=None, **SLOWER)
    mean, variance = weights(healed(model(True), report).layers[0])
    assert (mean.tolist(), variance.tolist()) == ([0.0] * 4, [1.0] * 4)
    assert all(np.isnan(each).all() for each in weights(healed(model(False), report).layers[0]))
    kept = healed(model(True), report, reinitialize=False)
    assert all(np.isnan(each).all() for each in weights(kept.layers[0]))


@pytest.mark.compiling
def test_own_metrics_need_not_be_registered(data):
    class Own(keras.metrics.Mean):
        """Known to the model only."""

        def update_state(self, y, p, sample_weight=None):
            super().update_state(keras.ops.abs(y - p))

    model = net(metrics=[Own(name="own")])
    model.fit(*data, verbose=0)
    assert "own" in healed(model, sick("dying_units")).fit(*data, verbose=0).history


def test_what_is_not_trained_stays(data):
    x, _ = data
    scaling = L.Normalization(name="scaling")
    scaling.adapt(3 * x)
    frozen = L.Dense(8, "relu", name="frozen", trainable=False)
    model = keras.Sequential([keras.Input((4,)), scaling, frozen, L.Dense(1, name="head")])
    model.compile("sgd", "mse")
    treated = healed(model, sick("learning_rate_too_high", layer=None, **SLOWER))
    for name, same in (("frozen", True), ("scaling", True), ("head", False)):
        pairs = zip(weights(treated.get_layer(name)), weights(model.get_layer(name)), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs) == same
    np.testing.assert_array_equal(array(treated.layers[0](x)), array(scaling(x)))


@pytest.mark.compiling
def test_without_reinitialize_only_what_is_changed_starts_anew(fitted):
    report = sick("unreachable_targets", layer="net/head", healthy_units=3)
    treated = healed(fitted, report, reinitialize=False)
    for name, same in (("hidden", True), ("normalization", True), ("head", False)):
        pairs = zip(weights(treated.get_layer(name)), weights(fitted.get_layer(name)), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs) == same


@pytest.mark.compiling
def test_the_same_seed_gives_the_same_model(fitted):
    def made(seed):
        keras.utils.set_random_seed(seed)
        return weights(healed(fitted, sick("symmetric_units")))

    for one, other in zip(made(7), made(7), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(made(7)[0], made(8)[0])


@pytest.mark.compiling
def test_the_rest_of_the_compile_state_stays(data):
    model = net(
        optimizer=keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(40.0, 10, 0.5), momentum=0.5, nesterov=True
        ),
        loss=keras.losses.Huber(delta=0.7),
        metrics=["mae"],
        weighted_metrics=["mse"],
        jit_compile=False,
        steps_per_execution=1 if keras.backend.backend() == "torch" else 2,
    )
    model.fit(*data, verbose=0)
    treated = healed(
        model, sick("learning_rate_too_high", layer=None, healthy_learning_rate_times=1e-3)
    )
    assert treated.steps_per_execution == model.steps_per_execution
    assert not treated.jit_compile
    assert treated.loss is model.loss
    optimizer = treated.optimizer.get_config()
    schedule = optimizer.pop("learning_rate")["config"]
    assert schedule["initial_learning_rate"] == pytest.approx(40e-3)
    expected = model.optimizer.get_config()
    assert schedule | {"initial_learning_rate": 40.0} == expected.pop("learning_rate")["config"]
    assert optimizer == expected | {"clipnorm": 1.0}
    history = treated.fit(*data, verbose=0).history
    assert history.keys() == model.history.history.keys()


@pytest.mark.compiling
def test_weights_of_losses_in_a_tuple_stay():
    i = keras.Input((4,))
    model = keras.Model(i, [L.Dense(1, name="a")(i), L.Dense(1, name="b")(i)])
    model.compile("sgd", loss=["mse", "mse"], loss_weights=(0.5, 2.0))
    x = np.random.default_rng(0).normal(size=(64, 4))
    treated = healed(model, kt.checkup(model, x, [1e3 + 300 * x[:, :1], x[:, :1]]))
    first, second = treated.get_compile_config()["loss_weights"]
    assert first < 0.5e-3
    assert second == 2.0


@pytest.mark.parametrize("given", [{"p": 0.5, "q": 2.0}, None])
def test_weights_of_losses_in_a_dictionary_stay(given):
    i = keras.Input((4,))
    # The order of the keys is not that of the layers.
    outputs = {"q": L.Dense(1, name="a")(i), "p": L.Dense(1, name="b")(i)}
    model = keras.Model(i, outputs)
    model.compile("sgd", loss={"p": "mse", "q": "mse"}, loss_weights=given)
    x = np.random.default_rng(0).normal(size=(64, 4))
    y = {"p": 1e3 + 300 * x[:, :1], "q": x[:, :1]}
    treated = healed(model, kt.checkup(model, x, y))
    new = treated.get_compile_config()["loss_weights"]
    before = {"p": 1.0, "q": 1.0} | (given or {})
    assert new["q"] == before["q"]
    assert new["p"] < 1e-3 * before["p"]
    treated.fit(x, y, verbose=0)


@pytest.mark.compiling
def test_a_loss_scaling_optimizer_is_slowed_inside(data):
    model = net(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1.0)))
    model.fit(*data, verbose=0)
    report = sick("learning_rate_too_high", layer=None, healthy_learning_rate_times=1e-3)
    inner = healed(model, report).optimizer.inner_optimizer
    assert float(inner.learning_rate) == pytest.approx(1e-3)
    assert inner.clipnorm == 1.0


@pytest.mark.compiling
def test_the_result_saves_and_loads(tmp_path, data):
    x, y = data
    model = net()
    report = kt.checkup(model, 1e3 * x + 5e3, 1e4 * y)
    treated = healed(
        model, Report([*report.findings, *sick("dying_units").findings], pool=report.pool)
    )
    names = {type(layer).__name__ for layer in treated.layers}
    assert {"Normalization", "Rescaling"} <= names
    treated.fit(1e3 * x + 5e3, 1e4 * y, verbose=0)
    treated.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        again.predict(x, verbose=0), treated.predict(x, verbose=0), rtol=1e-6
    )
    again.fit(1e3 * x + 5e3, 1e4 * y, verbose=0)


def test_an_uncompiled_model_is_refused():
    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    with pytest.raises(ValueError, match=r"uncompiled model.*model\.compile"):
        treat(model, Report())


@pytest.mark.parametrize("report", [None, {}, "report"])
def test_what_is_no_report_is_refused(report):
    with pytest.raises(TypeError, match=r"`report` must be.*doctor\.report.*Received"):
        treat(net(), report)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="`model` must be"):
        treat("net", Report())


@pytest.mark.compiling
def test_a_report_about_another_model_is_refused(fitted):
    with pytest.raises(ValueError, match=r"another model.*'other/dense'.*kt\.checkup"):
        treat(fitted, sick("dying_units", layer="other/dense"))


@pytest.mark.compiling
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"steps": 0}, ValueError, "`steps` must be"),
        ({"steps": 1.5}, TypeError, "`steps` must be"),
        ({"data": np.zeros((4, 4))}, TypeError, r"data=\(x, y\)"),
        ({"data": ([1, 2], [1, 2])}, TypeError, "np.asarray"),
        ({"data": (np.zeros((4, 4)), np.zeros(3))}, ValueError, "one length.*3, 4"),
        ({"data": (np.zeros((1, 4)), np.zeros(1))}, ValueError, "at least 2"),
    ],
)
def test_arguments_out_of_range_are_refused(fitted, arguments, error, text):
    with pytest.raises(error, match=text):
        treat(fitted, Report(), **arguments)
