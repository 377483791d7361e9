"""Learning rates that go up and down in cycles."""

from collections.abc import Callable
from typing import Any, Self

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class CyclicalLearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises and falls in straight lines, with a height of your own.

    Cycles spare the search for the one good learning rate, and their lows are the points that
    `SWA` averages. Prefer `TriangularCyclicalLearningRate`, `Triangular2CyclicalLearningRate` or
    `ExponentialCyclicalLearningRate` where they do: they are saved without their function.

    After `step` steps, with a cycle of twice `step_size` steps:

        cycle = floor(1 + step / (2 * step_size))
        x = abs(step / step_size - 2 * cycle + 1)
        rate = initial_learning_rate
               + (maximal_learning_rate - initial_learning_rate) * max(0, 1 - x) * scale_fn(s)

    where s is the number of the `cycle`, from 1, or else the `step`, from 0.

    Args:
        initial_learning_rate: The lowest learning rate, a number.
        maximal_learning_rate: The highest learning rate, where `scale_fn` is 1.
        step_size: Steps from the lowest to the highest: half a cycle. 2 to 8 epochs do well.
        scale_fn: A function of s, as a floating-point scalar, that gives the height. To save it
            with a model, register it with `keras.saving.register_keras_serializable`.
        scale_mode: `"cycle"` for s = cycle; anything else, such as `"iterations"`, for s = step.
            Defaults to `"cycle"`.
        name: Name of the schedule.

    Returns:
        Called with a step, the learning rate, a scalar.

    Raises:
        ValueError: If `step_size` is not positive.
        TypeError: If `scale_fn` is no function.

    Example:
    >>> import kerastricks.addons as tfa
    >>> rate = tfa.optimizers.CyclicalLearningRate(0.0, 1.0, step_size=2, scale_fn=lambda s: 1 / s)
    >>> [float(rate(step)) for step in range(9)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25, 0.0]

    Reference:
        Smith (2017), Cyclical Learning Rates for Training Neural Networks, section 3.1.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: float,
        scale_fn: Callable[[Any], Any],
        scale_mode: str = "cycle",
        name: str = "CyclicalLearningRate",
    ) -> None:
        super().__init__()
        if step_size <= 0:
            raise ValueError(f"Argument `step_size` must be positive. Received: {step_size}.")
        if not callable(scale_fn):
            raise TypeError(f"Argument `scale_fn` must be a function. Received: {scale_fn!r}.")
        self.initial_learning_rate = initial_learning_rate
        self.maximal_learning_rate = maximal_learning_rate
        self.step_size = step_size
        self.scale_fn = scale_fn
        self.scale_mode = scale_mode
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate after `step` steps."""
        dtype = keras.config.floatx()
        lowest = ops.cast(self.initial_learning_rate, dtype)
        height = ops.cast(self.maximal_learning_rate, dtype) - lowest
        size = ops.cast(self.step_size, dtype)
        step = ops.cast(step, dtype)
        cycle = ops.floor(1 + step / (2 * size))
        x = ops.abs(step / size - 2 * cycle + 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else step)
        return lowest + height * ops.maximum(0, 1 - x) * scale

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**self._numbers(), "scale_fn": self.scale_fn}

    def _numbers(self) -> dict[str, Any]:
        """The arguments that all kinds have."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "maximal_learning_rate": self.maximal_learning_rate,
            "step_size": self.step_size,
            "scale_mode": self.scale_mode,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes the schedule, and its function, from a configuration."""
        function = config.get("scale_fn")
        if isinstance(function, dict):
            config = {**config, "scale_fn": keras.saving.deserialize_keras_object(function)}
        return cls(**config)


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class TriangularCyclicalLearningRate(CyclicalLearningRate):
    """A learning rate that rises and falls in straight lines, always to the same height.

    The formula is `CyclicalLearningRate`'s with scale_fn(s) = 1.

    Args:
        initial_learning_rate: The lowest learning rate, a number.
        maximal_learning_rate: The highest learning rate.
        step_size: Steps from the lowest to the highest: half a cycle.
        scale_mode: Without effect here. Defaults to `"cycle"`.
        name: Name of the schedule.

    Returns:
        Called with a step, the learning rate, a scalar.

    Raises:
        ValueError: If `step_size` is not positive.

    Example:
    >>> import kerastricks.addons as tfa
    >>> rate = tfa.optimizers.TriangularCyclicalLearningRate(0.0, 1.0, step_size=2)
    >>> [float(rate(step)) for step in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]

    Reference:
        Smith (2017), Cyclical Learning Rates for Training Neural Networks, section 3.1
        ("triangular").
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: float,
        scale_mode: str = "cycle",
        name: str = "TriangularCyclicalLearningRate",
    ) -> None:
        super().__init__(
            initial_learning_rate, maximal_learning_rate, step_size, lambda s: 1.0, scale_mode, name
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return self._numbers()


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class Triangular2CyclicalLearningRate(CyclicalLearningRate):
    """A learning rate that rises and falls in straight lines, half as high in each new cycle.

    The formula is `CyclicalLearningRate`'s with scale_fn(s) = 1 / 2**(s - 1).

    Args:
        initial_learning_rate: The lowest learning rate, a number.
        maximal_learning_rate: The highest learning rate, in the first cycle.
        step_size: Steps from the lowest to the highest: half a cycle.
        scale_mode: `"cycle"`, or anything else to halve the height in each step. Defaults to
            `"cycle"`.
        name: Name of the schedule.

    Returns:
        Called with a step, the learning rate, a scalar.

    Raises:
        ValueError: If `step_size` is not positive.

    Example:
    >>> import kerastricks.addons as tfa
    >>> rate = tfa.optimizers.Triangular2CyclicalLearningRate(0.0, 1.0, step_size=1)
    >>> [float(rate(step)) for step in range(6)]
    [0.0, 1.0, 0.0, 0.5, 0.0, 0.25]

    Reference:
        Smith (2017), Cyclical Learning Rates for Training Neural Networks, section 3.1
        ("triangular2").
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: float,
        scale_mode: str = "cycle",
        name: str = "Triangular2CyclicalLearningRate",
    ) -> None:
        super().__init__(
            initial_learning_rate,
            maximal_learning_rate,
            step_size,
            lambda s: 1 / (2.0 ** (s - 1)),
            scale_mode,
            name,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return self._numbers()


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class ExponentialCyclicalLearningRate(CyclicalLearningRate):
    """A learning rate that rises and falls in straight lines, to a height that decays.

    The formula is `CyclicalLearningRate`'s with scale_fn(s) = gamma**s.

    Args:
        initial_learning_rate: The lowest learning rate, a number.
        maximal_learning_rate: The highest learning rate, before it decays.
        step_size: Steps from the lowest to the highest: half a cycle.
        scale_mode: `"cycle"` to decay with the cycles, from gamma; anything else with the steps.
            Defaults to `"iterations"`.
        gamma: The decay, in (0, 1]. Defaults to 1, for none.
        name: Name of the schedule.

    Returns:
        Called with a step, the learning rate, a scalar.

    Raises:
        ValueError: If `step_size` is not positive.

    Example:
    >>> import kerastricks.addons as tfa
    >>> rate = tfa.optimizers.ExponentialCyclicalLearningRate(0.0, 1.0, step_size=1, gamma=0.5)
    >>> [float(rate(step)) for step in range(6)]
    [0.0, 0.5, 0.0, 0.125, 0.0, 0.03125]

    Reference:
        Smith (2017), Cyclical Learning Rates for Training Neural Networks, section 3.1
        ("exp_range").
    """

    def __init__(
        self,
        initial_learning_rate: float,
        maximal_learning_rate: float,
        step_size: float,
        scale_mode: str = "iterations",
        gamma: float = 1.0,
        name: str = "ExponentialCyclicalLearningRate",
    ) -> None:
        self.gamma = gamma
        super().__init__(
            initial_learning_rate,
            maximal_learning_rate,
            step_size,
            lambda s: gamma**s,
            scale_mode,
            name,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**self._numbers(), "gamma": self.gamma}
