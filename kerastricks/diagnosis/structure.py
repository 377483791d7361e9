"""What can be read from a model's graph, before any step."""

from typing import Any

import keras

from kerastricks.diagnosis.activations import activation_of
from kerastricks.diagnosis.plan import has_kernel, path_of

# All of them linear, or affine, in inference mode.
_LINEAR = (
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.UpSampling1D,
    keras.layers.UpSampling2D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Average,
    keras.layers.Concatenate,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.Identity,
)


def linear_kernels(model: Any) -> tuple[str, ...]:
    """Paths of the hidden kernels of a model that is linear up to the activation of its outputs.

    Returns:
        Nothing for a model with a nonlinearity, or one whose graph is not known: a subclass of
        `keras.Model` may do anything in its `call`.
    """
    operations = _operations(model)
    if operations is None:
        return ()
    heads = _heads(model)
    if not all(_is_linear(each) or id(each) in heads for each in operations):
        return ()
    kernels = [x for x in operations if isinstance(x, keras.Layer) and has_kernel(x)]
    return tuple(path_of(layer) for layer in kernels[:-1] if id(layer) not in heads)


def _is_linear(operation: Any) -> bool:
    if isinstance(operation, keras.layers.Activation):
        return activation_of(operation) is None
    if isinstance(operation, keras.layers.LeakyReLU):
        return float(operation.negative_slope) == 1.0
    # A subclass may do more than its base.
    known = type(operation).__module__.startswith(("keras.", "kerastricks."))
    return known and isinstance(operation, _LINEAR) and activation_of(operation) is None


def _operations(model: Any) -> list[Any] | None:
    """Everything that is computed, nested models opened; None when that is not known."""
    if not type(model).call.__module__.startswith("keras."):
        return None
    steps = (
        model.layers if isinstance(model, keras.Sequential) else getattr(model, "operations", None)
    )
    if steps is None:
        return None
    operations: list[Any] = []
    for step in steps:
        inner = _operations(step) if isinstance(step, keras.Model) else [step]
        if inner is None:
            return None
        operations.extend(inner)
    return operations


def _heads(model: Any) -> set[int]:
    """The operations whose outputs are the model's."""
    made = {id(tensor) for tensor in keras.tree.flatten(getattr(model, "outputs", None) or [])}
    return {
        id(each)
        for each in _operations(model) or []
        if any(id(tensor) in made for tensor in keras.tree.flatten(_outputs_of(each)))
    }


def _outputs_of(operation: Any) -> Any:
    try:
        return operation.output
    except (AttributeError, ValueError):  # was called never, or more than once
        return []
