"""Keras' SGD, with the weight decay of TensorFlow Addons."""

from typing import Any

import keras

from kerastricks.addons.optimizers.weight_decay import DecoupledWeightDecayExtension


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class SGDW(DecoupledWeightDecayExtension, keras.optimizers.SGD):
    """SGD with decoupled weight decay, by a share that the learning rate does not change.

    `keras.optimizers.SGD(weight_decay=...)` is not the same: it multiplies the decay by the
    learning rate. Where both are numbers, this is that with `weight_decay / learning_rate`; prefer
    that in new code. The update is `keras.optimizers.SGD`'s own, after

        var = var - weight_decay * var

    A learning rate that falls needs a `weight_decay` that falls along with it: give both a
    schedule.

    Args:
        weight_decay: The share of the weights that each step takes away: a number, a
            `LearningRateSchedule`, or a function without arguments.
        learning_rate: A number, a `LearningRateSchedule` or a function. Defaults to 0.001.
        momentum: The share of the last step that goes on, in [0, 1]. Defaults to 0.
        nesterov: Whether the momentum looks ahead. Defaults to False.
        name: Name of the optimizer. Defaults to `"SGDW"`.
        **kwargs: `exclude_from_weight_decay`, a list of regular expressions for the paths of
            variables not to decay; arguments of every Keras optimizer; and of Keras 2 `lr` for
            `learning_rate` and `decay`, which divides the learning rate by `1 + decay * step`.

    Raises:
        TypeError: If `weight_decay` is no number, schedule or function, or
            `exclude_from_weight_decay` no list.
        ValueError: If `weight_decay` is negative, or `momentum` not in [0, 1].

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> optimizer = tfa.optimizers.SGDW(0.25, learning_rate=1.0)
    >>> weights = keras.Variable([2.0])
    >>> _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([1.0]), weights)])
    >>> weights.numpy().tolist()
    [0.5]

    Reference:
        Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization, algorithm 1.

    Differs from the paper in: the decay comes before the step, without its schedule multiplier.
    Differs from TensorFlow Addons in: see `DecoupledWeightDecayExtension`.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any = 0.001,
        momentum: float = 0.0,
        nesterov: bool = False,
        name: str = "SGDW",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            momentum=float(momentum),
            nesterov=nesterov,
            name=name,
            **kwargs,
        )
