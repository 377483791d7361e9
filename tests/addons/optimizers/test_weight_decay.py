"""Weight decay as in TensorFlow Addons, beside Keras' own."""

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

optimizers = keras.optimizers


def course(optimizer, steps=6, **kwargs):
    """The course of a kernel and a bias."""
    random = np.random.default_rng(0)
    variables = [keras.Variable([1.0, -2.0], name="kernel"), keras.Variable([3.0], name="bias")]
    values = []
    for _ in range(steps):
        gradients = [
            keras.ops.convert_to_tensor(random.normal(size=v.shape).astype("float32"))
            for v in variables
        ]
        optimizer.apply_gradients(list(zip(gradients, variables, strict=True)), **kwargs)
        values.append(np.concatenate([v.numpy() for v in variables]))
    return np.stack(values)


def assert_close(a, b):
    np.testing.assert_allclose(course(a), course(b), rtol=1e-5, atol=1e-6)


def test_with_a_constant_rate_it_is_keras_own_over_the_rate():
    # Keras: var * (1 - rate * weight_decay), here var * (1 - weight_decay).
    assert_close(tfa.optimizers.AdamW(0.1, 0.2), optimizers.AdamW(0.2, weight_decay=0.5))
    assert_close(
        tfa.optimizers.SGDW(0.1, 0.2, 0.9, True),
        optimizers.SGD(0.2, momentum=0.9, nesterov=True, weight_decay=0.5),
    )
    extended = tfa.optimizers.extend_with_decoupled_weight_decay(optimizers.RMSprop)
    assert_close(extended(0.1, learning_rate=0.2), optimizers.RMSprop(0.2, weight_decay=0.5))


def test_without_decay_it_is_keras_own():
    assert_close(tfa.optimizers.AdamW(0.0, 0.2), optimizers.Adam(0.2))
    assert_close(tfa.optimizers.SGDW(0.0, 0.2), optimizers.SGD(0.2))


def test_the_rate_does_not_change_the_decay():
    schedule = optimizers.schedules.ExponentialDecay(0.5, 1, 0.1)
    values = course(tfa.optimizers.SGDW(lambda: 0.5, 0.0, exclude_from_weight_decay=["bias"]), 3)
    np.testing.assert_allclose(values[:, 0], [0.5, 0.25, 0.125])
    np.testing.assert_array_equal(values[:, 2], 3)
    values = course(tfa.optimizers.SGDW(schedule, 0.0), 2)
    np.testing.assert_allclose(values[:, 0], [0.5, 0.475])


def test_only_some_variables_for_one_step():
    optimizer = tfa.optimizers.SGDW(0.5, 0.0, exclude_from_weight_decay=["bias"])
    kernel, bias = keras.Variable([4.0], name="kernel"), keras.Variable([4.0], name="bias")
    pairs = [(keras.ops.zeros((1,)), v) for v in (kernel, bias)]
    optimizer.apply_gradients(pairs, decay_var_list=[bias])
    assert (float(kernel.numpy()[0]), float(bias.numpy()[0])) == (4, 2)
    optimizer.apply_gradients(pairs)
    assert (float(kernel.numpy()[0]), float(bias.numpy()[0])) == (2, 2)


@pytest.mark.compiling
@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (tfa.optimizers.AdamW, {"weight_decay": 0.1, "amsgrad": True}),
        (tfa.optimizers.SGDW, {"weight_decay": 0.1, "momentum": 0.5}),
        (tfa.optimizers.LAMB, {"weight_decay": 0.1, "epsilon": 1e-3}),
        (tfa.optimizers.LAMB, {}),
    ],
)
def test_in_fit_and_from_a_file(make, arguments, linear_model, train, tmp_path):
    rate = optimizers.schedules.ExponentialDecay(0.5, 1, 0.9)
    start = np.array([[1.0], [2.0]])

    def model():
        made = linear_model(make(learning_rate=rate, **arguments))
        made.set_weights([start])
        return made

    whole, part = model(), model()
    train(whole, 5)
    train(part, 3)
    part.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer).__name__ == make.__name__
    assert loaded.optimizer.get_config() == part.optimizer.get_config()
    train(loaded, 2)
    np.testing.assert_allclose(loaded.get_weights()[0], whole.get_weights()[0], rtol=1e-5)
    assert not np.allclose(loaded.get_weights()[0], start)


def test_layers_are_left_out_by_their_path():
    for make in (tfa.optimizers.SGDW, tfa.optimizers.LAMB):
        model = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(2, name="head"), keras.layers.Dense(1, name="t")]
        )
        optimizer = make(
            weight_decay=0.5, learning_rate=1.0, exclude_from_weight_decay=["head/", "bias:0$"]
        )
        weights = [np.ones(w.shape) for w in model.get_weights()]
        model.set_weights(weights)
        optimizer.build(model.trainable_variables)
        optimizer.apply([keras.ops.zeros(v.shape) for v in model.trainable_variables])
        values = [w.max() for w in model.get_weights()]
        assert values[:2] == [1, 1]
        assert values[2] < 1
        assert values[3] == 1


def test_with_accumulated_gradients_steps_decay_not_batches(linear_model, train, weight):
    optimizer = tfa.optimizers.SGDW(0.5, 1.0, gradient_accumulation_steps=2)
    model = linear_model(optimizer)
    train(model, 4)
    assert weight(model) == -1 * 0.5 - 1


def test_what_is_refused():
    with pytest.raises(TypeError, match="`weight_decay`"):
        tfa.optimizers.AdamW("0.1")
    with pytest.raises(ValueError, match="negative"):
        tfa.optimizers.SGDW(-0.1)
    with pytest.raises(TypeError, match="list of regular expressions"):
        tfa.optimizers.SGDW(0.1, exclude_from_weight_decay="bias")
    with pytest.raises(TypeError, match="must be a number"):
        tfa.optimizers.LAMB(weight_decay=lambda: 0.1)
    with pytest.raises(TypeError, match="base_optimizer"):
        tfa.optimizers.extend_with_decoupled_weight_decay("adam")
