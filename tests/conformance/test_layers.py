"""Every layer times the laws that all keep; conftest.py has the table."""

import contextlib
import inspect
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerastricks as kt

pytestmark = pytest.mark.every_variant
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
BACKEND = keras.backend.backend()


def inputs(member, samples=8, dtype="float32"):
    values = np.random.default_rng(samples).normal(1.0, 2.0, size=(samples, *member.shape))
    return keras.ops.convert_to_tensor(values.astype("float32"), dtype=dtype)


def array(value):
    return keras.ops.convert_to_numpy(value)


def dtype_of(value):
    return keras.backend.standardize_dtype(value.dtype)


def call(layer, x, training):
    takes_training = "training" in inspect.signature(layer.call).parameters
    return layer(x, training=training) if takes_training else layer(x)


def model_of(member, layer, activation=None):
    """A network around the layer whose other layers train too."""
    return keras.Sequential(
        [
            keras.Input(member.shape),
            keras.layers.Dense(member.shape[-1], activation),
            layer,
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


def trained(member, layer, **compile_arguments):
    model = model_of(member, layer)
    model.compile(optimizer="sgd", loss="mse", **compile_arguments)
    history = model.fit(array(inputs(member)), np.ones((8, 2)), epochs=1, verbose=0)
    return model, history.history["loss"]


def assert_same_outputs(layer, other, member, training=(True, False, True), **tolerance):
    x = inputs(member)
    for phase in training:
        np.testing.assert_allclose(
            array(call(layer, x, phase)), array(call(other, x, phase)), **tolerance
        )


def test_every_public_layer_is_in_the_table(layers_table):
    assert {name.split("-")[0] for name in layers_table} == set(kt.layers.__all__)


# --- Configs and files ---------------------------------------------------------------------------


def test_config_round_trip(member):
    layer = member.make(name="trick")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert config["registered_name"] == f"kerastricks>{type(layer).__name__}"
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert_same_outputs(again, layer, member, rtol=0)


@pytest.mark.compiling
def test_saved_and_loaded_without_custom_objects(member, tmp_path):
    model, _ = trained(member, member.make())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.layers[1]) is type(model.layers[1])
    x = array(inputs(member))
    if not member.random:
        np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    # Training goes on as it would have: nothing that it needs was lost but the optimizer's state,
    # of which SGD has none, and the random numbers' place in their row.
    if not random_in_training(model.layers[1]):
        for one in (model, again):
            one.fit(x, np.ones((8, 2)), shuffle=False, verbose=0)
        for weight, other in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_allclose(weight, other, **FLOAT32)


def random_in_training(layer):
    return hasattr(layer, "seed_generator") or hasattr(layer, "seed")


LOADER = """
import json, sys
import numpy as np
import kerastricks
import keras

folder = sys.argv[1]
for number, name in enumerate(json.load(open(f"{folder}/names.json"))):
    model = keras.saving.load_model(f"{folder}/{number}.keras")
    x, y = (np.load(f"{folder}/{number}-{which}.npy") for which in "xy")
    # Another process may fuse the same sums in another order.
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=1e-5, atol=1e-6, err_msg=name)
    print("opened", name)
"""


@pytest.mark.compiling
def test_saved_here_and_opened_in_a_process_that_only_imported_the_package(layers_table, tmp_path):
    fixed = {name: member for name, member in layers_table.items() if not member.random}
    for number, member in enumerate(fixed.values()):
        model, _ = trained(member, member.make())
        model.save(tmp_path / f"{number}.keras")
        x = array(inputs(member))
        np.save(tmp_path / f"{number}-x.npy", x)
        np.save(tmp_path / f"{number}-y.npy", model.predict(x, verbose=0))
    (tmp_path / "names.json").write_text(json.dumps(list(fixed)))
    run = subprocess.run(
        [sys.executable, "-c", LOADER, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [f"opened {name}" for name in fixed]


# --- Keras' twin ---------------------------------------------------------------------------------


def test_takes_the_place_of_the_twin(twinned):
    layer, twin = twinned.make(), twinned.twin()
    assert isinstance(layer, type(twin))
    assert layer.supports_masking == twin.supports_masking
    assert layer.built == twin.built
    for one in (layer, twin):
        one.build((None, *twinned.shape))
    described = [
        [(w.name, tuple(w.shape), w.trainable, dtype_of(w)) for w in one.weights]
        for one in (layer, twin)
    ]
    assert described[0] == described[1]


def test_computes_what_the_twin_does(equal):
    phases = (True, False, True) if equal.same_draws else (False,)
    assert_same_outputs(equal.make(), equal.twin(), equal, phases, **FLOAT32)


def test_weights_move_both_ways(twinned):
    x = inputs(twinned)
    for source, target in ((twinned.make, twinned.twin), (twinned.twin, twinned.make)):
        layer, other = source(), target()
        call(layer, x, True)
        call(other, x + 1, True)
        other.set_weights(layer.get_weights())
        for weight, expected in zip(other.get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)
        if twinned.equal:
            np.testing.assert_allclose(
                array(call(other, x, False)), array(call(layer, x, False)), **FLOAT32
            )


def test_weight_files_move_both_ways(twinned, tmp_path):
    for source, target in ((twinned.make, twinned.twin), (twinned.twin, twinned.make)):
        model, other = (model_of(twinned, make()) for make in (source, target))
        model(inputs(twinned), training=True)
        other(inputs(twinned) + 1, training=True)
        model.save_weights(tmp_path / "model.weights.h5")
        other.load_weights(tmp_path / "model.weights.h5")
        for weight, expected in zip(other.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)


def test_loads_the_twins_config(equal):
    if not equal.same_config:
        pytest.skip("it has another config")
    twin = equal.twin(name="trick")
    layer = type(equal.make()).from_config(twin.get_config())
    assert layer.name == "trick"
    phases = (True, False, True) if equal.same_draws else (False,)
    assert_same_outputs(layer, twin, equal, phases, **FLOAT32)


# --- Shapes and types ----------------------------------------------------------------------------


def test_hands_the_mask_on(member):
    mask = keras.ops.convert_to_tensor(np.arange(5)[None] < np.arange(8)[:, None])
    layer = member.make()
    assert layer.supports_masking
    assert layer.compute_mask(inputs(member), mask) is mask


class MaskSpy(keras.layers.Layer):
    """Remembers the mask that came with its input."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        self.seen = mask
        return inputs


def test_a_mask_reaches_the_layer_behind(member):
    if len(member.shape) != 2:
        pytest.skip("Keras' Masking makes masks for sequences")
    x = array(inputs(member)).copy()
    x[:, 3:] = 0.0
    spy = MaskSpy()
    spy(member.make()(keras.layers.Masking()(x)))
    np.testing.assert_array_equal(array(spy.seen), np.any(x != 0.0, axis=-1))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("samples", [8, None])
def test_symbolic_equals_actual(member, policy, samples):
    layer = member.make(dtype=policy)
    symbolic = layer(keras.Input(batch_shape=(samples, *member.shape)))
    actual = layer(inputs(member))
    assert tuple(symbolic.shape) == (samples, *member.shape)
    assert tuple(actual.shape) == (8, *member.shape)
    compute_dtype = policy.removeprefix("mixed_")
    assert dtype_of(symbolic) == dtype_of(actual) == compute_dtype
    assert all(dtype_of(weight) == "float32" for weight in layer.weights)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_differs_by_rounding_alone(member, policy):
    if member.random:
        pytest.skip("inference draws")
    x = inputs(member)
    half = array(keras.ops.cast(call(member.make(dtype=policy), x, False), "float32"))
    single = array(call(member.make(), x, False))
    # Input, weights and output are rounded once each: 10 bits in float16, 7 in bfloat16.
    unit = 2.0 ** -(10 if policy == "mixed_float16" else 7)
    np.testing.assert_allclose(half, single, rtol=4 * unit, atol=4 * unit)


def test_output_spec(member):
    spec = member.make().compute_output_spec(keras.KerasTensor((None, *member.shape)))
    assert tuple(spec.shape) == (None, *member.shape)
    assert spec.dtype == "float32"


@pytest.mark.parametrize("samples", [0, 1])
@pytest.mark.parametrize("training", [False, True])
def test_small_batches(member, samples, training):
    layer = member.make()
    if member.delegated and training and not samples:
        pytest.skip("Keras takes the mean of nothing")
    if training and getattr(layer, "virtual_batch_size", None) and samples:
        pytest.skip("a virtual batch of four does not divide one")
    outputs = call(layer, inputs(member, samples), training)
    assert tuple(outputs.shape) == (samples, *member.shape)
    assert np.isfinite(array(outputs)).all()
    assert all(np.isfinite(weight).all() for weight in layer.get_weights())


def test_a_batch_of_one_is_inferred_as_in_a_larger_batch(member):
    if member.random:
        pytest.skip("inference draws")
    layer, x = member.make(), inputs(member)
    np.testing.assert_allclose(
        array(call(layer, x[:1], False)), array(call(layer, x, False))[:1], **FLOAT32
    )


def test_nan_stays_where_it_was(member):
    x = array(inputs(member)).copy()
    x[2, 3, 1] = np.nan
    nan = np.isnan(array(call(member.make(), keras.ops.convert_to_tensor(x), False)))
    if member.random:
        assert not (nan & ~np.isnan(x)).any()  # it may be dropped
    else:
        np.testing.assert_array_equal(nan, np.isnan(x))


# --- Training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("jit_compile", [True, False])
def test_one_step_of_fit(member, jit_compile):
    if jit_compile and BACKEND == "torch":
        pytest.skip("torch.compile takes minutes; Keras' torch default is eager")
    before = model_of(member, member.make()).count_params()
    model, losses = trained(member, member.make(), jit_compile=jit_compile)
    assert model.count_params() == before
    assert np.isfinite(losses).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.compiling
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_training_in_mixed_precision(member, policy):
    model, losses = trained(member, member.make(dtype=policy))
    assert np.isfinite(losses).all()
    assert model.layers[1].compute_dtype == policy.removeprefix("mixed_")


@pytest.mark.compiling
def test_the_doctor_sees_it_and_finds_it_healthy(member):
    keras.utils.set_random_seed(4)
    # Around a linear layer, two linear ones would be one too many.
    model = model_of(member, member.make(), "tanh")
    # A rate at which nothing moves far: what is looked at is the layer, not the training.
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse")
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    model.fit(array(inputs(member)), np.ones((8, 2)), epochs=2, verbose=0, callbacks=[doctor])
    assert doctor.report.unobserved == {}
    assert doctor.report.findings == []


@pytest.mark.compiling
def test_same_seed_same_training(member):
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(4)
        runs.append(trained(member, member.make())[0].get_weights())
    for one, other in zip(*runs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


# --- Gradients -----------------------------------------------------------------------------------


def weighted_sum_and_gradient(layer, x, weights, training):
    """sum(weights * layer(x)) and its gradient in x, from the layer's present state."""
    state = [array(variable) for variable in layer.variables]
    x, weights = (keras.ops.convert_to_tensor(each, dtype="float64") for each in (x, weights))

    def value(x):
        return keras.ops.sum(call(layer, x, training) * weights)

    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            result = value(x)
        gradient = tape.gradient(result, x)
    elif BACKEND == "jax":
        import jax

        def stateless(x):
            pairs = [(variable, variable.value) for variable in layer.variables]
            with keras.StatelessScope(state_mapping=pairs):
                return value(x)

        result, gradient = jax.value_and_grad(stateless)(x)
    else:
        x.requires_grad_()
        result = value(x)
        result.backward()
        gradient = x.grad
        result = result.detach()
    for variable, before in zip(layer.variables, state, strict=True):
        variable.assign(before)
    return float(result), array(gradient)


def double_precision():
    if BACKEND != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64()


@pytest.mark.parametrize("training", [False, True])
def test_gradient_against_finite_differences(member, training):
    if member.delegated:
        pytest.skip("Keras stops gradients there, and computes in float32 on some backends")
    random = np.random.default_rng(0)
    x = random.normal(0.5, 1.0, size=(8, *member.shape))
    x += np.copysign(0.01, x)  # the rectifiers' kink is at 0: no step of 1e-5 shall cross it
    weights = random.normal(size=x.shape)
    with double_precision():
        layer = member.make(dtype="float64")
        layer.build(x.shape)
        _, gradient = weighted_sum_and_gradient(layer, x, weights, training)
        for _ in range(3):
            direction = random.normal(size=x.shape)
            direction /= np.abs(direction).max()
            sides = [
                weighted_sum_and_gradient(layer, x + h * direction, weights, training)[0]
                for h in (1e-5, -1e-5)
            ]
            # Rounding: eps * sum(|terms|) / h ~ 1e-16 * 1e3 / 1e-5; curvature: h^2.
            numeric = (sides[0] - sides[1]) / 2e-5
            np.testing.assert_allclose(np.sum(gradient * direction), numeric, rtol=1e-6, atol=1e-7)
