"""Keras' Lamb, with weight decay within its step and variables to leave out."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.optimizers._arguments import (
    checked_decay,
    checked_patterns,
    learning_rate_of,
)
from kerastricks.addons.optimizers._names import matches
from kerastricks.addons.optimizers._private import moments_of, place_of


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class LAMB(keras.optimizers.Lamb):
    """Adam whose steps are as long as each layer's weights allow, for very large batches (LAMB).

    Without weight decay and exclusions it is `keras.optimizers.Lamb`, whose step it takes over.
    With `weight_decay` it is not: Keras decays weights apart from the step, the paper and this
    class within it, so that the ratio counts it. With m_hat and v_hat as in Adam:

        update = m_hat / (sqrt(v_hat) + epsilon) + weight_decay * var
        ratio = norm(var) / norm(update), 1 where one of them is 0
        var = var - learning_rate * ratio * update

    Args:
        learning_rate: A number, a `LearningRateSchedule` or a function. Defaults to 0.001.
        beta_1: Decay of the first moment. Defaults to 0.9.
        beta_2: Decay of the second moment. Defaults to 0.999.
        epsilon: A small number against division by zero. Defaults to 1e-6, where Keras has 1e-7.
        weight_decay: The share of the weights in the update. Defaults to 0.
        exclude_from_weight_decay: List of regular expressions; variables in whose path one is
            found are not decayed. Defaults to None.
        exclude_from_layer_adaptation: The same for the ratio, which is 1 for them. Defaults to
            None, for `exclude_from_weight_decay`.
        name: Name of the optimizer. Defaults to `"LAMB"`.
        **kwargs: Arguments of every Keras optimizer; of Keras 2 `lr` for `learning_rate` and
            `decay`, which divides the learning rate by `1 + decay * step`; and
            `weight_decay_rate`, the old name of `weight_decay`.

    Raises:
        TypeError: If `weight_decay` is no number, or patterns are no list.
        ValueError: If `weight_decay` is negative.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> optimizer = tfa.optimizers.LAMB(0.1, exclude_from_weight_decay=["norm", "bias"])
    >>> weights = keras.Variable([3.0, 4.0])
    >>> _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([1.0, 1.0]), weights)])
    >>> (weights.numpy() - [3.0, 4.0]).round(4).tolist()  # 0.1 * 5 / sqrt(2) each
    [-0.3536, -0.3536]

    Reference:
        You et al. (2020), Large Batch Optimization for Deep Learning: Training BERT in 76 minutes,
        algorithm 2, with phi(z) = z.

    Differs from TensorFlow Addons in: patterns are searched in a variable's path,
    "model/dense/kernel", as Keras 3 calls a variable's name "kernel" alone.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        exclude_from_weight_decay: list[str] | None = None,
        exclude_from_layer_adaptation: list[str] | None = None,
        name: str = "LAMB",
        **kwargs: Any,
    ) -> None:
        decay = checked_decay(kwargs.pop("weight_decay_rate", weight_decay))
        if callable(decay):
            raise TypeError(f"Argument `weight_decay` must be a number. Received: {decay!r}.")
        undecayed = checked_patterns("exclude_from_weight_decay", exclude_from_weight_decay)
        unadapted = checked_patterns("exclude_from_layer_adaptation", exclude_from_layer_adaptation)
        learning_rate = learning_rate_of(learning_rate, kwargs)
        super().__init__(learning_rate, beta_1, beta_2, float(epsilon), name=name, **kwargs)
        self._decay = decay
        self._patterns = (undecayed, unadapted or undecayed)

    def build(self, variables: Any) -> None:
        """Makes the moments, and finds which weights are left out of what."""
        if self.built:
            return
        super().build(variables)
        undecayed, unadapted = self._patterns
        self._decayed = [not matches(variable, undecayed) for variable in variables]
        self._adapted = [not matches(variable, unadapted) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable; see the class for the formulas."""
        index = place_of(self, variable)
        decayed, adapted = self._decayed[index] and self._decay > 0, self._adapted[index]
        if adapted and not decayed:
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        first, second = moments_of(self, index)
        gradient = ops.cast(gradient, dtype)
        self.assign(first, self.beta_1 * first + ops.multiply(gradient, 1 - self.beta_1))
        self.assign(
            second, self.beta_2 * second + ops.multiply(ops.square(gradient), 1 - self.beta_2)
        )
        step = ops.cast(self.iterations + 1, dtype)
        m_hat = first / (1 - ops.power(ops.cast(self.beta_1, dtype), step))
        v_hat = second / (1 - ops.power(ops.cast(self.beta_2, dtype), step))
        update = m_hat / (ops.sqrt(v_hat) + self.epsilon)
        if decayed:
            update = update + ops.multiply(variable, self._decay)
        # Not in place: torch casts to the same type without a copy.
        rate = ops.cast(learning_rate, dtype)
        if adapted:
            of_weights, of_update = norm(variable), norm(update)
            both = ops.logical_and(of_weights > 0, of_update > 0)
            rate = rate * ops.where(both, of_weights / ops.where(both, of_update, 1), 1)
        self.assign_sub(variable, rate * update)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        undecayed, unadapted = (names and list(names) for names in self._patterns)
        return {
            **super().get_config(),
            "weight_decay": self._decay,
            "exclude_from_weight_decay": undecayed,
            "exclude_from_layer_adaptation": unadapted,
        }


def norm(x: Any) -> Any:
    """The root of the sum of squares."""
    return ops.sqrt(ops.sum(ops.square(x)))
