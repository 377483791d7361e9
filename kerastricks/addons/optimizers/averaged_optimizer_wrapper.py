"""What optimizers that average the weights have in common."""

import abc
import warnings
from typing import Any

from keras import ops

from kerastricks.addons.optimizers._wrapper import OptimizerWrapper, chosen


class AveragedOptimizerWrapper(OptimizerWrapper, abc.ABC):
    """Keeps an average of each weight beside the weights that are trained.

    The base of `MovingAverage` and `SWA`, and of averages of your own: subclass it and define
    `average_op`. Training goes on with the plain weights; `assign_average_vars` puts the averages
    in their place, and `kerastricks.addons.callbacks.AverageModelCheckpoint` saves them.

    Averages start from what the weights are before the first step. Weights of batch normalization
    that are not trained (moving mean and variance) have none: after `assign_average_vars` they
    belong to other weights, and `kerastricks.surgery.recalibrate_batch_norm` measures them anew.

    Mixed precision goes around it, `LossScaleOptimizer(MovingAverage(Adam()))`, as Keras does by
    itself; with accumulated gradients, set on the optimizer inside, steps count, not batches.

    Args:
        optimizer: A Keras optimizer, or the name of one.
        name: Name of the optimizer. Defaults to `"AverageOptimizer"`.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, set on the optimizer inside.

    Raises:
        TypeError: If `optimizer` is no Keras optimizer, or a `LossScaleOptimizer`.
        ValueError: If another argument is given, or gradients would be clipped in two ways.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> class Largest(tfa.optimizers.AveragedOptimizerWrapper):
    ...     def average_op(self, var, average_var, local_apply_state):
    ...         average_var.assign(keras.ops.maximum(average_var, var))
    >>> optimizer = Largest(keras.optimizers.SGD(1.0))
    >>> weights = keras.Variable([1.0])
    >>> for gradient in (-2.0, 1.0):
    ...     _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([gradient]), weights)])
    >>> optimizer.assign_average_vars([weights])
    >>> weights.numpy().tolist()
    [3.0]

    Differs from TensorFlow Addons in: gradients are clipped as the optimizer inside says, too,
    where TensorFlow Addons ignores it; `local_apply_state` has the learning rate alone (`"lr_t"`).
    """

    slot_name = "average"

    def __init__(self, optimizer: Any, name: str = "AverageOptimizer", **kwargs: Any) -> None:
        super().__init__(optimizer, name, **kwargs)

    @abc.abstractmethod
    def average_op(self, var: Any, average_var: Any, local_apply_state: dict[str, Any]) -> Any:
        """Updates `average_var` by assigning to it.

        Args:
            var: The weights after this step.
            average_var: Their average so far.
            local_apply_state: `{"lr_t": learning rate}`, in the type of the weights.

        `self.iterations` is the number of steps before this one.
        """

    def follow(self, variable: Any, slot: Any, updated: Any) -> None:
        """Updates one average where there was a step; see the class."""
        before = ops.copy(slot) if updated is not None else None
        self.average_op(variable, slot, {"lr_t": ops.cast(self.learning_rate, variable.dtype)})
        if updated is not None:
            self.assign(slot, chosen(updated, slot, before))

    def assign_average_vars(self, var_list: Any) -> None:
        """Gives variables the values of their averages.

        Args:
            var_list: Variables, such as `model.trainable_weights`. Those that are not trained
                have no average and keep their values; for trainable ones without one there is a
                warning.
        """
        unknown = []
        for variable in var_list:
            try:
                average = self.slot(variable) if self.built else None
            except KeyError:
                average = None
            if average is not None:
                variable.assign(ops.copy(average))
            elif variable.trainable:
                unknown.append(getattr(variable, "path", variable.name))
        if unknown:
            warnings.warn(
                f"There is no average of {unknown}, which keep their values: this optimizer has "
                "not trained them.",
                stacklevel=2,
            )
