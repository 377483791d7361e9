"""How a model was compiled: optimizer, losses and metrics of Keras 2 as those of Keras 3."""

import inspect
from typing import Any

import keras

from kerastricks._untrusted import RefusedError
from kerastricks.addons._loading.names import is_object, place, public_name
from kerastricks.addons._loading.objects import PREFIX

BASE = {
    "clipnorm",
    "clipvalue",
    "ema_momentum",
    "ema_overwrite_frequency",
    "global_clipnorm",
    "learning_rate",
    "name",
    "use_ema",
    "weight_decay",
}
"""Arguments of every optimizer of Keras 3."""


def compile_arguments(training: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """What `model.compile` is to be given.

    Args:
        training: What the file says, in the form of `.h5` or of `.keras` files.
        known: Objects by registered name.

    Raises:
        RefusedError: For optimizers, losses and metrics that Keras 3 and this package lack.
    """
    arguments: dict[str, Any] = {
        "optimizer": _optimizer(training.get("optimizer_config", training.get("optimizer")), known),
        "loss": _made(training.get("loss"), known, "losses"),
    }
    for key in ("metrics", "weighted_metrics"):
        metrics = _made(_without_none(training.get(key)), known, "metrics")
        # Keras 2 listed the metrics of each output in .h5, also where there is one.
        if isinstance(metrics, list) and len(metrics) == 1 and isinstance(metrics[0], list):
            metrics = metrics[0]
        arguments[key] = metrics
    arguments["loss_weights"] = training.get("loss_weights")
    arguments["run_eagerly"] = bool(training.get("run_eagerly"))
    arguments["steps_per_execution"] = training.get("steps_per_execution") or 1
    return arguments


def _without_none(metrics: Any) -> Any:
    """An output without metrics, which had None or in .h5 [None], has none of them."""
    if not isinstance(metrics, list):
        return metrics
    outputs = [[] if output is None else output for output in metrics]
    return [
        [metric for metric in output if metric is not None] if isinstance(output, list) else output
        for output in outputs
    ]


def _optimizer(entry: Any, known: dict[str, Any]) -> Any:
    if isinstance(entry, str):
        return keras.optimizers.get(entry)
    if not is_object(entry):
        raise RefusedError(f"its optimizer is not understood: {entry!r}.")
    _, name, registered = place(entry, known, ("optimizers",))
    made = known[registered] if registered else getattr(keras.optimizers, name)
    config = {key: _part(value, known) for key, value in entry["config"].items()}
    decay = config.pop("decay", 0.0)
    takes = {*inspect.signature(made).parameters}
    if "kwargs" in takes or registered is None:
        takes |= BASE
    config = {key: value for key, value in config.items() if key in takes}
    if decay:
        # The legacy optimizers' own schedule, in Keras 3's words.
        rate = config["learning_rate"]
        config["learning_rate"] = keras.optimizers.schedules.InverseTimeDecay(rate, 1, decay)
    return made(**config)


def _part(value: Any, known: dict[str, Any]) -> Any:
    """A value of an optimizer's config: an inner optimizer, a schedule, or a number."""
    if not is_object(value):
        return value
    name = public_name(value)
    schedule = known.get(name, getattr(keras.optimizers.schedules, name, None))
    base = keras.optimizers.schedules.LearningRateSchedule
    if isinstance(schedule, type) and issubclass(schedule, base):
        # Keras 2 named schedules None, where Keras 3 wants a text or nothing.
        return schedule(**{key: v for key, v in value["config"].items() if v is not None})
    return _optimizer(value, known)


def _made(value: Any, known: dict[str, Any], room: str) -> Any:
    if isinstance(value, (list, tuple)):
        return [_made(entry, known, room) for entry in value]
    if isinstance(value, str):
        if value.startswith(PREFIX):
            place({"class_name": value}, known, ())
        if value not in ("accuracy", "acc", "crossentropy", "ce"):
            getattr(keras, room).get(value)
        return value
    if not is_object(value):
        if isinstance(value, dict):
            return {key: _made(entry, known, room) for key, entry in value.items()}
        return value
    if value["class_name"] == "function":
        return _made(str(value["config"]), known, room)
    config = dict(value["config"])
    if public_name(value) == "MeanMetricWrapper" and isinstance(config.get("fn"), str):
        return _wrapper(config)
    _, name, registered = place(value, known, (room,))
    config.pop("fn", None)
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    made = known[registered] if registered else getattr(getattr(keras, room), name)
    return made.from_config(config)


def _wrapper(config: dict[str, Any]) -> Any:
    """A metric that is a function, as Keras 2 wrote it in `.h5`."""
    function = keras.losses.get(config["fn"]) if hasattr(keras.losses, config["fn"]) else None
    function = function or getattr(keras.metrics, config["fn"], None)
    if not callable(function):
        raise RefusedError(f"its metric {config['fn']!r} is not in Keras 3.")
    return keras.metrics.MeanMetricWrapper(function, name=config.get("name"))
