"""Batch normalization whose averaging factor weighs the new batch."""

import operator
from typing import Any

import keras

from kerastricks.layers._complement import complement
from kerastricks.theory._checks import checked_number


@keras.saving.register_keras_serializable(package="kerastricks")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization with `alpha`, the weight of the newest batch in the moving averages.

    Use it between a layer and its activation (then the layer before needs no bias) to train
    deeper networks at higher learning rates. Do not use it with a handful of samples a batch,
    where the batch's statistics are mostly noise, nor behind dropout, which shifts the variance
    between training and inference.

    Training normalizes with the statistics of the batch and moves the averages:

        moving_mean     = alpha * mean(batch)     + (1 - alpha) * moving_mean
        moving_variance = alpha * variance(batch) + (1 - alpha) * moving_variance

    Inference, or `trainable = False`, normalizes with the averages:

        y = gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta

    The averages start at 0 and 1, and (1 - alpha)^t of that start is left after t batches. With
    the default, 36.6 % after 100 batches and 1 % after 458: for a shorter training raise `alpha`,
    or inference will not match training.

    Conventions: `alpha` is 1 - momentum of Keras (0.99 there is 0.01 here) and equals momentum of
    PyTorch (0.1 there is 0.1 here). As in Keras 3, variance(batch) divides by n; PyTorch divides
    by n - 1 for the moving variance. PyTorch's `eps` defaults to 1e-5.

    The layer is a `keras.layers.BatchNormalization`: same computation, same weights under the same
    names in the same order, so `get_weights` and `set_weights` move them both ways. All arguments
    behind `axis` are keyword-only: Keras' second positional argument is the momentum, and a
    swapped import must not read a momentum of 0.99 as an alpha.

    Args:
        axis: The axis whose entries are normalized apart, usually the channels. Integer,
            defaults to -1; use 1 for `data_format="channels_first"`.
        alpha: Weight of the new batch, in (0, 1]. 1 keeps the last batch's statistics only. 0
            would never move the averages and is refused: to freeze the layer, set
            `trainable=False`. Defaults to 0.01.
        momentum: Keras' name for 1 - alpha, in [0, 1), in the place of `alpha`. Never both.
        epsilon: Added to the variance; in [0, inf). Defaults to 1e-3.
        **kwargs: Every other argument of `keras.layers.BatchNormalization` in the installed Keras:
            `center`, `scale`, initializers, regularizers, constraints, `synchronized`, from Keras
            3.14 on `renorm`, `renorm_clipping`, `renorm_momentum`, and `name`, `dtype` and so on.

    Call arguments:
        inputs: A tensor of rank 2 or more.
        training: Whether to normalize with the batch and to move the averages.
        mask: Optional boolean tensor of one rank less than `inputs`; entries that are False do not
            count in the statistics.

    Returns:
        A tensor of the shape of `inputs`, in the layer's compute type.

    Raises:
        TypeError: If `axis` is not an integer, or `alpha`, `momentum` or `epsilon` not a number.
        ValueError: If one of them is out of range, or both `alpha` and `momentum` are given.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.BatchNormalization(alpha=0.25)
    >>> y = layer(keras.ops.array([[2.0], [6.0]]), training=True)
    >>> float(layer.moving_mean[0])  # 0.25 * 4 + 0.75 * 0
    1.0
    >>> kt.layers.BatchNormalization(momentum=0.99).alpha
    0.01

    Reference:
        Ioffe, Szegedy (2015), Batch Normalization: Accelerating Deep Network Training by Reducing
        Internal Covariate Shift, algorithms 1 and 2.

    Differs from the paper in: the paper averages the unbiased variances of many batches after
    training (algorithm 2, step 10); here, as in Keras, a moving average of the biased variances is
    taken along the way.
    """

    def __init__(
        self,
        axis: int = -1,
        *,
        alpha: float | None = None,
        momentum: float | None = None,
        epsilon: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        alpha = _checked_alpha(alpha, momentum)
        super().__init__(
            axis=_checked_axis(axis),
            epsilon=checked_number(epsilon, "epsilon", "in [0, inf)", lambda e: e >= 0),
            **kwargs,
        )
        self.alpha = alpha  # over that of Keras' default momentum, which the setter below left

    @property
    def momentum(self) -> float:
        """Keras' name for `1 - alpha`; setting it sets `alpha`."""
        return complement(self.alpha)

    @momentum.setter
    def momentum(self, momentum: float) -> None:
        self.alpha = _checked_alpha(None, momentum)

    def get_config(self) -> dict[str, Any]:
        """Returns Keras' config of the layer with `alpha` in the place of `momentum`."""
        config: dict[str, Any] = super().get_config()
        del config["momentum"]
        return {**config, "alpha": self.alpha}


def _checked_alpha(alpha: float | None, momentum: float | None) -> float:
    if momentum is None:
        return checked_number(
            0.01 if alpha is None else alpha,
            "alpha",
            "in (0, 1]: the weight of the new batch in the moving averages",
            lambda a: 0 < a <= 1,
            "Keras' momentum m is alpha=1 - m; to freeze the layer, set `trainable=False`.",
        )
    if alpha is not None:
        raise ValueError(
            "Arguments `alpha` and `momentum` say the same thing (alpha = 1 - momentum), so only "
            f"one may be given. Received: alpha={alpha!r}, momentum={momentum!r}. "
            "Leave out `momentum`."
        )
    return complement(
        checked_number(
            momentum,
            "momentum",
            "in [0, 1): the weight of the old moving averages",
            lambda m: 0 <= m < 1,
            "PyTorch's momentum is `alpha` here; to freeze the layer, set `trainable=False`.",
        )
    )


def _checked_axis(axis: object) -> int:
    try:
        if isinstance(axis, bool):
            raise TypeError
        return operator.index(axis)  # type: ignore[arg-type]
    except TypeError as error:
        raise TypeError(
            f"Argument `axis` must be an integer. Received: axis={axis!r} (of type "
            f"{type(axis).__name__}). To set the averaging factor, write `alpha={axis!r}`."
        ) from error
