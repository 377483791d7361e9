"""What the wrappers have in common: the wrapped layer's config, and which variable they change."""

from typing import Any

import keras

UNKNOWN = ("batch_input_shape", "input_length", "time_major")
"""What configs of Keras 2 have, Keras 3 does not know, and means nothing inside a wrapper."""


def own_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments for the wrapper: it computes in the variables' type, and casts no inputs.

    In mixed precision it would read the kernel that it writes in half precision, and lose what
    small updates add. What is wrapped has a type of its own, and casts on its own.
    """
    policy = keras.dtype_policies.get(arguments.get("dtype"))
    return {**arguments, "dtype": policy.variable_dtype, "autocast": False}


def restored_layer(config: Any, custom_objects: Any = None) -> Any:
    """Makes the wrapped layer from its config, which Keras 2 may have written."""
    if isinstance(config, dict) and isinstance(config.get("config"), dict):
        inner = {k: v for k, v in config["config"].items() if k not in UNKNOWN}
        if "Conv" in str(config.get("class_name")) and inner.get("groups") == 1:
            del inner["groups"]  # the default, which transposed convolutions do not know by now
        config = {**config, "config": inner}
        # The older of Keras 2's formats names Keras' own layers without saying that they are.
        if "module" not in config and hasattr(keras.layers, str(config.get("class_name"))):
            config["module"] = "keras.layers"
    return keras.saving.deserialize_keras_object(config, custom_objects=custom_objects)


def checked_variable(owner: Any, names: tuple[str, ...], wrapper: str) -> Any:
    """Returns the first of the named variables that the layer has."""
    for name in names:
        variable = getattr(owner, name, None)
        if isinstance(variable, keras.Variable):
            return variable
    raise ValueError(
        f"`{wrapper}` must wrap a layer with a variable `{'` or `'.join(names)}`, such as a Dense "
        f"or a convolution. Received: a layer of the class {type(owner).__name__}."
    )
