"""Stochastic depth for whole batches, with the addition built in."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class StochasticDepth(keras.layers.Layer):
    """Adds a residual branch to its shortcut, and in training leaves it out by chance.

    One draw decides for the whole batch: in training b is 1 with the probability
    `survival_probability`, and else 0.

        training   shortcut + b * residual
        inference  shortcut + survival_probability * residual

    In new code take `kerastricks.layers.DropPath`, which draws for each sample and leaves inference
    as it is, with less variance. This layer is there
    `shortcut + DropPath(keep=survival_probability, per="batch", scaling="classic")(residual)`.

    Args:
        survival_probability: The probability with which the branch stays, in [0, 1]. Defaults to
            0.5.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        x: A list of two tensors of one shape, `[shortcut, residual]`.
        training: Whether to draw.

    Returns:
        A tensor of their shape.

    Raises:
        ValueError: If `survival_probability` is no probability, or the layer is not called on a
            list of two tensors.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> layer = tfa.layers.StochasticDepth(0.25)
    >>> float(layer([keras.ops.array([1.0]), keras.ops.array([4.0])])[0])
    2.0

    Reference:
        Huang, Sun, Liu, Sedra, Weinberger (2016), Deep Networks with Stochastic Depth, eq. 2 and 5.

    Differs from TensorFlow Addons in: a branch that is left out leaves no trace, where that one
    adds 0 * NaN = NaN; masks are passed on, that of the shortcut; a tuple is as good as a list.
    """

    def __init__(self, survival_probability: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= survival_probability <= 1:
            raise ValueError(
                "Argument `survival_probability` must be in [0, 1]: the probability with which "
                f"the branch stays. Received: survival_probability={survival_probability!r}."
            )
        self.survival_probability = survival_probability
        self.seed_generator = keras.random.SeedGenerator()
        self.supports_masking = True
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """Adds the branch; see the class for the formulas."""
        if not isinstance(x, (list, tuple)) or len(x) != 2:
            raise ValueError(
                "`StochasticDepth` must be called on a list of two tensors, [shortcut, residual]. "
                f"Received: x={x!r}."
            )
        shortcut, residual = x
        if not training:
            return shortcut + self.survival_probability * residual
        stays = keras.random.uniform((), seed=self.seed_generator) < self.survival_probability
        return shortcut + ops.where(stays, residual, ops.zeros_like(residual))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Returns the mask of the shortcut."""
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the shortcut."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "survival_probability": self.survival_probability}
