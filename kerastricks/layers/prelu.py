"""Leaky rectifier whose slope is learned."""

from typing import Any

import keras
from keras import ops

from kerastricks.theory._checks import checked_integer


@keras.saving.register_keras_serializable(package="kerastricks")
class PReLU(keras.layers.PReLU):
    """Parametric rectifier: learns the slope for negative inputs, starting from 0.25.

    Use it in networks with data enough for a few more weights; with `shared_axes` there is one
    slope a channel. Do not use it on small data, where Xu et al. saw it overfit and a random slope
    (`RandomizedLeakyReLU`) do better.

        f(x) = x            if x >= 0
        f(x) = alpha * x    if x <  0

    alpha is a weight of the shape of a sample, with 1 for each of `shared_axes`.

    Arguments and weight are those of `keras.layers.PReLU`, which also is the base class, with two
    differences. Alpha starts at 0.25, as in the paper and in PyTorch; Keras starts it at 0, where
    the layer is a plain ReLU and its dead units have no gradient at first. A config of Keras' layer
    names its initializer, and keeps it. And `shared_axes` that Keras would take for others (-1 for
    the last axis but one, 0 for the last) are refused. The formula is computed as one product, in
    less time than Keras' sum of two rectifiers.

    alpha should not decay towards 0: the paper applies no weight decay to it, and neither does this
    layer by itself. An optimizer with `weight_decay` decays all weights alike, unless told

        optimizer.exclude_from_weight_decay(var_names=["alpha"])

    Args:
        alpha_initializer: Initializer of alpha. Defaults to `keras.initializers.Constant(0.25)`.
        alpha_regularizer: Regularizer of alpha, or None. Defaults to None.
        alpha_constraint: Constraint of alpha, or None. Defaults to None.
        shared_axes: Axis or axes along which alpha is shared, in [1, rank) with the batch as axis
            0: `[1, 2]` for images with the channels last. Defaults to none, one alpha for each
            entry of a sample.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of rank 2 or more, of known size along all axes that are not shared.

    Returns:
        A tensor of the same shape and type.

    Raises:
        TypeError: If one of `shared_axes` is not an integer.
        ValueError: If one of `shared_axes` is out of range, or an initializer, regularizer or
            constraint is not known to Keras.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.PReLU(shared_axes=[1, 2])
    >>> y = layer(keras.ops.array([[[[-4.0]], [[2.0]]]]))
    >>> keras.ops.convert_to_numpy(y)[0, :, 0, 0].tolist()
    [-1.0, 2.0]
    >>> tuple(layer.alpha.shape)
    (1, 1, 1)

    Reference:
        He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, section 2.1, eq. 1.
    """

    def __init__(
        self,
        alpha_initializer: Any = None,
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        if alpha_initializer is None:
            alpha_initializer = keras.initializers.Constant(0.25)
        if shared_axes is not None:
            axes = shared_axes if isinstance(shared_axes, list | tuple) else [shared_axes]
            expected = "integers from 1 on, as the batch is axis 0"
            shared_axes = [checked_integer(axis, "shared_axes", expected) for axis in axes]
        super().__init__(
            alpha_initializer, alpha_regularizer, alpha_constraint, shared_axes, **kwargs
        )

    def build(self, input_shape: Any) -> None:
        """Creates alpha, of the shape of a sample, with 1 along the shared axes."""
        rank = len(input_shape)
        if any(axis >= rank for axis in self.shared_axes or ()):
            raise ValueError(
                f"Argument `shared_axes` must be in [1, {rank - 1}] for inputs of rank {rank}, "
                f"whose batch is axis 0. Received: shared_axes={self.shared_axes} and inputs of "
                f"shape {tuple(input_shape)}."
            )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Returns the inputs, the negative ones multiplied by alpha."""
        alpha = ops.convert_to_tensor(self.alpha)
        if keras.backend.backend() == "tensorflow" and not self.shared_axes:
            from kerastricks.layers._kernels.prelu_tensorflow import rectify

            return rectify(inputs, alpha)
        # As a product: selecting between two full tensors takes longer, forward and backward.
        return inputs * ops.where(inputs < 0, alpha, ops.ones((), inputs.dtype))
