"""Which loss each output of a compiled model has, and what that loss wants to be given."""

import re
from typing import Any

import keras

from kerastricks.diagnosis.observation import Loss


def losses_of(model: Any, outputs: Any) -> list[Loss | None]:
    """The loss of each output, in the order in which `keras.tree` flattens them.

    Args:
        model: A compiled model.
        outputs: What it puts out, in its structure.

    Returns:
        None for an output without a loss. An empty list when they cannot be told apart.
    """
    flat = keras.tree.flatten(outputs)
    given = getattr(model, "loss", None)
    if isinstance(given, dict):
        names = sorted(outputs) if isinstance(outputs, dict) else getattr(model, "output_names", [])
        each = [given.get(name) for name in names]
    elif isinstance(given, list | tuple):
        each = list(given)
    else:
        each = [given] * len(flat)
    return [loss_of(loss) for loss in each] if len(each) == len(flat) else []


def loss_of(loss: Any) -> Loss | None:
    """What is known of a loss: a name, a function, or a `keras.losses.Loss`."""
    if loss is None:
        return None
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return Loss(loss)  # "ce": what it stands for, `compile` makes out by the shapes
    if isinstance(loss, keras.losses.Loss):
        name = _snake_case(type(loss).__name__)
        try:
            config = loss.get_config()
            ignored = config.get("ignore_class")
            ignored = None if ignored is None else int(ignored)
            return Loss(name, bool(config.get("from_logits")), ignored)
        except Exception:  # of a loss of the user's own, which may raise what it likes
            return Loss(name)
    name = getattr(loss, "__name__", type(loss).__name__)
    return Loss(name if name.islower() else _snake_case(name))


def _snake_case(name: str) -> str:
    spaced: str = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower()
