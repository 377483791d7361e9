"""The checks that the arguments and inputs of batch normalization pass."""

import operator
from typing import Literal, get_args

from kerastricks.layers._complement import complement
from kerastricks.theory._checks import checked_integer, checked_number

Average = Literal["exponential", "debiased", "cumulative"]


def chosen_alpha(alpha: float | None, momentum: float | None) -> float:
    """Returns the alpha that one of the two arguments gives, 0.01 without either."""
    if alpha is not None and momentum is not None:
        raise ValueError(
            "Arguments `alpha` and `momentum` say the same thing (alpha = 1 - momentum), so only "
            f"one may be given. Received: alpha={alpha!r}, momentum={momentum!r}. "
            "Leave out `momentum`."
        )
    if momentum is not None:
        return alpha_from_momentum(momentum)
    return 0.01 if alpha is None else checked_alpha(alpha)


def checked_alpha(alpha: float) -> float:
    """Returns the weight of the new batch, or raises an error."""
    return checked_number(
        alpha,
        "alpha",
        "in (0, 1]: the weight of the new batch in the moving averages",
        lambda a: 0 < a <= 1,
        "Keras' momentum m is alpha=1 - m; to freeze the layer, set `trainable=False`.",
    )


def alpha_from_momentum(momentum: float) -> float:
    """Returns the alpha that belongs to Keras' momentum, or raises an error."""
    return complement(
        checked_number(
            momentum,
            "momentum",
            "in [0, 1): the weight of the old moving averages",
            lambda m: 0 <= m < 1,
            "PyTorch's momentum is `alpha` here; to freeze the layer, set `trainable=False`.",
        )
    )


def checked_average(average: Average) -> Average:
    """Returns the kind of moving average, or raises an error that lists them."""
    if average not in get_args(Average):
        raise ValueError(
            'Argument `average` must be "exponential" (as in Keras), "debiased" (without the '
            f'start) or "cumulative" (all batches alike). Received: average={average!r}.'
        )
    return average


def checked_axis(axis: object) -> int:
    """Returns the axis as an int, or raises an error that points to `alpha`."""
    try:
        if isinstance(axis, bool):
            raise TypeError
        return operator.index(axis)  # type: ignore[arg-type]
    except TypeError as error:
        raise TypeError(
            f"Argument `axis` must be an integer. Received: axis={axis!r} (of type "
            f"{type(axis).__name__}). To set the averaging factor, write `alpha={axis!r}`."
        ) from error


def checked_virtual_batch_size(size: int | None) -> int | None:
    """Returns the number of samples that are normalized together, or raises an error."""
    if size is None:
        return None
    return checked_integer(
        size,
        "virtual_batch_size",
        "a positive integer, the samples that are normalized together, or None for the whole batch",
    )


def check_combination(
    average: Average,
    unbiased_variance: bool,
    virtual_batch_size: int | None,
    *,
    renorm: bool,
    synchronized: bool,
) -> None:
    """Raises a ValueError if the arguments exclude each other."""
    ours = {
        "average": (average, "exponential"),
        "unbiased_variance": (unbiased_variance, False),
        "virtual_batch_size": (virtual_batch_size, None),
    }
    changed = [f"{name}={value!r}" for name, (value, plain) in ours.items() if value != plain]
    if renorm and changed:
        raise ValueError(
            "With `renorm=True` the averages are Keras' and take part in the training, so "
            f"`{'`, `'.join(ours)}` must keep their defaults. Received: {', '.join(changed)}. "
            "Leave out these, or `renorm`."
        )
    if synchronized and virtual_batch_size is not None:
        raise ValueError(
            "`synchronized=True` joins the batches of all replicas for their statistics, and "
            "`virtual_batch_size` cuts them into groups. Received both: "
            f"virtual_batch_size={virtual_batch_size}. Leave out one."
        )


def check_input_shape(
    input_shape: tuple[int | None, ...], axis: int, virtual_batch_size: int | None
) -> None:
    """Raises a ValueError if inputs of this shape cannot be normalized along the axis."""
    rank = len(input_shape)
    received = f"Received: inputs of shape {tuple(input_shape)}, axis={axis}."
    if rank < 2:
        raise ValueError(f"The inputs need a batch axis and one of channels. {received}")
    if not -rank <= axis < rank:
        raise ValueError(f"The inputs have no axis {axis}. {received}")
    channels = axis % rank
    if input_shape[channels] is None:
        raise ValueError(
            f"The size of the channels' axis must be known, one weight each. {received} "
            "Give it in `keras.Input(shape)`, or choose another axis."
        )
    if 0 in (*input_shape[1:], input_shape[channels]):
        raise ValueError(f"Only the batch may be of size 0. {received}")
    if virtual_batch_size is not None:
        if channels == 0:
            raise ValueError(
                "`virtual_batch_size` cuts the batch, which is the channels' axis here. "
                f"{received} Leave it out, or choose another axis."
            )
        others = [size for a, size in enumerate(input_shape) if a not in (0, channels)]
        if virtual_batch_size == 1 and all(size == 1 for size in others):
            raise ValueError(
                "With virtual_batch_size=1 each group has one entry a channel, which is its "
                f"own mean: the outputs would all be beta. {received} Choose larger groups."
            )


def check_divisible(samples: int | None, size: int | None) -> None:
    """Raises a ValueError if the batch, where its size is known, cannot be cut into groups."""
    if size is not None and samples is not None and samples % size:
        raise ValueError(
            f"The batch must be a multiple of virtual_batch_size={size}. Received: a batch of "
            f"{samples}. Drop the rest of the data (`drop_remainder=True` in tf.data), or "
            "choose a divisor of the batch size."
        )
