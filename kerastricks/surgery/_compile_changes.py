"""Other losses, learning rates and metrics in what a model was compiled with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from kerastricks.diagnosis.losses import loss_of

_SCHEDULED = ("initial_learning_rate", "warmup_target", "end_learning_rate", "values")
"""Where the configs of Keras' schedules hold learning rates; the rest are steps and shares."""
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_ACCURACIES = {
    "binary_crossentropy": "BinaryAccuracy",
    "categorical_crossentropy": "CategoricalAccuracy",
    "sparse_categorical_crossentropy": "SparseCategoricalAccuracy",
}
"""The accuracy that counts as its loss does."""
_ACCURACY_NAMES = ("binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")


@dataclass(frozen=True)
class CompileChanges:
    """What a model is to be compiled with in the place of what another is compiled with.

    Attributes:
        losses: A loss for an output, by the output's number.
        loss_weights: A factor on the weight of an output's loss, by the output's number.
        learning_rate: A factor on the learning rate, or on a schedule of it.
        clipnorm: The norm to which gradients are clipped, where they are not clipped yet.
        momentum: Another momentum of an optimizer that has one.
    """

    losses: Mapping[int, Any] = field(default_factory=dict)
    loss_weights: Mapping[int, float] = field(default_factory=dict)
    learning_rate: float = 1.0
    clipnorm: float | None = None
    momentum: float | None = None


def learning_rate_of(config: Mapping[str, Any]) -> float | None:
    """The learning rate in an optimizer's config, or that with which its schedule begins.

    Returns:
        None where it cannot be read, as in a schedule that somebody wrote.
    """
    if "inner_optimizer" in config:
        return learning_rate_of(config["inner_optimizer"]["config"])
    rate = config.get("learning_rate")
    if not isinstance(rate, dict):
        return rate if isinstance(rate, float) else None
    entries = _entries_of(rate)
    values = entries.get("values") or [entries.get("initial_learning_rate")]
    # A warm-up begins near zero, and goes up to the rate that counts.
    rate = entries.get("warmup_target") or values[0]
    return None if rate is None else float(rate)


def momentum_of(config: Mapping[str, Any]) -> float:
    """The momentum in an optimizer's config; 0 without one."""
    if "inner_optimizer" in config:
        return momentum_of(config["inner_optimizer"]["config"])
    return float(config.get("momentum") or 0.0)


def clips(config: Mapping[str, Any]) -> bool:
    """Whether the optimizer clips gradients already."""
    config = config["inner_optimizer"]["config"] if "inner_optimizer" in config else config
    return any(config.get(name) is not None for name in _CLIPPING)


def changed_optimizer(config: dict[str, Any], changes: CompileChanges) -> dict[str, Any]:
    """Returns the entries of an optimizer's config that the changes affect."""
    if "inner_optimizer" in config:
        inner = config["inner_optimizer"]
        changed = inner["config"] | changed_optimizer(inner["config"], changes)
        return {"inner_optimizer": {**inner, "config": changed}}
    entries: dict[str, Any] = {}
    rate: Any = config.get("learning_rate")
    if changes.learning_rate == 1 or learning_rate_of(config) is None:
        pass
    elif isinstance(rate, dict):
        scaled = _scaled(_entries_of(rate), changes.learning_rate)
        entries["learning_rate"] = {**rate, "config": rate["config"] | scaled}
    else:
        entries["learning_rate"] = rate * changes.learning_rate
    if changes.clipnorm is not None and not clips(config):
        entries["clipnorm"] = changes.clipnorm
    if changes.momentum is not None and "momentum" in config:
        entries["momentum"] = changes.momentum
    return entries


def _entries_of(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """The learning rates in the config of a schedule."""
    config = schedule.get("config", {})
    return {name: config[name] for name in _SCHEDULED if config.get(name) is not None}


def _scaled(entries: dict[str, Any], factor: float) -> dict[str, Any]:
    return {
        name: [each * factor for each in value] if isinstance(value, list) else value * factor
        for name, value in entries.items()
    }


class OutputsOf:
    """What `compile` was given for each output of a model, in any of the forms it takes.

    Args:
        model: A compiled model.
    """

    def __init__(self, model: keras.Model) -> None:
        self.names = [str(name) for name in getattr(model, "output_names", None) or ["output"]]
        # Outputs in a dictionary go by its keys, in the order to which Keras flattens it.
        returned: Any = getattr(model, "output", None) if model.built else None
        by_keys = isinstance(returned, dict) and len(returned) == len(self.names)
        self._keys = sorted(returned) if by_keys else self.names

    def number(self, name: str) -> int | None:
        """The number of the output that a layer of this name puts out; None if it is none."""
        if len(self.names) == 1:
            return 0
        return self.names.index(name) if self.names.count(name) == 1 else None

    def losses(self, given: Any) -> list[Any]:
        """The loss, or the weight, of each output."""
        if isinstance(given, dict):
            return [given.get(name) for name in self._keys]
        each: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
        return each * len(self.names) if len(each) == 1 else each

    def with_losses(self, given: Any, new: Mapping[int, Any]) -> Any:
        """The argument `loss` with some losses exchanged."""
        if not new:
            return given
        values = [new.get(number, loss) for number, loss in enumerate(self.losses(given))]
        if isinstance(given, dict):
            pairs = zip(self._keys, values, strict=True)
            return given | {name: loss for name, loss in pairs if loss is not None}
        return values if isinstance(given, list | tuple) or len(values) > 1 else values[0]

    def with_weights(self, given: Any, factors: Mapping[int, float], losses: Any) -> Any:
        """The argument `loss_weights`, in the form of `losses`, with some weights multiplied."""
        if not factors:
            return given
        given = keras.saving.deserialize_keras_object(given)  # of a tuple there is a dictionary
        if isinstance(given, dict):
            weights = [given.get(name) for name in self._keys]
        else:
            weights = self.losses(given)
        scaled = [
            (1.0 if weight is None else weight) * factors.get(number, 1.0)
            for number, weight in enumerate(weights)
        ]
        if isinstance(losses, dict):
            pairs = zip(self._keys, scaled, strict=True)
            named = {name: weight for name, weight in pairs if name in losses}
            return {**given, **named} if isinstance(given, dict) else named
        return scaled

    def with_metrics(self, given: Any, losses: Mapping[int, Any]) -> Any:
        """Serialized metrics, whose accuracies count as the new losses do.

        `"accuracy"` itself finds out anew what it counts.
        """
        for number, loss in losses.items():
            known = loss_of(loss)
            kind = None if known is None else _ACCURACIES.get(known.name)
            if kind is None or given is None:
                continue
            if isinstance(given, dict) and self._keys[number] in given:
                name = self._keys[number]
                given = {**given, name: _with_accuracy(given[name], kind)}
            elif len(self.names) == 1:
                given = _with_accuracy(given, kind)
            elif isinstance(given, list) and len(given) == len(self.names):
                given = [
                    _with_accuracy(each, kind) if i == number else each
                    for i, each in enumerate(given)
                ]
        return given


def _with_accuracy(metrics: Any, kind: str) -> Any:
    """Serialized metrics with the accuracies among them made into one kind."""
    if isinstance(metrics, list | tuple):
        return [_with_accuracy(each, kind) for each in metrics]
    if isinstance(metrics, str) and metrics in _ACCURACY_NAMES:
        return keras.metrics.serialize(getattr(keras.metrics, kind)(name=metrics))
    if isinstance(metrics, dict) and metrics.get("class_name") in _ACCURACIES.values():
        config = metrics["config"]
        new = getattr(keras.metrics, kind)(name=config["name"], dtype=config.get("dtype"))
        return keras.metrics.serialize(new)
    if isinstance(metrics, dict) and "class_name" not in metrics:
        return {name: _with_accuracy(each, kind) for name, each in metrics.items()}
    return metrics
