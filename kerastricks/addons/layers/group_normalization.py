"""Normalization of groups of channels."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class GroupNormalization(keras.layers.GroupNormalization):
    """Normalizes groups of channels of each sample to mean 0 and variance 1.

    It is `keras.layers.GroupNormalization`, with its arguments, its weights and its class as base;
    it refuses to normalize along the batch, as TensorFlow Addons does.

    Args:
        groups: Number of groups, which divides the number of channels; -1 for one a channel.
            Defaults to 32.
        axis: The axis of the channels, other than 0. Defaults to the last.
        epsilon: A small number that is added to the variance. Defaults to 1e-3.
        center: Whether to add `beta`. Defaults to True.
        scale: Whether to multiply by `gamma`. Defaults to True.
        beta_initializer: Initializer of `beta`. Defaults to zeros.
        gamma_initializer: Initializer of `gamma`. Defaults to ones.
        beta_regularizer: Regularizer of `beta`.
        gamma_regularizer: Regularizer of `gamma`.
        beta_constraint: Constraint of `beta`.
        gamma_constraint: Constraint of `gamma`.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor of rank 2 or more.

    Returns:
        A tensor of the same shape.

    Raises:
        ValueError: If `axis` is 0, `groups` is no number of groups, or it does not divide the
            number of channels.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> y = tfa.layers.GroupNormalization(2)(keras.ops.array([[1.0, 3.0, 10.0, 30.0]]))
    >>> [round(float(value), 2) for value in y[0]]
    [-1.0, 1.0, -1.0, 1.0]

    Reference:
        Wu, He (2018), Group Normalization, eq. 7.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        if axis == 0:
            raise ValueError(
                "Argument `axis` must not be 0: samples are normalized one by one, along the axis "
                "of their channels. To normalize over the batch take "
                "`kerastricks.layers.BatchNormalization`. Received: axis=0."
            )
        # Keras 3.10 does not look.
        if not isinstance(groups, int) or (groups < 1 and groups != -1):
            raise ValueError(
                "Argument `groups` must be a positive integer, or -1 for one group a channel. "
                f"Received: groups={groups!r}."
            )
        super().__init__(
            groups=groups,
            axis=axis,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
