"""State that goes from a layer to its copy: variables, and what is kept outside of them."""

from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from kerastricks.surgery._layers_of import parts_of


def own_variables(layer: keras.Layer) -> list[Any]:
    """Returns the variables of a layer that are not those of its parts."""
    if not parts_of(layer) and not isinstance(layer, keras.Model):
        return list(layer.variables)  # with the states of random numbers
    return own_weights(layer)


def own_weights(layer: keras.Layer) -> list[Any]:
    """Returns the weights of a layer that are not those of its parts."""
    of_parts = {id(weight) for part in parts_of(layer).values() for weight in part.weights}
    return [weight for weight in layer.weights if id(weight) not in of_parts]


def described(layer: keras.Layer) -> list[tuple[str, tuple[int, ...]]]:
    """Returns names and shapes of a layer's weights."""
    return [(weight.name, tuple(weight.shape)) for weight in layer.weights]


def carry(old: keras.Layer, new: keras.Layer) -> dict[int, Any]:
    """Gives a copy all that its original holds.

    Returns:
        From the `id` of each of the copy's variables to the original's.

    Raises:
        ValueError: If the copy's weights have other shapes.
    """
    _carry_assets(old, new)
    if not old.built:
        return {}
    theirs, ours = own_variables(old), own_variables(new)
    shapes, needed = ([tuple(variable.shape) for variable in some] for some in (theirs, ours))
    if shapes != needed:
        raise ValueError(
            f"The weights of layer '{old.name}' ({type(old).__name__}) no longer fit: they have "
            f"shapes {shapes}, and in the new model the layer needs {needed}. A replacement "
            "before it returns another shape; replace this layer, too. The model is left as it was."
        )
    same = assign(theirs, ours)
    if hasattr(new, "finalize_state"):
        new.finalize_state()  # what `Normalization` computes from its variables
    return same


def assign(variables: list[Any], new_variables: list[Any]) -> dict[int, Any]:
    """Gives variables the values of others, and returns whose each has."""
    for variable, new_variable in zip(variables, new_variables, strict=True):
        # A copy of its own: JAX may hand the memory of a variable to the next training step.
        new_variable.assign(np.array(keras.ops.convert_to_numpy(variable)))
    return {id(new): old for old, new in zip(variables, new_variables, strict=True)}


def _carry_assets(old: keras.Layer, new: keras.Layer) -> None:
    """Copies vocabularies, which preprocessing layers keep outside of their variables."""
    if hasattr(old, "save_assets") and hasattr(new, "load_assets"):
        with TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)
