"""Normalization of each channel of each sample."""

from typing import Any

import keras

from kerastricks.addons.layers.group_normalization import GroupNormalization


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class InstanceNormalization(GroupNormalization):
    """Normalizes each channel of each sample to mean 0 and variance 1.

    It is group normalization with a group for each channel. Use it for style transfer and other
    image-to-image networks, where contrast shall not matter. Its config has the number of groups,
    which says how many channels there were and is not read.

    Args:
        **kwargs: Arguments of `GroupNormalization`, among them `axis`, `epsilon`, `center` and
            `scale`, by name. A value of `groups` is not read.

    Call arguments:
        inputs: A floating-point tensor of rank 3 or more.

    Returns:
        A tensor of the same shape.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> y = tfa.layers.InstanceNormalization()(keras.ops.array([[[1.0, 10.0], [3.0, 30.0]]]))
    >>> [[round(float(value), 2) for value in row] for row in y[0]]
    [[-1.0, -1.0], [1.0, 1.0]]

    Reference:
        Ulyanov, Vedaldi, Lempitsky (2016), Instance Normalization: The Missing Ingredient for Fast
        Stylization, eq. 2.

    Differs from TensorFlow Addons in: it works for an `axis` counted from the end other than -1,
    for which that one leaves out the wrong axis.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "groups": -1})
