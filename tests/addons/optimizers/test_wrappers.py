"""What wrappers do in `fit`, on each backend, against courses worked out by hand."""

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

SGD = keras.optimizers.SGD


def lookahead(steps, period=3, size=0.5):
    fast = slow = 0.0
    for step in range(1, steps + 1):
        fast -= 1
        if step % period == 0:
            fast = slow = slow + size * (fast - slow)
    return fast


def moving_average(steps, decay=0.5, start=2):
    average = 0.0
    for step in range(steps):
        rate = 0 if step < start else decay
        average = rate * average - (1 - rate) * (step + 1)
    return average


def swa(steps, start=1, period=2):
    points = [-(step + 1) for step in range(steps)]
    return np.mean(points[start::period]) if steps > start else points[-1]


WRAPPERS = {
    "lookahead": lambda inner: tfa.optimizers.Lookahead(inner, 3),
    "moving_average": lambda inner: tfa.optimizers.MovingAverage(inner, 0.5, start_step=2),
    "swa": lambda inner: tfa.optimizers.SWA(inner, 1, 2),
}
STEPS = 7


def check(name, model, steps, weight, average):
    """After so many steps with a gradient of 1 and a learning rate of 1."""
    if name == "lookahead":
        assert weight(model) == pytest.approx(lookahead(steps), rel=1e-6)
    else:
        assert weight(model) == pytest.approx(-steps, rel=1e-6)
        assert average(model) == pytest.approx(globals()[name](steps), rel=1e-6)


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("arguments", [{}, {"steps_per_execution": 3}], ids=["", "executions"])
def test_in_fit(name, arguments, linear_model, train, weight, average):
    if arguments and keras.backend.backend() == "torch":
        pytest.skip("Keras makes one step at a time with torch")
    model = linear_model(WRAPPERS[name](SGD(1.0)), **arguments)
    train(model, STEPS)
    check(name, model, STEPS, weight, average)
    assert int(model.optimizer.iterations) == STEPS


@pytest.mark.parametrize("name", WRAPPERS)
def test_with_accumulated_gradients_steps_count_not_batches(
    name, linear_model, train, weight, average
):
    model = linear_model(WRAPPERS[name](SGD(1.0, gradient_accumulation_steps=2)))
    train(model, 2 * STEPS + 1)
    check(name, model, STEPS, weight, average)
    assert int(model.optimizer.iterations) == STEPS


def test_a_wrapper_in_another_counts_steps_not_batches_either(linear_model, train, average):
    inner = SGD(1.0, gradient_accumulation_steps=3)
    model = linear_model(WRAPPERS["swa"](tfa.optimizers.Lookahead(inner, sync_period=100)))
    train(model, 3 * 4)
    assert average(model) == swa(4)


@pytest.mark.parametrize("name", WRAPPERS)
def test_in_mixed_precision(name, linear_model, train, weight, average):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = linear_model(WRAPPERS[name](SGD(1.0)))
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        train(model, STEPS)
    finally:
        keras.config.set_dtype_policy(before)
    check(name, model, STEPS, weight, average)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_step_that_overflows_is_no_step(name):
    optimizer = keras.optimizers.LossScaleOptimizer(WRAPPERS[name](SGD(1.0)))
    weights = keras.Variable([0.0])
    optimizer.build([weights])
    state = [w.value for w in optimizer.variables]
    value = [weights.value]
    for gradient in (1.0, np.nan, 1.0, np.inf, 1.0):
        # As large as the loss is scaled.
        gradient = keras.ops.convert_to_tensor([gradient * float(optimizer.dynamic_scale)])
        if keras.backend.backend() == "jax":
            value, state = optimizer.stateless_apply(state, [gradient], value)
            for variable, new in zip([weights, *optimizer.variables], value + state, strict=True):
                variable.assign(new)
        else:
            optimizer.apply([gradient], [weights])
    assert int(optimizer.iterations) == 3
    inner = optimizer.inner_optimizer
    if name == "lookahead":
        assert float(weights.numpy()[0]) == lookahead(3)
    else:
        assert float(weights.numpy()[0]) == -3
        inner.assign_average_vars([weights])
        assert float(weights.numpy()[0]) == pytest.approx(globals()[name](3))


@pytest.mark.compiling
@pytest.mark.parametrize("name", WRAPPERS)
def test_training_goes_on_from_a_file(name, linear_model, train, weight, average, tmp_path):
    inner = SGD(1.0, momentum=0.5)
    whole = linear_model(WRAPPERS[name](SGD(1.0, momentum=0.5)))
    train(whole, 4 + 3)
    model = linear_model(WRAPPERS[name](inner))
    train(model, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(model.optimizer)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    names = [v.path for v in model.optimizer.variables]
    assert len(names) == len(set(names)) == len(loaded.optimizer.variables)
    train(loaded, 3)
    assert weight(loaded) == weight(whole)
    if name != "lookahead":
        assert average(loaded) == average(whole)
    assert int(loaded.optimizer.iterations) == 7


@pytest.mark.parametrize("name", ["lookahead", "moving_average"])
def test_slots_start_from_the_weights_before_the_first_step(
    name, linear_model, train, weight, average, tmp_path
):
    # The optimizer of a model that is loaded is built before the weights are there.
    linear_model(WRAPPERS[name](SGD(1.0))).save(tmp_path / "model.keras")
    optimizer = WRAPPERS[name](SGD(0.0))
    model = linear_model(optimizer)
    optimizer.build(model.trainable_weights)
    model.set_weights([np.full((2, 1), 5.0)])
    train(model, 3)
    assert weight(model) == 5
    loaded = keras.models.load_model(tmp_path / "model.keras")
    train(loaded, STEPS)
    check(name, loaded, STEPS, weight, average)


@pytest.mark.parametrize("name", WRAPPERS)
def test_without_a_file_of_the_optimizer(name):
    optimizer = WRAPPERS[name]("adam")
    weights = keras.Variable([0.0, 0.0])
    optimizer.build([weights])
    values = [np.full(v.shape, n) for n, v in enumerate(optimizer.variables)]
    optimizer.set_weights(values)
    assert [float(v.numpy().max()) for v in optimizer.variables] == list(range(len(values)))


@pytest.mark.compiling
def test_one_wrapper_in_another(linear_model, train, weight, average, tmp_path):
    optimizer = tfa.optimizers.MovingAverage(
        tfa.optimizers.Lookahead(tfa.optimizers.RectifiedAdam(0.1), 2), 0.0
    )
    model = linear_model(optimizer)
    train(model, 5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    train(model, 3)
    train(loaded, 3)
    assert weight(loaded) == weight(model) == average(model) == average(loaded) < 0


def test_the_learning_rate_is_that_of_the_optimizer_inside(linear_model, train, weight):
    inner = SGD(1.0)
    optimizer = tfa.optimizers.SWA(inner)
    assert float(optimizer.learning_rate) == float(optimizer.lr) == 1
    optimizer.learning_rate = 0.5
    assert float(inner.learning_rate) == 0.5
    optimizer.lr = 0.25
    model = linear_model(optimizer)
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    train(model, 1, epochs=2, callbacks=[halve])
    assert weight(model) == -(0.125 + 0.0625)
    assert len([v for v in optimizer.variables if "learning_rate" in v.path]) == 1


def test_a_schedule_inside(linear_model, train, weight):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [1.0, 0.5])
    optimizer = tfa.optimizers.MovingAverage(SGD(schedule), 0.0)
    model = linear_model(optimizer)
    train(model, 4)
    assert weight(model) == -(2 + 2 * 0.5)
    assert float(optimizer.learning_rate) == 0.5


@pytest.mark.compiling
def test_what_the_optimizer_inside_can_do_stays(linear_model, train, weight):
    inner = SGD(1.0, weight_decay=0.5, clipvalue=0.25, loss_scale_factor=4.0)
    model = linear_model(tfa.optimizers.SWA(inner))
    train(model, 2)
    assert weight(model) == -0.25 * 0.5 - 0.25
    optimizer = tfa.optimizers.Lookahead(SGD(1.0, use_ema=True, ema_momentum=0.0))
    model = linear_model(optimizer)
    train(model, 2)
    assert weight(model) == -2


def test_weights_can_be_left_out_of_weight_decay():
    optimizer = tfa.optimizers.SWA(SGD(1.0, weight_decay=0.5))
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    variables = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
    optimizer.apply([keras.ops.zeros((1,)) for _ in variables], variables)
    assert [float(v.numpy()[0]) for v in variables] == [0.5, 1.0]


def test_gradients_are_clipped_where_either_says_so():
    for optimizer in (
        tfa.optimizers.Lookahead(SGD(1.0), clipvalue=0.5),
        tfa.optimizers.Lookahead(SGD(1.0, clipvalue=0.5)),
    ):
        weights = keras.Variable([0.0])
        optimizer.apply([keras.ops.convert_to_tensor([3.0])], [weights])
        assert float(weights.numpy()[0]) == -0.5
        again = type(optimizer).from_config(optimizer.get_config())
        assert again.get_config() == optimizer.get_config()
    with pytest.raises(ValueError, match="one way only"):
        tfa.optimizers.Lookahead(SGD(1.0, clipnorm=1.0), clipvalue=0.5)


def test_weights_keep_their_constraint():
    weights = keras.Variable([4.0, 3.0])
    weights.constraint = keras.constraints.UnitNorm(axis=0)
    optimizer = tfa.optimizers.Lookahead(SGD(1.0), sync_period=1)
    optimizer.apply([keras.ops.convert_to_tensor([0.0, 3.0])], [weights])
    assert np.linalg.norm(weights.numpy()) == pytest.approx(1)


def test_infinite_weights_between_points_do_not_spoil_the_average():
    optimizer = tfa.optimizers.SWA(SGD(1.0), 0, 2)
    weights = keras.Variable([0.0])
    for gradient in (-1.0, -np.inf, np.nan):
        optimizer.apply([keras.ops.convert_to_tensor([gradient])], [weights])
        if gradient == -np.inf:
            optimizer.assign_average_vars([weights])
            assert float(weights.numpy()[0]) == 1


@pytest.mark.parametrize("make", [tfa.optimizers.Lookahead, tfa.optimizers.SWA])
def test_what_is_refused(make):
    with pytest.raises(TypeError, match=r"wraps an optimizer of Keras 3.*Received: 3"):
        make(3)
    with pytest.raises(TypeError, match="LossScaleOptimizer"):
        make(keras.optimizers.LossScaleOptimizer(SGD(1.0)))
    with pytest.raises(ValueError, match=r"give \['decay', 'lr'\] to"):
        make("sgd", lr=0.1, decay=0.2)
    with pytest.raises(ValueError, match="must already be built"):
        make("sgd").apply([keras.ops.ones((1,))])
    make("sgd").apply([])
    optimizer, variables = make("sgd"), [keras.Variable([1.0]), keras.Variable([1.0])]
    optimizer.build(variables[:1])
    with pytest.raises(ValueError, match="make a new one"):
        optimizer.apply([keras.ops.ones((1,))], variables[1:])


def test_lookahead_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match=r"sync_period.*Received: 0"):
        tfa.optimizers.Lookahead("sgd", sync_period=0)
    with pytest.raises(ValueError, match=r"slow_step_size.*Received: 2"):
        tfa.optimizers.Lookahead("sgd", slow_step_size=2)
