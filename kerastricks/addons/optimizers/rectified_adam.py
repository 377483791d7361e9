"""Adam without its wild first steps."""

import math
from typing import Any

import keras
from keras import ops

from kerastricks.addons.optimizers._arguments import (
    at_step,
    checked_decay,
    learning_rate_of,
    stored,
)
from kerastricks.addons.optimizers._private import place_of


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class RectifiedAdam(keras.optimizers.Optimizer):
    """Adam that trusts its adaptive step only as far as it has seen gradients (RAdam).

    In Adam's first steps the second moment rests on few gradients, and step sizes vary wildly;
    this is why Adam is warmed up. RectifiedAdam makes plain steps with momentum first, then
    shrinks the adaptive ones by as much as their variance is too large. Where a warmup is tuned
    already it gains nothing. Inside `Lookahead` it is known as Ranger.

    In step t = 1, 2, ... with gradient g:

        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        sma_inf = 2 / (1 - beta_2) - 1
        sma = sma_inf - 2 * t * beta_2**t / (1 - beta_2**t)
        r = sqrt((sma - 4) * (sma - 2) * sma_inf / ((sma_inf - 4) * (sma_inf - 2) * sma))
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t), with amsgrad of the largest v so far

        update = r * m_hat / (sqrt(v_hat) + epsilon)    where sma >= sma_threshold
        update = m_hat                                  otherwise
        var = var - rate * (update + weight_decay * var)

    The rate is `learning_rate`; with `total_steps` it is warmed up from 0 in the first
    w = total_steps * warmup_proportion steps and then falls to `min_lr`, both in a straight line:

        rate = learning_rate * t / w                                            t <= w
        rate = learning_rate + (min_lr - learning_rate) * min((t - w) / (total_steps - w), 1)

    Args:
        learning_rate: A number, a `LearningRateSchedule` or a function. Defaults to 0.001.
        beta_1: Decay of the first moment, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the second moment, in [0, 1). Defaults to 0.999.
        epsilon: A small number against division by zero. Defaults to 1e-7.
        weight_decay: The share of the weights to decay, times the learning rate: a number, a
            `LearningRateSchedule` or a function. Defaults to 0.
        amsgrad: Whether the second moment may only grow. Defaults to False.
        sma_threshold: The `sma` from which on steps are adaptive, 4 or more. Defaults to 5.
        total_steps: Steps of the whole training, for warmup and decay. Defaults to 0, for neither.
        warmup_proportion: The share of `total_steps` to warm up in, in [0, 1]. Defaults to 0.1.
        min_lr: The learning rate at the end. Defaults to 0.
        name: Name of the optimizer. Defaults to `"RectifiedAdam"`.
        **kwargs: Arguments of every Keras optimizer, and of Keras 2 `lr` for `learning_rate` and
            `decay`, which divides the learning rate by `1 + decay * step`.

    Raises:
        ValueError: If a number is out of its range.
        TypeError: If `weight_decay` is no number, schedule or function.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> optimizer = tfa.optimizers.RectifiedAdam(0.1)
    >>> weights = keras.Variable([1.0])
    >>> _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([2.0]), weights)])
    >>> round(float(weights.numpy()[0]), 4)
    0.8

    Reference:
        Liu, Jiang, He, Chen, Liu, Gao, Han (2020), On the Variance of the Adaptive Learning Rate
        and Beyond, algorithm 2. AMSGrad: Reddi, Kale, Kumar (2018).

    Differs from the paper in: from `sma_threshold` on, not above 4; `epsilon`; AMSGrad.
    Differs from TensorFlow Addons in: `sma_threshold` below 4, which gave NaN, is refused; rows of
    an embedding that a batch did not look up take part in the step, as with Keras' optimizers;
    coefficients are computed without cancellation.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: Any = 0.0,
        amsgrad: bool = False,
        sma_threshold: float = 5.0,
        total_steps: int = 0,
        warmup_proportion: float = 0.1,
        min_lr: float = 0.0,
        name: str = "RectifiedAdam",
        **kwargs: Any,
    ) -> None:
        for argument, value in {"beta_1": beta_1, "beta_2": beta_2}.items():
            if not 0 <= value < 1:
                raise ValueError(f"Argument `{argument}` must be in [0, 1). Received: {value}.")
        if sma_threshold < 4:
            raise ValueError(
                "Argument `sma_threshold` must be 4 or more: below, the rectification is the root "
                f"of a negative number. Received: {sma_threshold}."
            )
        if not 0 <= warmup_proportion <= 1:
            raise ValueError(
                f"Argument `warmup_proportion` must be in [0, 1]. Received: {warmup_proportion}."
            )
        learning_rate = learning_rate_of(learning_rate, kwargs)
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        # Keras' own decay knows nothing of the warmup.
        self._decay = checked_decay(weight_decay)
        self.beta_1 = float(beta_1)
        self.beta_2 = float(beta_2)
        self.epsilon = float(epsilon or keras.config.epsilon())
        self.amsgrad = bool(amsgrad)
        self.sma_threshold = float(sma_threshold)
        self.total_steps = int(total_steps)
        self.warmup_proportion = float(warmup_proportion)
        self.min_lr = float(min_lr)

    def build(self, variables: Any) -> None:
        """Makes the moments of the given variables."""
        if self.built:
            return
        super().build(variables)
        self._first, self._second = self.add_optimizer_variables(variables, ["m", "v"])
        if self.amsgrad:
            self._largest = self.add_optimizer_variables(variables, "vhat")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable; see the class for the formulas."""
        dtype = variable.dtype
        index = place_of(self, variable)
        first, second = self._first[index], self._second[index]
        gradient = ops.cast(gradient, dtype)
        self.assign(first, self.beta_1 * first + ops.multiply(gradient, 1 - self.beta_1))
        self.assign(
            second, self.beta_2 * second + ops.multiply(ops.square(gradient), 1 - self.beta_2)
        )
        if self.amsgrad:
            largest = self._largest[index]
            self.assign(largest, ops.maximum(largest, second))
            second = largest
        exact = keras.backend.result_type(dtype, "float32")
        t = ops.cast(self.iterations + 1, exact)
        rest_1, rest_2 = rest(self.beta_1, t), rest(self.beta_2, t)
        adaptive, factor = rectification(self.beta_2, t, rest_2, self.sma_threshold)
        plain = first / ops.cast(rest_1, dtype)
        root = ops.sqrt(second / ops.cast(rest_2, dtype)) + self.epsilon
        update = ops.where(adaptive, ops.cast(factor, dtype) * plain / root, plain)
        if self._decay != 0.0:
            update = update + ops.cast(at_step(self._decay, self.iterations), dtype) * variable
        rate = self._warmed_up(ops.cast(learning_rate, exact), t)
        self.assign_sub(variable, ops.cast(rate, dtype) * update)

    def _warmed_up(self, rate: Any, t: Any) -> Any:
        """The learning rate of step t."""
        if self.total_steps <= 0:
            return rate
        warmup = self.total_steps * self.warmup_proportion
        steps = max(self.total_steps - warmup, 1)
        falling = rate + (self.min_lr - rate) * ops.clip((t - warmup) / steps, 0, 1)
        return ops.where(t <= warmup, rate * t / warmup, falling) if warmup else falling

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "weight_decay": stored(self._decay),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
            "sma_threshold": self.sma_threshold,
            "total_steps": self.total_steps,
            "warmup_proportion": self.warmup_proportion,
            "min_lr": self.min_lr,
        }


def rest(beta: float, t: Any) -> Any:
    """1 - beta**t, without cancellation where beta is close to 1."""
    if beta == 0:
        return ops.ones_like(t)
    return -ops.expm1(t * math.log(beta))


def rectification(beta_2: float, t: Any, rest_2: Any, threshold: float) -> tuple[Any, Any]:
    """Whether steps are adaptive yet, and by how much they are shrunk."""
    sma_inf = 2 / (1 - beta_2) - 1
    if sma_inf <= 4:
        return ops.zeros_like(t, dtype="bool"), ops.zeros_like(t)
    sma = sma_inf - 2 * t * (1 - rest_2) / rest_2
    ratio = (sma - 4) * (sma - 2) * sma_inf / ((sma_inf - 4) * (sma_inf - 2) * sma)
    return sma >= threshold, ops.sqrt(ops.maximum(ratio, 0))
