"""The classes and functions by the names under which TensorFlow Addons registered them."""

from typing import Any

from kerastricks.addons import activations, layers, optimizers

PREFIX = "Addons>"


def custom_objects() -> dict[str, Any]:
    """What `keras.models.load_model` needs to know of TensorFlow Addons: "Addons>Name" to object.

    For those who call Keras' own loader on files that need no more than names. `load_model` of
    this package reads what Keras' does not: places of Keras 2 in `.keras` files, and weights that
    are stored otherwise.

    Returns:
        Layers, activations and optimizers of `kerastricks.addons` by their registered names. Each
        call gives a dictionary of its own; nothing is registered.

    Example:
        >>> sorted(name for name in custom_objects() if name.startswith("Addons>T"))[:1]
        ['Addons>TLU']
        >>> import keras
        >>> keras.saving.get_registered_object("Addons>TLU") is None
        True
    """
    return {
        PREFIX + name: getattr(room, name)
        for room in (layers, activations, optimizers)
        for name in room.__all__
    }
