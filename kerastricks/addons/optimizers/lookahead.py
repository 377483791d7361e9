"""Lookahead: k steps forward, one step back."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.optimizers._wrapper import OptimizerWrapper, chosen


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class Lookahead(OptimizerWrapper):
    """Lets an optimizer run ahead for some steps, then goes a part of the way (Lookahead).

    It damps the noise of the optimizer inside, for one copy of the weights and next to no time.
    Around `RectifiedAdam` it is known as Ranger. It is of no use where steps are small and steady
    already.

    Every `sync_period` steps, with fast weights `var` and slow weights `slow`, which start from
    the weights before the first step:

        slow = slow + slow_step_size * (var - slow)
        var = slow

    Read or set the learning rate, of the optimizer inside, by `learning_rate`. Mixed precision
    goes around it, `LossScaleOptimizer(Lookahead(Adam()))`, as Keras does by itself; with
    accumulated gradients, set on the optimizer inside, steps count, not batches.

    Args:
        optimizer: A Keras optimizer, or the name of one.
        sync_period: Steps between two steps back, an integer, 1 or more. Defaults to 6.
        slow_step_size: The part of the way that the slow weights go, in [0, 1]. Defaults to 0.5.
        name: Name of the optimizer. Defaults to `"Lookahead"`.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, set on the optimizer inside.

    Raises:
        TypeError: If `optimizer` is no Keras optimizer, or a `LossScaleOptimizer`.
        ValueError: If a number is out of its range, another argument is given, or gradients would
            be clipped in two ways.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> optimizer = tfa.optimizers.Lookahead(keras.optimizers.SGD(1.0), sync_period=2)
    >>> weights, course = keras.Variable([0.0]), []
    >>> for _ in range(4):
    ...     _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([-1.0]), weights)])
    ...     course.append(float(weights.numpy()[0]))
    >>> course
    [1.0, 1.0, 2.0, 2.0]

    Reference:
        Zhang, Lucas, Ba, Hinton (2019), Lookahead Optimizer: k steps forward, 1 step back,
        algorithm 1.

    Differs from TensorFlow Addons in: gradients are clipped as the optimizer inside says, too,
    where TensorFlow Addons ignores it; `sync_period=0`, which divided by zero, is refused.
    """

    slot_name = "slow"

    def __init__(
        self,
        optimizer: Any,
        sync_period: int = 6,
        slow_step_size: float = 0.5,
        name: str = "Lookahead",
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, name, **kwargs)
        if int(sync_period) != sync_period or sync_period < 1:
            raise ValueError(
                f"Argument `sync_period` must be an integer, 1 or more. Received: {sync_period}."
            )
        if not 0 <= slow_step_size <= 1:
            raise ValueError(
                f"Argument `slow_step_size` must be in [0, 1]. Received: {slow_step_size}."
            )
        self.sync_period = int(sync_period)
        self.slow_step_size = float(slow_step_size)

    def follow(self, variable: Any, slot: Any, updated: Any) -> None:
        """Takes one variable a step back when it is time; see the class."""
        due = ops.equal(ops.mod(self.iterations + 1, self.sync_period), 0)
        if updated is not None:
            due = ops.logical_and(due, updated)
        step_size = ops.cast(self.slow_step_size, variable.dtype)
        back = slot + step_size * ops.subtract(variable, slot)
        self.assign(slot, chosen(due, back, slot))
        self.assign(variable, chosen(due, back, variable))
        if getattr(variable, "constraint", None) is not None:
            variable.assign(variable.constraint(variable))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "sync_period": self.sync_period,
            "slow_step_size": self.slow_step_size,
        }
