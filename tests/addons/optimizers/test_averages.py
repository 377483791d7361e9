"""Averages are put in place, swapped and copied."""

import warnings

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa


def trained(optimizer, steps=3, size=2):
    weights = keras.Variable(np.zeros(size, "float32"))
    for step in range(steps):
        gradient = keras.ops.convert_to_tensor([-1.0 - step, 0.1][:size])
        optimizer.apply([gradient], [weights])
    return weights


def test_swapping_twice_restores_every_bit():
    optimizer = tfa.optimizers.MovingAverage(keras.optimizers.SGD(0.1), 0.9)
    weights = trained(optimizer)
    before = weights.numpy().copy()
    optimizer.swap_weights()
    average = weights.numpy().copy()
    assert (average != before).all()
    optimizer.swap_weights()
    np.testing.assert_array_equal(weights.numpy(), before)
    optimizer.assign_average_vars([weights])
    np.testing.assert_array_equal(weights.numpy(), average)


def test_training_goes_on_from_the_averages(linear_model, train, weight):
    optimizer = tfa.optimizers.MovingAverage(keras.optimizers.SGD(1.0), 0.5)
    model = linear_model(optimizer)
    for act in (optimizer.assign_average_vars, lambda weights: optimizer.swap_weights()):
        train(model, 1)
        act(model.trainable_weights)
        gradients = [keras.ops.ones(v.shape) for v in model.trainable_weights]
        optimizer.apply(gradients, model.trainable_weights)
    # Weights -1, averages -0.5, both -0.5; -1.5, -1; -2.5, -1.75, swapped; -2.75, -2.625.
    assert weight(model) == -2.75
    train(model, 1)
    assert weight(model) == -3.75


def test_a_shadow_copy_is_made_once():
    optimizer = tfa.optimizers.MovingAverage(keras.optimizers.SGD(1.0), 0.5)
    assert not optimizer.has_shadow_copy
    with pytest.raises(ValueError, match="no averages to swap"):
        optimizer.swap_weights()
    weights = keras.Variable([2.0])
    optimizer.shadow_copy([weights])
    assert optimizer.has_shadow_copy
    optimizer.apply([keras.ops.convert_to_tensor([-2.0])], [weights])
    optimizer.shadow_copy([weights])
    optimizer.swap_weights()
    assert weights.numpy().tolist() == [3.0]
    with pytest.raises(ValueError, match="other weights"):
        optimizer.shadow_copy([keras.Variable([1.0])])


def test_weights_without_an_average_keep_their_values():
    optimizer = tfa.optimizers.SWA("sgd")
    weights = keras.Variable([1.0])
    with pytest.warns(UserWarning, match="no average of"):
        optimizer.assign_average_vars([weights])
    trained(optimizer)
    with pytest.warns(UserWarning, match="no average of"):
        optimizer.assign_average_vars([weights])
    weights.trainable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.assign_average_vars([weights])
    assert weights.numpy().tolist() == [1.0]


def test_before_the_first_point_swa_leaves_the_weights():
    optimizer = tfa.optimizers.SWA(keras.optimizers.SGD(0.1), start_averaging=100)
    weights = trained(optimizer)
    before = weights.numpy().copy()
    optimizer.assign_average_vars([weights])
    np.testing.assert_array_equal(weights.numpy(), before)


def test_num_updates_is_read_once():
    count = keras.Variable(8, dtype="int32", trainable=False)
    optimizer = tfa.optimizers.MovingAverage("sgd", num_updates=count)
    assert optimizer.average_decay == 0.5
    again = tfa.optimizers.MovingAverage.from_config(optimizer.get_config())
    assert (again.average_decay, again.num_updates) == (0.5, 8)
    with pytest.raises(TypeError, match="num_updates"):
        tfa.optimizers.MovingAverage("sgd", num_updates=1.5)


def test_other_types_of_weights():
    for dtype in ("float16", "bfloat16"):
        weights = keras.Variable([1.0], dtype=dtype)
        for make in (tfa.optimizers.MovingAverage, tfa.optimizers.SWA, tfa.optimizers.Lookahead):
            optimizer = make(keras.optimizers.SGD(0.5))
            optimizer.apply([keras.ops.ones((1,), dtype)], [weights])
            assert keras.backend.standardize_dtype(optimizer.slot(weights).dtype) == dtype


def test_averages_of_your_own():
    class Plain(tfa.optimizers.AveragedOptimizerWrapper):
        def average_op(self, var, average_var, local_apply_state):
            seen.append((int(self.iterations), float(local_apply_state["lr_t"])))
            average_var.assign(average_var + var)

    seen = []
    optimizer = Plain(keras.optimizers.SGD(1.0))
    weights = keras.Variable([1.0])
    for _ in range(2):
        optimizer.apply([keras.ops.convert_to_tensor([-1.0])], [weights])
    optimizer.assign_average_vars([weights])
    assert weights.numpy().tolist() == [1.0 + 2 + 3]
    assert seen == [(0, 1.0), (1, 1.0)]
    assert optimizer.name == "AverageOptimizer"
    with pytest.raises(TypeError, match="abstract"):
        tfa.optimizers.AveragedOptimizerWrapper("sgd")


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (tfa.optimizers.SWA, {"average_period": 0}, "average_period"),
        (tfa.optimizers.SWA, {"start_averaging": -1}, "start_averaging"),
        (tfa.optimizers.MovingAverage, {"average_decay": 1.5}, "average_decay"),
        (tfa.optimizers.MovingAverage, {"start_step": -1}, "start_step"),
    ],
)
def test_numbers_out_of_range_are_refused(make, arguments, message):
    with pytest.raises(
        ValueError, match=rf"`{message}`.*Received: {next(iter(arguments.values()))}"
    ):
        make("sgd", **arguments)
