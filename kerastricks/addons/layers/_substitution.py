"""Calls a layer with other values in place of some of its variables."""

from collections.abc import Sequence
from typing import Any

import keras


def call_with(
    layer: Any, values: Sequence[tuple[Any, Any]], inputs: Any, add_loss: Any = None
) -> Any:
    """Returns `layer(inputs)` as if its variables had the given values, through which gradients go.

    What the layer does to variables of its own, such as the state of random numbers, is kept.

    Args:
        layer: A built Keras layer.
        values: Pairs of a variable of the layer and the tensor that takes its place.
        inputs: What the layer is called on.
        add_loss: Takes the losses that the layer adds, such as a regularizer of its activity.
    """
    replaced = {id(variable) for variable, _ in values}
    others = [v for v in layer.variables if id(v) not in replaced]
    # A scope hides the one around it, so that it must hold the other variables' values too.
    scope = keras.StatelessScope(
        [*values, *((v, v.value) for v in others)], collect_losses=add_loss is not None
    )
    before = [scope.get_current_value(v) for v in others]
    with scope:
        outputs = layer(inputs)
    for variable, value in zip(others, before, strict=True):
        after = scope.get_current_value(variable)
        if after is not value:
            variable.assign(after)
    for loss in scope.losses:
        add_loss(loss)
    return outputs
