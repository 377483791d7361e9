"""What the backends' train functions take and give.

TensorFlow's takes an iterator over batches; JAX's a state (values of trainable, other, optimizer
and metrics variables) and an iterable of batches, and gives (logs, state); torch's a list of one
batch.
"""

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from kerastricks.diagnosis import private
from kerastricks.diagnosis.statistics import is_dense

Arguments = tuple[Any, ...]


def peek(args: Arguments) -> tuple[Any, Any, Arguments]:
    """Shapes and types of the first batch, and the arguments with the batch put back.

    Args:
        args: Arguments of the train function, as `remembering` has made them.

    Returns:
        Inputs, targets, arguments.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from kerastricks.diagnosis._kernels.replicas import of_first

        batch = keras.tree.map_structure(of_first, args[0].element_spec)
    elif backend == "jax":
        state, batches = args
        batch = next(batches)
        args = (state, batches.put_back())
    else:
        batch = args[0][0]
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    return keras.tree.map_structure(symbolic, x), keras.tree.map_structure(symbolic, y), args


def in_order(targets: Any, outputs: Any, names: Sequence[str]) -> list[Any]:
    """The targets in the order of the flattened outputs.

    Args:
        targets: What a model is trained to put out, in the structure that `fit` was given.
        outputs: What it puts out.
        names: Names of the outputs, in their order.

    Returns:
        Nothing where it cannot be told which belong together.
    """
    flat = keras.tree.flatten(outputs)
    if isinstance(targets, dict):
        order = sorted(outputs) if isinstance(outputs, dict) else list(names)
        given = [targets[name] for name in order] if set(order) == set(targets) else []
    else:
        given = [] if isinstance(outputs, dict) and len(flat) > 1 else keras.tree.flatten(targets)
    given = [each for each in given if each is not None]
    return given if len(given) == len(flat) else []


class Remembering(Iterator[Any]):
    """Batches, of which the last is kept.

    Args:
        batches: What a step takes its batches from.
    """

    def __init__(self, batches: Iterable[Any]):
        self.last: Any = None
        self.taken = 0
        self._batches = iter(batches)
        self._error: Exception | None = None

    def __next__(self) -> Any:
        """The next batch; raises what the data raised as often as it is asked for more."""
        if self._error is not None:
            raise self._error
        try:
            self.last = next(self._batches)
        except Exception as error:
            self._error = error  # the data have come to their end then, and would say no more
            raise
        self.taken += 1
        return self.last

    def put_back(self) -> "Remembering":
        """The same batches with the last as the next."""
        return Remembering(itertools.chain([self.last], self))


def remembering(args: Arguments) -> Arguments:
    """Arguments of which the batch can be had after the step, where that costs nothing."""
    if keras.backend.backend() != "jax":
        return args
    return args[0], Remembering(args[1])


def batch_of(args: Arguments) -> Any:
    """The batch that a step was given, or None where it has taken it away, as on TensorFlow.

    Args:
        args: Arguments of the train function, as `remembering` has made them.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return args[1].last
    return args[0][0] if backend == "torch" else None


def is_traced(args: Any) -> bool:
    """True where a step that is given these arguments is written down, and not run."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from kerastricks.diagnosis._kernels import traced

        return traced.inside()
    if backend == "jax":
        from kerastricks.diagnosis._kernels import tracers_jax

        return tracers_jax.is_traced(args)
    return False


def before_tracing(model: Any, args: Arguments) -> Arguments | None:
    """Arguments of a train function as they were before its step was traced, which has raised.

    Args:
        model: The model.
        args: The arguments, as `remembering` has made them.

    Returns:
        None where something has been run before: steps of the same execution, or what a function of
        the user's own does beside them.
    """
    if not type(model).make_train_function.__module__.startswith("keras."):
        return None
    if keras.backend.backend() != "jax":
        return args
    state, batches = args
    return (state, batches.put_back()) if batches.taken == 1 else None


def forward_pass(model: Any, args: Arguments, *, training: bool = True) -> Callable[[Any], Any]:
    """The model in training or inference mode, as a function of its inputs."""
    if keras.backend.backend() != "jax":
        return lambda x: model(x, training=training)
    # In `fit` the values are in the step's state, and the variables hold none.
    trainable, non_trainable = args[0][:2]
    # Unlike `model(x)`, `stateless_call` hands `training` to a `call` that does not take it.
    takes_training = "training" in inspect.signature(model.call).parameters
    mode = {"training": training} if takes_training else {}
    return lambda x: model.stateless_call(trainable, non_trainable, x, **mode)[0]


def dispatched_ahead() -> bool:
    """True where a train function returns before its step is over."""
    return bool(keras.backend.backend() == "jax")


def wait_for_earlier_steps(args: Arguments) -> None:
    """Let steps that are dispatched ahead finish, so that a look is timed by itself."""
    if dispatched_ahead():
        for value in args[0][3][:1]:
            ops.convert_to_numpy(value)


def extended(args: Arguments, before: list[Any], after: list[Any]) -> Arguments:
    """Add the values of new metrics variables, where the step receives values.

    Args:
        args: Arguments of the train function.
        before: The model's metrics variables when the arguments were made.
        after: The same with the new ones.
    """
    if keras.backend.backend() != "jax":
        return args
    *state, metrics = args[0]
    values = dict(zip(map(id, before), metrics, strict=True))
    # Not `values.get(id(v), v.value)`: the others' variables hold no value during `fit`.
    metrics = [values[id(v)] if id(v) in values else v.value for v in after]  # noqa: SIM401
    return ((*state, metrics), *args[1:])


def metrics_values(model: Any, result: Any, variables: list[Any]) -> list[Any]:
    """Values of metrics variables after a step, given what the train function returned."""
    if keras.backend.backend() != "jax":
        return [ops.convert_to_tensor(variable) for variable in variables]
    # The variables' own values were donated to the step.
    places = {id(v): i for i, v in enumerate(model.metrics_variables)}
    return [result[1][3][places[id(v)]] for v in variables]


def of_replicas(model: Any, variable: Any) -> list[Any]:
    """What each copy of the model has written into a variable, of those in this process."""
    if keras.backend.backend() != "tensorflow":
        return [variable]
    return list(model.distribute_strategy.experimental_local_results(variable.value))


def variable_scope(model: Any) -> Any:
    """Where variables that a step may write have to be made."""
    if keras.backend.backend() == "tensorflow":
        return model.distribute_strategy.scope()
    return nullcontext()


def replicas() -> int:
    """How many copies of the model make a step together, each with a part of the batch.

    TensorFlow's strategies run the step in each. JAX has one step, whose arrays it divides itself.
    """
    if keras.backend.backend() != "tensorflow":
        return 1
    from kerastricks.diagnosis._kernels import replicas

    return replicas.count()


def total_over_replicas(parts: list[Any]) -> list[Any]:
    """The sums of tensors over all copies of the model."""
    if not parts or replicas() == 1:
        return parts
    from kerastricks.diagnosis._kernels import replicas as kernel

    return kernel.total(parts)


def traced_once(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of a tensor that is used in many places, as one operation in each.

    To trace an operation takes TensorFlow about a millisecond, and a deep model has many places.
    """
    if keras.backend.backend() != "tensorflow" or replicas() > 1:
        return function
    from kerastricks.diagnosis._kernels import traced

    return traced.once(function)


def loss_scale(optimizer: Any, state: Any) -> Any:
    """The factor by which the loss, and so every gradient, is multiplied; None for 1.

    Args:
        optimizer: A Keras optimizer.
        state: Values of its variables, or None where the variables hold them.
    """
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return getattr(optimizer, "loss_scale_factor", None)
    if not optimizer.built:
        return optimizer.initial_scale
    if state is None:
        return ops.convert_to_tensor(optimizer.dynamic_scale)
    return state[[id(v) for v in optimizer.variables].index(id(optimizer.dynamic_scale))]


def updates_made(optimizer: Any) -> int:
    """Updates that an optimizer made so far; 0 for one that does not count them."""
    iterations = getattr(optimizer, "iterations", None)
    return 0 if iterations is None else int(ops.convert_to_numpy(ops.convert_to_tensor(iterations)))


@dataclass(frozen=True)
class Start:
    """Where a training stands when its first step begins.

    Attributes:
        epoch: Number of the epoch that begins.
        updates: Updates that the optimizer has made.
        steps_per_update: Steps whose gradients make one update.
        learning_rate: The optimizer's; None where a schedule makes it, or it is not known.
        step: Number of that step.
    """

    epoch: int
    updates: int
    steps_per_update: int = 1
    learning_rate: float | None = None
    step: int = 0


def start_of(optimizer: Any, fails: private.Fails, epoch: int = 0) -> Start:
    """Where a training with an optimizer stands, at the beginning of an epoch.

    Args:
        optimizer: An optimizer, or None.
        fails: As for `learning_rate_of`.
        epoch: The epoch's number.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    gathered = getattr(inner, "gradient_accumulation_steps", None) or 1
    return Start(epoch, updates_made(optimizer), gathered, learning_rate_of(optimizer, fails))


def learning_rate_of(optimizer: Any, fails: private.Fails) -> float | None:
    """The learning rate now; None where a schedule makes it, or it is not known.

    Args:
        optimizer: An optimizer, or None.
        fails: Called with place and reason where it is not known whether there is a schedule.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    if private.has_schedule(optimizer, fails):
        return None
    rate = getattr(optimizer, "learning_rate", None)
    return None if rate is None else float(ops.convert_to_numpy(ops.convert_to_tensor(rate)))


def is_end_of_data(error: BaseException) -> bool:
    """True for the exceptions with which an epoch over data of unknown length ends."""
    return type(error).__name__ in ("StopIteration", "OutOfRangeError")


def symbolic(value: Any) -> Any:
    """A tensor of a batch, as shape and type."""
    if value is None:
        return None
    if not is_dense(value):
        sparse = "Ragged" not in type(value).__name__
        dtype = keras.backend.standardize_dtype(value.dtype)
        return keras.KerasTensor(tuple(value.shape), dtype, sparse=sparse)
    return keras.KerasTensor(tuple(value.shape), keras.backend.standardize_dtype(value.dtype))
