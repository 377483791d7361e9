"""How a model is compiled, carried to another one."""

from collections import Counter, defaultdict
from typing import Any

import keras
import numpy as np

from kerastricks.surgery._compile_changes import CompileChanges, OutputsOf, changed_optimizer
from kerastricks.surgery._copy import copy_from_config


def compile_like(
    new_model: keras.Model,
    model: keras.Model,
    same: dict[int, Any],
    changes: CompileChanges | None = None,
) -> None:
    """Compiles `new_model` as `model` is; leaves it alone when `model` is not compiled.

    The optimizer is a new one of the same class and config, with the same step count. What it
    remembers of a weight comes along if the weight did. Metrics are new, at their start. With
    `changes` the optimizer starts anew: what it remembers is of another loss.

    Args:
        new_model: The model to compile.
        model: The model to read from.
        same: From the `id` of a variable of `new_model` to the one of `model` it was copied from.
        changes: What shall be different.

    Raises:
        ValueError: If Keras cannot make the optimizer or the metrics from their configs.
    """
    if not model.compiled:
        return
    if type(model).compile is not keras.Model.compile:
        new_model.compile_from_config(model.get_compile_config())
        return
    optimizer = model.optimizer
    new_optimizer = None if optimizer is None else _new_optimizer(optimizer, changes)
    config = model.get_compile_config()
    del config["optimizer"], config["loss"]
    loss = model.loss  # has no state, and need not be registered
    if changes is not None:
        outputs = OutputsOf(model)
        loss = outputs.with_losses(loss, changes.losses)
        weights = outputs.with_weights(config.get("loss_weights"), changes.loss_weights, loss)
        config["loss_weights"] = weights
        for key in ("metrics", "weighted_metrics"):
            config[key] = outputs.with_metrics(config.get(key), changes.losses)
    try:
        arguments = keras.saving.deserialize_keras_object(config, metric_classes(model))
    except Exception as error:
        raise ValueError(
            "The metrics of the model cannot be made anew from their configs. Decorate custom "
            "classes and functions with `@keras.saving.register_keras_serializable()`, or call "
            "within `with keras.saving.custom_object_scope({'name': function}):`, or compile the "
            "model without them and the new model with them. "
            f"{type(error).__name__}: {error}"
        ) from error
    new_model.compile(
        optimizer=new_optimizer,
        loss=loss,
        auto_scale_loss=False,  # `optimizer` already scales the loss if it should
        **arguments,
    )
    if changes is None and new_optimizer is not None and optimizer.built and new_model.built:
        new_optimizer.build(new_model.trainable_variables)
        _carry_optimizer_state(
            _states_by_weight(optimizer, model.trainable_variables),
            _states_by_weight(new_optimizer, new_model.trainable_variables),
            same,
        )


def metric_classes(model: keras.Model) -> dict[str, type]:
    """Returns the classes of the metrics passed to `compile`, by name, registered or not."""
    # Among the model's metrics is one that holds those passed to `compile`, once it has seen data.
    metrics = [part for metric in model.metrics for part in getattr(metric, "metrics", [])]
    return {type(metric).__name__: type(metric) for metric in metrics}


def _new_optimizer(optimizer: Any, changes: CompileChanges | None) -> Any:
    if changes is None:
        return copy_from_config(optimizer)
    return copy_from_config(optimizer, **changed_optimizer(optimizer.get_config(), changes))


def _states_by_weight(optimizer: Any, weights: list[Any]) -> dict[tuple[int, str], Any]:
    """Returns an optimizer's variables by the `id` of the weight they belong to and their name.

    Keras names them `path_of_the_weight_momentum`. Of weights with the same path, each has its
    turn. What belongs to no weight, such as the step count, counts down from -1.
    """
    owners_by_prefix: dict[str, list[int]] = defaultdict(list)
    for weight in weights:
        owners_by_prefix[weight.path.replace("/", "_") + "_"].append(id(weight))
    states: dict[tuple[int, str], Any] = {}
    turns: Counter[str] = Counter()
    for variable in optimizer.variables:
        prefix = max(filter(variable.name.startswith, owners_by_prefix), key=len, default="")
        turn = turns[variable.name]
        turns[variable.name] += 1
        owners = owners_by_prefix.get(prefix, [])
        owner = owners[turn] if turn < len(owners) else -1 - turn
        states[owner, variable.name.removeprefix(prefix)] = variable
    return states


def _carry_optimizer_state(
    states: dict[tuple[int, str], Any],
    new_states: dict[tuple[int, str], Any],
    same: dict[int, Any],
) -> None:
    for (owner, name), new_variable in new_states.items():
        old_owner = owner if owner < 0 else id(same.get(owner))
        variable = states.get((old_owner, name))
        if variable is not None and variable.shape == new_variable.shape:
            new_variable.assign(np.array(keras.ops.convert_to_numpy(variable)))
