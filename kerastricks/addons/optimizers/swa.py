"""Stochastic weight averaging."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.optimizers._wrapper import chosen
from kerastricks.addons.optimizers.averaged_optimizer_wrapper import AveragedOptimizerWrapper


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class SWA(AveragedOptimizerWrapper):
    """Averages the weights at regular points of the training (stochastic weight averaging).

    Use it late in training, with a learning rate that is constant or goes in cycles, as
    `CyclicalLearningRate` does: the average of points from the rim of a wide valley lies in its
    middle. With a learning rate that decays to 0 the points are all the same.

    The first point is taken after the step that `start_averaging` others came before, then one
    every `average_period` steps. With the number n of points before:

        average = (average * n + var) / (n + 1)

    Put the averages in place with `assign_average_vars` when training is done, and then let
    `kerastricks.surgery.recalibrate_batch_norm` measure the statistics of batch normalization
    anew, which belong to other weights.

    Args:
        optimizer: A Keras optimizer, or the name of one.
        start_averaging: Steps before the first point, an integer, 0 or more. Defaults to 0.
        average_period: Steps between two points, an integer, 1 or more; the length of a cycle
            where the learning rate has cycles. Defaults to 10.
        name: Name of the optimizer. Defaults to `"SWA"`.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, set on the optimizer inside.

    Raises:
        TypeError: If `optimizer` is no Keras optimizer, or a `LossScaleOptimizer`.
        ValueError: If a number is out of its range, another argument is given, or gradients would
            be clipped in two ways.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> optimizer = tfa.optimizers.SWA(keras.optimizers.SGD(1.0), 1, average_period=2)
    >>> weights = keras.Variable([0.0])
    >>> for _ in range(4):  # weights 1, 2, 3, 4: points at 2 and 4
    ...     _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([-1.0]), weights)])
    >>> optimizer.assign_average_vars([weights])
    >>> weights.numpy().tolist()
    [3.0]

    Reference:
        Izmailov, Podoprikhin, Garipov, Vetrov, Wilson (2018), Averaging Weights Leads to Wider
        Optima and Better Generalization, algorithm 1.

    Differs from TensorFlow Addons in: before the first point the average is the weights
    themselves, where `assign_average_vars` and `AverageModelCheckpoint` of TensorFlow Addons set
    all weights to zero; gradients are clipped as the optimizer inside says, too.
    """

    def __init__(
        self,
        optimizer: Any,
        start_averaging: int = 0,
        average_period: int = 10,
        name: str = "SWA",
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, name, **kwargs)
        if average_period < 1:
            raise ValueError(
                f"Argument `average_period` must be 1 or more. Received: {average_period}."
            )
        if start_averaging < 0:
            raise ValueError(
                f"Argument `start_averaging` must be 0 or more. Received: {start_averaging}."
            )
        self.start_averaging = int(start_averaging)
        self.average_period = int(average_period)

    def average_op(self, var: Any, average_var: Any, local_apply_state: dict[str, Any]) -> None:
        """Takes one average's next point when it is time; see the class."""
        step = ops.cast(self.iterations, "int32") - self.start_averaging
        points = ops.floor_divide(step, self.average_period)
        due = ops.equal(points * self.average_period, step)
        # The formula of the class, in a form that does not overflow.
        count = ops.cast(ops.maximum(points, 0) + 1, var.dtype)
        average = average_var + ops.subtract(var, average_var) / count
        average = chosen(due, average, average_var)
        self.assign(average_var, chosen(step < 0, var, average))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "start_averaging": self.start_averaging,
            "average_period": self.average_period,
        }
