"""Arguments that optimizers of Keras 2 took and those of Keras 3 do not."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras

Schedule = keras.optimizers.schedules.LearningRateSchedule


def learning_rate_of(learning_rate: Any, kwargs: dict[str, Any]) -> Any:
    """The learning rate in the form that Keras 3 wants; takes `lr` and `decay` out of `kwargs`.

    `lr` is the old name. `decay` divides the rate by `1 + decay * step`, which Keras 3 has as a
    schedule.
    """
    learning_rate = restored(kwargs.pop("lr", learning_rate))
    decay = kwargs.pop("decay", None)
    if isinstance(learning_rate, Real):
        learning_rate = float(learning_rate)
    if not decay:
        return learning_rate
    if not isinstance(learning_rate, float):
        raise ValueError(
            "Argument `decay` needs a number for `learning_rate`: a schedule decays by itself. "
            f"Received: decay={decay}, learning_rate={learning_rate}."
        )
    return keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, decay)


def restored(value: Any) -> Any:
    """A number or schedule, from what a configuration has of it."""
    return keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value


def stored(value: Any) -> Any:
    """What a configuration has of a number, schedule or function."""
    if isinstance(value, Real):
        return float(value)
    return keras.saving.serialize_keras_object(value)


def at_step(value: Any, step: Any) -> Any:
    """The value of a number, schedule or function without arguments at a step."""
    if isinstance(value, Schedule):
        return value(step)
    return value() if callable(value) else value


def checked_decay(weight_decay: Any) -> Any:
    """A share of weights to decay, which may be a schedule, or a function without arguments."""
    weight_decay = restored(weight_decay)
    if isinstance(weight_decay, Real):
        if weight_decay < 0:
            raise ValueError(
                f"Argument `weight_decay` cannot be negative. Received: {weight_decay}."
            )
        return float(weight_decay)
    if not callable(weight_decay):
        raise TypeError(
            "Argument `weight_decay` must be a number, a `LearningRateSchedule`, or a function "
            f"without arguments. Received: {weight_decay!r}."
        )
    return weight_decay


def checked_patterns(argument: str, patterns: Any) -> list[str] | None:
    """Regular expressions for the names of variables, as a list."""
    if patterns is None:
        return None
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        raise TypeError(
            f"Argument `{argument}` must be a list of regular expressions, such as "
            f'["bias", "norm"]. Received: {patterns!r}.'
        )
    return list(patterns)
