"""The compile state: optimizer, losses and metrics come along."""

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks import surgery

L = keras.layers


def leaky(layer):
    return kt.layers.LeakyReLU(0.2, name=layer.name)


def inputs(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def array(value):
    return np.array(keras.ops.convert_to_numpy(value))


def predicted(model, x=None):
    return [array(y) for y in keras.tree.flatten(model(inputs(5, 4) if x is None else x))]


def sequential():
    return keras.Sequential(
        [keras.Input((4,)), L.Dense(4), L.ReLU(name="relu"), L.Dense(2)], name="net"
    )


def test_options_losses_and_metrics_stay():
    def loss(y, p):
        return keras.ops.mean((y - p) ** 2, axis=-1)

    class Bias(keras.metrics.Mean):
        def update_state(self, y, p, sample_weight=None):
            super().update_state(p - y)

    x = keras.Input((4,))
    h = L.ReLU()(L.Dense(2)(x))
    model = keras.Model(x, [L.Dense(1, name="a")(h), L.Dense(1, name="b")(h)])
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
        loss={"a": loss, "b": "mae"},
        loss_weights={"a": 1.0, "b": 0.5},
        metrics={"a": ["mse", Bias(name="bias")]},
        weighted_metrics={"b": ["mse"]},
        run_eagerly=True,
        steps_per_execution=1 if keras.backend.backend() == "torch" else 2,
    )
    data = inputs(8, 4), {"a": np.ones((8, 1)), "b": np.ones((8, 1))}
    model.fit(*data, verbose=0)
    new = surgery.replace_layers(
        model, {L.ReLU: lambda old: L.LeakyReLU(negative_slope=0.0, name=old.name)}
    )
    assert new.run_eagerly
    assert new.steps_per_execution == model.steps_per_execution
    assert new.optimizer.get_config() == model.optimizer.get_config()
    results = [m.fit(*data, verbose=0).history for m in (new, model)]
    assert results[0].keys() == results[1].keys() >= {"a_bias", "a_mse", "b_mse"}
    for name, values in results[0].items():
        np.testing.assert_allclose(values, results[1][name], rtol=1e-6)


def test_an_uncompiled_model_stays_uncompiled():
    assert not surgery.replace_layers(sequential(), {L.ReLU: leaky}).compiled


def test_a_compiled_model_that_never_trained():
    model = sequential()
    model.compile("adam", loss="mse", run_eagerly=True)
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert not new.optimizer.built
    new.train_on_batch(inputs(6, 4), np.ones((6, 2)))


def test_the_optimizer_forgets_what_was_exchanged_and_nothing_else(compiled):
    model, _, _ = compiled(sequential)
    last = model.layers[-1]
    new = surgery.replace_layers(model, {last.name: lambda old: L.Dense(3, name="head")})
    memory = {v.name: array(v) for v in new.optimizer.variables if "momentum" in v.name}
    assert {name: value.any() for name, value in memory.items() if "head" in name} == {
        name: False for name in memory if "head" in name
    }
    assert sum(value.any() for value in memory.values()) == 2
    assert int(new.optimizer.iterations) == int(model.optimizer.iterations)


@pytest.mark.compiling
def test_a_scaled_optimizer_is_not_scaled_twice():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2), L.ReLU()])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), loss="mse")
    model.fit(inputs(5, 4), np.ones((5, 2)), verbose=0)
    assert int(model.optimizer.iterations) == 1
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert type(new.optimizer.inner_optimizer) is type(model.optimizer.inner_optimizer)
    assert int(new.optimizer.iterations) == 1


def test_a_compile_of_ones_own_goes_by_its_config():
    class Own(keras.Model):
        def compile(self, temperature):
            super().compile("sgd", loss="mse")
            self.temperature = temperature

        def get_compile_config(self):
            return {"temperature": self.temperature}

        def compile_from_config(self, config):
            self.compile(**config)

    x = keras.Input((4,))
    model = Own(x, L.ReLU()(L.Dense(2)(x)))
    model.compile(temperature=3)
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert type(new) is Own
    assert new.compiled
    assert new.temperature == 3


def test_metrics_that_keras_cannot_read_back_are_an_error_with_a_way_out():
    def own_metric(y, p):
        return keras.ops.mean(y - p)

    model = sequential()
    model.compile("sgd", loss="mse", metrics=[own_metric])
    with pytest.raises(ValueError, match=r"register_keras_serializable.*custom_object_scope"):
        surgery.replace_layers(model, {L.ReLU: leaky})
    with keras.saving.custom_object_scope({"own_metric": own_metric}):
        new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert "own_metric" in new.evaluate(inputs(5, 4), np.ones((5, 2)), verbose=0, return_dict=True)


def test_the_result_saves_and_loads(tmp_path, compiled):
    model = surgery.replace_layers(compiled(sequential)[0], {L.ReLU: leaky})
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predicted(again)[0], predicted(model)[0])
