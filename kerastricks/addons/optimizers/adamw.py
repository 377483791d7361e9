"""Keras' Adam, with the weight decay of TensorFlow Addons."""

from typing import Any

import keras

from kerastricks.addons.optimizers.weight_decay import DecoupledWeightDecayExtension


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class AdamW(DecoupledWeightDecayExtension, keras.optimizers.Adam):
    """Adam with decoupled weight decay, by a share that the learning rate does not change.

    `keras.optimizers.AdamW` is not the same: it multiplies the decay by the learning rate. Where
    both are numbers, this is `keras.optimizers.AdamW(weight_decay=weight_decay / learning_rate)`;
    prefer that in new code. The update is `keras.optimizers.Adam`'s own, after

        var = var - weight_decay * var

    A learning rate that falls needs a `weight_decay` that falls along with it: give both a
    schedule.

    Args:
        weight_decay: The share of the weights that each step takes away: a number, a
            `LearningRateSchedule`, or a function without arguments.
        learning_rate: A number, a `LearningRateSchedule` or a function. Defaults to 0.001.
        beta_1: Decay of the first moment. Defaults to 0.9.
        beta_2: Decay of the second moment. Defaults to 0.999.
        epsilon: The paper's epsilon hat (before section 2.1 of the paper on Adam). Defaults to
            1e-7.
        amsgrad: Whether the second moment may only grow. Defaults to False.
        name: Name of the optimizer. Defaults to `"AdamW"`.
        **kwargs: `exclude_from_weight_decay`, a list of regular expressions for the paths of
            variables not to decay; arguments of every Keras optimizer; and of Keras 2 `lr` for
            `learning_rate` and `decay`, which divides the learning rate by `1 + decay * step`.

    Raises:
        TypeError: If `weight_decay` is no number, schedule or function, or
            `exclude_from_weight_decay` no list.
        ValueError: If `weight_decay` is negative.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> optimizer = tfa.optimizers.AdamW(0.25, learning_rate=1e-3)
    >>> weights = keras.Variable([2.0])
    >>> _ = optimizer.apply_gradients([(keras.ops.convert_to_tensor([0.0]), weights)])
    >>> weights.numpy().tolist()
    [1.5]

    Reference:
        Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization, algorithm 2.

    Differs from the paper in: `weight_decay` is the paper's lambda times its schedule multiplier.
    Differs from TensorFlow Addons in: see `DecoupledWeightDecayExtension`.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        name: str = "AdamW",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            amsgrad=amsgrad,
            name=name,
            **kwargs,
        )
