"""An optimizer around an optimizer, with one more variable beside each weight."""

from types import SimpleNamespace
from typing import Any, Self

import keras
from keras import ops

from kerastricks.addons.optimizers._private import place_of


class OptimizerWrapper(keras.optimizers.Optimizer):
    """Lets the optimizer inside make its step; subclasses say what follows it.

    Everything that Keras offers stays with the optimizer inside: schedules, clipping, weight
    decay, accumulated gradients. Beside each weight lies one variable more, the slot. Both start
    from what the weights are before the first step, also where the optimizer was built earlier.

    `iterations` counts the steps that are done. While `follow` runs it is the number of steps
    before this one, as in TensorFlow Addons.
    """

    slot_name = "slot"

    def __init__(self, optimizer: Any, name: str, **kwargs: Any) -> None:
        inner = keras.optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer
        wrapper = type(self).__name__
        if not isinstance(inner, keras.optimizers.Optimizer):
            raise TypeError(
                f"`{wrapper}` wraps an optimizer of Keras 3, or its name. Received: {optimizer!r}."
            )
        if isinstance(inner, keras.optimizers.LossScaleOptimizer):
            raise TypeError(
                "The loss is scaled outside, where a step that overflows can be left out: use "
                f"LossScaleOptimizer({wrapper}(optimizer)). Received: {wrapper} around a "
                "LossScaleOptimizer."
            )
        clips = {"clipnorm", "clipvalue", "global_clipnorm"}
        if unknown := set(kwargs) - clips:
            raise ValueError(
                f"`{wrapper}` takes its step from the optimizer inside: give {sorted(unknown)} to "
                f"that one. Received: {kwargs}."
            )
        for argument, value in kwargs.items():
            setattr(inner, argument, value)
        if sum(getattr(inner, argument) is not None for argument in clips) > 1:
            raise ValueError(
                "Gradients are clipped in one way only: give one of `clipnorm`, `clipvalue`, "
                f"`global_clipnorm`, here or to the optimizer inside. Received: {kwargs} beside "
                f"{ {argument: getattr(inner, argument) for argument in sorted(clips)} }."
            )
        # A function, so that no second learning rate becomes a variable.
        super().__init__(learning_rate=lambda: inner.learning_rate, name=name)
        self._optimizer = inner

    def follow(self, variable: Any, slot: Any, updated: Any) -> None:
        """Does what follows the step of the optimizer inside, for one variable.

        Args:
            variable: The weights, which are updated already.
            slot: The variable beside them.
            updated: Boolean scalar that says whether there was a step at all, or None where there
                always is: with accumulated gradients most calls make none.
        """
        raise NotImplementedError

    def build(self, variables: Any) -> None:
        """Makes the variables of the optimizer inside, and the slots."""
        if self.built:
            return
        variables = list(variables)
        if not self._optimizer.built:
            self._optimizer.build(variables)
        super().build(variables)
        self._slots = [
            # What float8 training overwrites instead of training has no slot, as in Keras.
            None
            if getattr(variable, "overwrite_with_gradient", False)
            else self.add_variable_from_reference(variable, self.slot_name, copier(variable))
            for variable in variables
        ]
        # In a list they would be taken for variables of the optimizer.
        self._weights = SimpleNamespace(of=variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Makes one step with gradients, one for each variable."""
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            self.build(trainable_variables)
        if not self.built or len(grads) == 0:
            self._optimizer.apply(grads, trainable_variables)
            return
        variables = trainable_variables or self._weights.of
        try:
            pairs = [(v, slot) for v in variables if (slot := self.slot(v)) is not None]
        except KeyError:
            raise ValueError(
                "An optimizer can only be called for the variables that it was built with: make a "
                f"new one for these. Received: {[getattr(v, 'path', v.name) for v in variables]}."
            ) from None
        first = ops.equal(self.iterations, 0)
        for variable, slot in pairs:
            self.assign(slot, chosen(first, variable, slot))
        self._optimizer.apply(grads, trainable_variables)
        updated = None
        if self.accumulates:
            updated = ops.not_equal(self._optimizer.iterations, self.iterations)
        for variable, slot in pairs:
            self.follow(variable, slot, updated)
        # A copy: JAX gives the memory of each variable away in a step, and of none twice.
        self.iterations.assign(ops.copy(self._optimizer.iterations))

    def slot(self, variable: Any) -> Any:
        """The variable beside the given weights; KeyError where there is none."""
        return self._slots[place_of(self, variable)]

    @property
    def accumulates(self) -> bool:
        """Whether only some calls make a step, as gradients are accumulated."""
        inner = self._optimizer
        if isinstance(inner, OptimizerWrapper):
            return inner.accumulates
        return bool(inner.gradient_accumulation_steps)

    @property
    def variables(self) -> list[Any]:
        """Own variables, then those of the optimizer inside."""
        return list(super().variables) + list(self._optimizer.variables)

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the optimizer inside, which can be set."""
        return self._optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self._optimizer.learning_rate = learning_rate

    @property
    def lr(self) -> Any:
        """The learning rate, by its old name."""
        return self.learning_rate

    @lr.setter
    def lr(self, lr: Any) -> None:
        self.learning_rate = lr

    def scale_loss(self, loss: Any) -> Any:
        """Scales the loss as the optimizer inside wants it."""
        return self._optimizer.scale_loss(loss)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Leaves variables out of the weight decay of the optimizer inside."""
        self._optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Lets the optimizer inside finish, as `fit` asks at its end."""
        self._optimizer.finalize_variable_values(var_list)

    def set_weights(self, weights: Any) -> None:
        """Sets all `variables`, in their order."""
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)

    def save_own_variables(self, store: Any) -> None:
        """Stores own variables; files have the optimizer inside beside them."""
        for n, variable in enumerate(super().variables):
            store[str(n)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` stored; slots that it lacks start at the first step."""
        stored = set(store.keys())
        for n, variable in enumerate(super().variables):
            if str(n) in stored:
                variable.assign(store[str(n)])

    def get_config(self) -> dict[str, Any]:
        """Returns the name and the optimizer inside."""
        return {"name": self.name, "optimizer": keras.optimizers.serialize(self._optimizer)}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Makes the wrapper and the optimizer inside from a configuration."""
        config = dict(config)
        inner = config.pop("optimizer")
        if isinstance(inner, dict):
            inner = keras.optimizers.deserialize(inner, custom_objects=custom_objects)
        return cls(inner, **config)


def copier(variable: Any) -> Any:
    """An initializer that gives a copy of a variable's value."""

    def initializer(shape: Any, dtype: Any = None) -> Any:
        return ops.stop_gradient(ops.copy(variable))

    return initializer


def chosen(condition: Any, one: Any, other: Any) -> Any:
    """One value or the other; they may be variables, which JAX's `where` does not take."""
    return ops.where(condition, ops.convert_to_tensor(one), ops.convert_to_tensor(other))
