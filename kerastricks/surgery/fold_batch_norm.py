"""Batch normalization folded into the layer before it."""

import warnings
from typing import Any, NamedTuple

import keras
import numpy as np

from kerastricks.layers import BatchNormalization
from kerastricks.surgery._copy import copy_from_config
from kerastricks.surgery._layers_of import every_layer, is_graph, told
from kerastricks.surgery._model import checked_model
from kerastricks.surgery._rebuild import rebuild
from kerastricks.surgery._wiring import Wiring

_KERNELS: dict[type, tuple[str, tuple[int, ...]]] = {
    keras.layers.Dense: ("kernel", (-1,)),
    keras.layers.Conv1D: ("kernel", (-1,)),
    keras.layers.Conv2D: ("kernel", (-1,)),
    keras.layers.Conv3D: ("kernel", (-1,)),
    keras.layers.Conv1DTranspose: ("kernel", (-2,)),
    keras.layers.Conv2DTranspose: ("kernel", (-2,)),
    keras.layers.Conv3DTranspose: ("kernel", (-2,)),
    keras.layers.DepthwiseConv1D: ("kernel", (-2, -1)),
    keras.layers.DepthwiseConv2D: ("kernel", (-2, -1)),
    keras.layers.SeparableConv1D: ("pointwise_kernel", (-1,)),
    keras.layers.SeparableConv2D: ("pointwise_kernel", (-1,)),
}
"""The kernel of each linear layer, and the axes of it that run over the output channels."""


class _Fold(NamedTuple):
    linear: keras.Layer
    normalization: keras.Layer
    kernel: str
    channel_axes: tuple[int, ...]  # of the kernel
    axes_behind: int  # axes of the output that follow the normalized one, as far as a bias has them
    changes: dict[str, Any]  # of the linear layer's config


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Returns a new model for inference, with batch normalizations folded into kernels and biases.

    Use it before you deploy a trained model: each folded layer is one pass over memory less, and
    the outputs stay the same up to rounding. Do not train the result: it has lost what made
    training stable, statistics of the batch included, and regularizers and constraints of the
    kernel now see the scaled one. Fold a copy, and keep the model to train on.

    At inference a batch normalization is a fixed scale and shift of each channel, which the linear
    layer before it can do as well:

        scale      = gamma / sqrt(moving_variance + epsilon)
        new_kernel = kernel * scale
        new_bias   = beta + (bias - moving_mean) * scale

    computed in float64. The linear layer gets a bias if it has none, and keeps its name.

    Folded is each `BatchNormalization`, of Keras or of kerastricks, that directly follows a
    `Dense`, `EinsumDense`, `Conv`, `ConvTranspose`, `DepthwiseConv` or `SeparableConv` of Keras
    without activation, in the model itself or in a Sequential or Functional model nested in it. A
    pair that is used several times is folded once and stays shared. Left as it is, with one
    warning that names them all and the reasons, is a normalization

    - behind an activation or any other layer, or behind a linear layer whose output is used
      elsewhere, too,
    - of another axis than that of the linear layer's channels,
    - that is called with `training=True`,
    - next to a subclass of those layers, or to one that is quantized or has LoRA weights,
    - directly within a wrapper, or a layer or model whose `call` somebody wrote, where Keras does
      not know what follows what; or in a pair of which such a one also holds a layer.

    A Sequential or Functional model within a layer that somebody wrote is taken to be called as a
    whole, in inference mode at inference.

    Other layers are copied with weights, names, types and `trainable` flags, and the new model is
    compiled as the old one, with the optimizer's memory of the weights that did not change. Where
    a removed layer gave an output of a Functional model its name, an `Identity` of that name
    stays. `model` is only read. The result needs no custom objects of ours to load.

    Args:
        model: A built Sequential or Functional model.

    Returns:
        A new model of the same class and name. Its outputs differ from those of `model` at
        inference by less than 1e-5 of their scale in float32.

    Raises:
        TypeError: If `model` is no model.
        ValueError: If `model` is subclassed or not built, if there is nothing to fold, if a
            normalization's statistics are NaN or infinite, if a layer cannot be copied, or if the
            metrics are functions that are not registered with Keras.

    Example:
    >>> import keras, numpy as np
    >>> from kerastricks import surgery
    >>> model = keras.Sequential([keras.Input((8, 8, 3)),
    ...                           keras.layers.Conv2D(4, 3, use_bias=False),
    ...                           keras.layers.BatchNormalization(), keras.layers.ReLU()])
    >>> folded = surgery.fold_batch_norm(model)
    >>> [type(layer).__name__ for layer in folded.layers]
    ['Conv2D', 'ReLU']
    >>> x = np.ones((1, 8, 8, 3))
    >>> bool(keras.ops.all(keras.ops.abs(folded(x) - model(x)) < 1e-5))
    True

    Reference:
        Jacob, Kligys, Chen, Zhu, Tang, Howard, Adam, Kalenichenko (2018), Quantization and
        Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, eq. 14.

    Differs from the paper in: eq. 14 gives the folded weights; the folded bias is the same step
    for a layer that may have had a bias.
    """
    _check_graph(checked_model(model))
    folds, left = _folds(model)
    told_left = "".join(f"\n- '{name}': {reason}" for name, reason in left)
    if not folds:
        raise ValueError(
            f"Model '{model.name}' has no batch normalization that can be folded: "
            + (f"{told_left}" if left else "it has none at all.")
        )
    replacements: dict[int, keras.Layer | None] = {}
    for fold in folds:
        replacements[id(fold.linear)] = copy_from_config(fold.linear, **fold.changes)
        replacements[id(fold.normalization)] = None
    folded = rebuild(model, replacements, inherit=False)
    for fold in folds:
        _assign_folded(replacements[id(fold.linear)], fold)
    if left:
        warnings.warn(f"Batch normalizations left as they are:{told_left}", stacklevel=2)
    return folded


def _check_graph(model: keras.Model) -> None:
    if not is_graph(model):
        raise ValueError(
            f"Model '{model.name}' of class {type(model).__name__} is subclassed: only its `call` "
            "knows which layer follows which. Make a functional model of it first, which shares "
            "its weights: `inputs = keras.Input(shape)`, then "
            "`fold_batch_norm(keras.Model(inputs, model.call(inputs)))`."
        )
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' is not built, so its batch normalizations have no statistics. "
            "Call it on data or `model.build(input_shape)` it, then train it or load its weights."
        )


def _folds(model: keras.Model) -> tuple[list[_Fold], list[tuple[str, str]]]:
    """Returns what can be folded, and the name of and reason for every layer that cannot."""
    wiring = Wiring(model)
    folds, left = [], []
    for layer in every_layer(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            fold = _fold_or_reason(layer, wiring)
            if isinstance(fold, str):
                left.append((layer.name, fold))
            else:
                folds.append(fold)
    return folds, left


def _fold_or_reason(layer: Any, wiring: Wiring) -> _Fold | str:
    if type(layer) not in (keras.layers.BatchNormalization, BatchNormalization):
        return f"its class {type(layer).__name__} may compute something else."
    if id(layer) not in wiring.feeds:
        return (
            "Keras does not know what it follows in the `call` of "
            f"{told(wiring.owners[id(layer)])}."
        )
    if owners := wiring.owners[id(layer)]:
        return f"it is used within {told(owners)}, too."
    if id(layer) in wiring.in_training:
        return "it may be told to normalize with the batch at inference, too."
    linear = wiring.feeds[id(layer)][0][0]
    if any(givers != [linear] for givers in wiring.feeds[id(layer)]) or linear is None:
        return "it does not follow one and the same layer always."
    if type(linear) not in {*_KERNELS, keras.layers.EinsumDense}:
        return f"'{linear.name}' before it ({type(linear).__name__}) cannot take it in."
    if any(follower is not layer for follower in wiring.followers[id(linear)]):
        return f"the output of '{linear.name}' before it is used elsewhere, too."
    if owners := wiring.owners[id(linear)]:
        return f"'{linear.name}' before it is used within {told(owners)}, too."
    if linear.activation is not keras.activations.linear:
        return f"the activation of '{linear.name}' is in between."
    if linear.dtype_policy.quantization_mode or getattr(linear, "lora_enabled", False):
        return f"'{linear.name}' before it is quantized or has LoRA weights."
    return (
        _einsum_fold(linear, layer)
        if isinstance(linear, keras.layers.EinsumDense)
        else (_fold(linear, layer))
    )


def _axis_from_the_end(normalization: Any) -> int:
    rank = normalization.input_spec.ndim
    return int(normalization.axis % rank - rank)


def _fold(linear: Any, normalization: Any) -> _Fold | str:
    rank = normalization.input_spec.ndim
    first = getattr(linear, "data_format", "channels_last") == "channels_first"
    if _axis_from_the_end(normalization) != (1 - rank if first else -1):
        return f"it normalizes another axis than that of the channels of '{linear.name}'."
    return _Fold(linear, normalization, *_KERNELS[type(linear)], 0, {"use_bias": True})


def _einsum_fold(linear: Any, normalization: Any) -> _Fold | str:
    _, weights, outputs = linear.equation.replace(" ", "").replace("->", ",").split(",")
    axis = _axis_from_the_end(normalization)
    label = outputs[axis] if "." not in outputs[axis:] else "."
    if label not in weights:
        return f"the kernel of '{linear.name}' does not run over the axis that it normalizes."
    biased = {label, *(linear.bias_axes or "")}
    return _Fold(
        linear,
        normalization,
        "kernel",
        (weights.index(label),),
        -axis - 1,
        {"bias_axes": "".join(label for label in outputs if label in biased)},
    )


def _assign_folded(new_layer: Any, fold: _Fold) -> None:
    scale, shift = _scale_and_shift(fold.normalization)
    values = {weight.name: _values(weight) for weight in fold.linear.weights}
    along = [1] * values[fold.kernel].ndim
    for axis in fold.channel_axes:
        along[axis] = values[fold.kernel].shape[axis]
    values[fold.kernel] = values[fold.kernel] * scale.reshape(along)
    of_bias = (-1, *[1] * fold.axes_behind)
    bias = values.get("bias", np.zeros(1)) * scale.reshape(of_bias) + shift.reshape(of_bias)
    values["bias"] = np.broadcast_to(bias, new_layer.bias.shape)
    for weight in new_layer.weights:
        weight.assign(values[weight.name])


def _scale_and_shift(normalization: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two vectors such that the layer computes `scale * x + shift` at inference."""
    with np.errstate(all="ignore"):  # the check below says more
        scale = 1 / np.sqrt(_values(normalization.moving_variance) + normalization.epsilon)
        if normalization.scale:
            scale = scale * _values(normalization.gamma)
        shift = -scale * _values(normalization.moving_mean)
        if normalization.center:
            shift = shift + _values(normalization.beta)
    finite = np.isfinite(scale) & np.isfinite(shift)
    if not finite.all():
        raise ValueError(
            f"'{normalization.name}' has NaN or infinite weights, or a variance that is not "
            f"positive, in {np.sum(~finite)} of {finite.size} channels, so what it computes cannot "
            "be folded. Take its statistics anew with `surgery.recalibrate_batch_norm`, or go back "
            "to weights from before the training broke. The model is left as it was."
        )
    return scale, shift


def _values(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), dtype="float64")
