"""Weight decay that does not depend on the learning rate, for any optimizer."""

from typing import Any, Self

import keras
from keras import ops

from kerastricks.addons.optimizers._arguments import (
    at_step,
    checked_decay,
    checked_patterns,
    learning_rate_of,
    restored,
    stored,
)
from kerastricks.addons.optimizers._names import matches
from kerastricks.addons.optimizers._private import place_of

Mixin: Any = object
"""The optimizer's class, which comes after this one."""


class DecoupledWeightDecayExtension(Mixin):
    """Decays weights before each step of an optimizer, by a share of its own.

    It extends the class of an optimizer, before which it stands among the bases; `AdamW` and
    `SGDW` are made this way, and `extend_with_decoupled_weight_decay` makes others:

        class NadamW(DecoupledWeightDecayExtension, keras.optimizers.Nadam): ...

    Before the step of the optimizer, which must not look at the weights itself:

        var = var - weight_decay * var

    Convention: the decay is not multiplied by the learning rate, unlike that of Keras' and
    PyTorch's optimizers. With a learning rate that does not change, weight_decay here is
    weight_decay * learning_rate there. One that changes needs a `weight_decay` that changes along
    with it: give it a schedule.

    Args:
        weight_decay: The share of the weights that each step takes away: a number, a
            `LearningRateSchedule`, or a function without arguments.
        exclude_from_weight_decay: List of regular expressions; variables in whose path one is
            found are not decayed. Defaults to None.
        **kwargs: Arguments of the optimizer, all by name.

    Raises:
        TypeError: If `weight_decay` is no number, schedule or function, or
            `exclude_from_weight_decay` no list.
        ValueError: If `weight_decay` is negative.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> class NadamW(tfa.optimizers.DecoupledWeightDecayExtension, keras.optimizers.Nadam):
    ...     pass
    >>> optimizer = NadamW(0.5, learning_rate=0.1)
    >>> weights = keras.Variable([1.0])
    >>> _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([0.0]), weights)])
    >>> weights.numpy().tolist()
    [0.5]

    Reference:
        Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization, algorithms 1 and 2.

    Differs from TensorFlow Addons in: patterns are searched in a variable's path,
    "model/dense/kernel", as Keras 3 calls a variable's name "kernel" alone; rows of an embedding
    that a batch did not look up decay, too; there is no `minimize`, which Keras 3 has dropped.
    """

    def __init__(
        self,
        weight_decay: Any,
        exclude_from_weight_decay: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        patterns = checked_patterns("exclude_from_weight_decay", exclude_from_weight_decay)
        weight_decay = checked_decay(weight_decay)
        if {"learning_rate", "lr", "decay"} & set(kwargs):
            given = kwargs.pop("learning_rate", 0.001)
            kwargs["learning_rate"] = learning_rate_of(given, kwargs)
        super().__init__(**kwargs)
        self._decay = weight_decay
        self._excluded = patterns
        self._only: list[int] | None = None

    def build(self, variables: Any) -> None:
        """Makes the optimizer's variables, and finds which weights are not decayed."""
        super().build(variables)
        self._decayed = [not matches(variable, self._excluded) for variable in variables]

    def apply_gradients(
        self, grads_and_vars: Any, name: str | None = None, decay_var_list: Any = None
    ) -> Any:
        """Makes one step.

        Args:
            grads_and_vars: Pairs of a gradient and a variable.
            name: Without effect; there for old code.
            decay_var_list: The variables to decay in this step, instead of what
                `exclude_from_weight_decay` says. Defaults to None.

        Returns:
            The number of steps so far.
        """
        pairs = list(grads_and_vars)
        if decay_var_list:
            if not self.built:
                self.build([variable for _, variable in pairs])
            self._only = [place_of(self, v) for v in decay_var_list]
        try:
            return super().apply_gradients(pairs)
        finally:
            self._only = None

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Decays one variable, then lets the optimizer update it."""
        index = place_of(self, variable)
        if self._decayed[index] if self._only is None else index in self._only:
            share = ops.cast(at_step(self._decay, self.iterations), variable.dtype)
            self.assign_sub(variable, ops.multiply(variable, share))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the optimizer, and those of the decay."""
        return {
            **super().get_config(),
            "weight_decay": stored(self._decay),
            "exclude_from_weight_decay": self._excluded and list(self._excluded),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Makes the optimizer from its configuration."""
        schedules = ("learning_rate", "weight_decay")
        return cls(**{k: restored(v) if k in schedules else v for k, v in config.items()})


def extend_with_decoupled_weight_decay(base_optimizer: type) -> type:
    """Returns the class of an optimizer that decays weights by a share of its own.

    See `DecoupledWeightDecayExtension` for what it does and how it differs from Keras' own
    `weight_decay`. The first argument of the new class is `weight_decay`; those of the optimizer
    are given by name. To save models with it, register it with
    `keras.saving.register_keras_serializable`.

    Args:
        base_optimizer: The class of a Keras optimizer.

    Returns:
        A class that inherits from `DecoupledWeightDecayExtension` and `base_optimizer`.

    Raises:
        TypeError: If `base_optimizer` is no class of a Keras optimizer.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> NadamW = tfa.optimizers.extend_with_decoupled_weight_decay(keras.optimizers.Nadam)
    >>> isinstance(NadamW(weight_decay=1e-4, learning_rate=1e-3), keras.optimizers.Nadam)
    True

    Reference:
        Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization.
    """
    optimizer = keras.optimizers.Optimizer
    if not (isinstance(base_optimizer, type) and issubclass(base_optimizer, optimizer)):
        raise TypeError(
            "Argument `base_optimizer` must be the class of a Keras optimizer, such as "
            f"keras.optimizers.Adam. Received: {base_optimizer!r}."
        )

    class OptimizerWithDecoupledWeightDecay(DecoupledWeightDecayExtension, base_optimizer):
        """An optimizer with weight decay; see `DecoupledWeightDecayExtension`."""

        def __init__(self, weight_decay: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(weight_decay, *args, **kwargs)

    return OptimizerWithDecoupledWeightDecay
