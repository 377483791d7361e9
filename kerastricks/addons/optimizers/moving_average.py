"""An exponential moving average of the weights."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.optimizers.averaged_optimizer_wrapper import AveragedOptimizerWrapper


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class MovingAverage(AveragedOptimizerWrapper):
    """Keeps an exponential moving average of the weights while an optimizer trains them.

    Averaged weights usually generalize better than the last ones. Training goes on with the plain
    weights; put the averages in their place with `assign_average_vars`, exchange both for an
    evaluation with `swap_weights`, or save them with `callbacks.AverageModelCheckpoint`. Where
    Keras' own `use_ema=True` is enough, it needs no wrapper.

    After the step that `step` others came before, with n = `step - start_step`:

        average = decay * average + (1 - decay) * var

        decay = 0                                             step < start_step
        decay = average_decay                                 otherwise
        decay = min(average_decay, (1 + n) / (10 + n))        otherwise, with dynamic_decay

    so that until `start_step` the average is the weights themselves. It starts from the weights
    before the first step.

    Args:
        optimizer: A Keras optimizer, or the name of one.
        average_decay: The share of the average that stays in each step, in [0, 1]. Defaults to
            0.99, an average over some 100 steps.
        num_updates: Steps that were made before, an integer or an integer variable, which is read
            once: `average_decay` becomes min(average_decay, (1 + num_updates) /
            (10 + num_updates)). Defaults to None, for `average_decay` as it is.
        start_step: The steps to wait before averaging. Defaults to 0.
        dynamic_decay: Whether the decay starts at 0.1 and grows with the steps. Defaults to False.
        name: Name of the optimizer. Defaults to `"MovingAverage"`.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, set on the optimizer inside.

    Raises:
        TypeError: If `optimizer` is no Keras optimizer, or a `LossScaleOptimizer`, or
            `num_updates` is no integer.
        ValueError: If a number is out of its range, another argument is given, or gradients would
            be clipped in two ways.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> optimizer = tfa.optimizers.MovingAverage(keras.optimizers.SGD(1.0), average_decay=0.5)
    >>> weights = keras.Variable([0.0])
    >>> for _ in range(2):
    ...     _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([-1.0]), weights)])
    >>> weights.numpy().tolist()
    [2.0]
    >>> optimizer.assign_average_vars([weights])
    >>> weights.numpy().tolist()
    [1.25]

    Reference:
        Polyak, Juditsky (1992), Acceleration of Stochastic Approximation by Averaging.

    Differs from TensorFlow Addons in: after `shadow_copy` averages start from the weights, not
    from zero; `has_shadow_copy` can be asked at any time; `swap_weights` needs no distribution
    strategy, and swapping twice restores every bit; gradients are clipped as the optimizer inside
    says, too.
    """

    def __init__(
        self,
        optimizer: Any,
        average_decay: float = 0.99,
        num_updates: Any = None,
        start_step: int = 0,
        dynamic_decay: bool = False,
        name: str = "MovingAverage",
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, name, **kwargs)
        if not 0 <= average_decay <= 1:
            raise ValueError(
                f"Argument `average_decay` must be in [0, 1]. Received: {average_decay}."
            )
        if start_step < 0:
            raise ValueError(f"Argument `start_step` cannot be negative. Received: {start_step}.")
        if num_updates is not None:
            count = ops.convert_to_numpy(num_updates)
            if count.dtype.kind not in "iu" or count.ndim > 0:
                raise TypeError(
                    "Argument `num_updates` must be an integer, or an integer variable. "
                    f"Received: {num_updates!r}."
                )
            num_updates = int(count)
            average_decay = min(average_decay, (1.0 + num_updates) / (10.0 + num_updates))
        self.average_decay = float(average_decay)
        self.num_updates = num_updates
        self.start_step = int(start_step)
        self.dynamic_decay = bool(dynamic_decay)

    def average_op(self, var: Any, average_var: Any, local_apply_state: dict[str, Any]) -> None:
        """Moves one average towards the weights; see the class."""
        rest = 1 - ops.cast(self._decay(), var.dtype)
        self.assign_sub(average_var, ops.subtract(average_var, var) * rest)

    def _decay(self) -> Any:
        """The decay of this step."""
        step = ops.cast(self.iterations, "float32") - self.start_step
        decay = ops.cast(self.average_decay, "float32")
        if self.dynamic_decay:
            n = ops.maximum(step, 0)
            decay = ops.minimum(decay, (1 + n) / (10 + n))
        return ops.where(step < 0, ops.zeros_like(decay), decay) if self.start_step else decay

    def shadow_copy(self, model_weights: Any) -> None:
        """Makes the averages of the given weights now, not at the first step.

        Args:
            model_weights: The variables to train, such as `model.trainable_weights`.

        Raises:
            ValueError: If the optimizer has averages, but none of these weights.
        """
        model_weights = list(model_weights)
        self.build(model_weights)
        try:
            for variable in model_weights:
                self.slot(variable)
        except KeyError:
            raise ValueError(
                "The optimizer keeps averages of other weights: use a new one for these. "
                f"Received: {[getattr(v, 'path', v.name) for v in model_weights]}."
            ) from None

    @property
    def has_shadow_copy(self) -> bool:
        """Whether there are averages yet."""
        return bool(self.built)

    def swap_weights(self) -> None:
        """Exchanges weights and averages; do it again to have the weights back.

        Raises:
            ValueError: If there are no averages yet.
        """
        if not self.built:
            raise ValueError(
                "There are no averages to swap yet: train first, or call "
                "`shadow_copy(model.trainable_weights)`."
            )
        for variable in self._weights.of:
            average = self.slot(variable)
            if average is not None:
                weights = ops.copy(variable)
                variable.assign(average)
                average.assign(weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, with the `average_decay` that `num_updates` leads to."""
        return {
            **super().get_config(),
            "average_decay": self.average_decay,
            "num_updates": self.num_updates,
            "start_step": self.start_step,
            "dynamic_decay": self.dynamic_decay,
        }
