"""How much weights must grow to make up for an activation: the gain of any activation."""

import math
from typing import Literal, get_args

from kerastricks.theory._activations import Activation, resolve_activation
from kerastricks.theory._gaussian import normal_response

Preserve = Literal["second_moment", "variance"]
Direction = Literal["forward", "backward"]


def gain(
    activation: str | Activation,
    preserve: Preserve = "second_moment",
    direction: Direction = "forward",
) -> float:
    """Computes the factor by which weights must grow to make up for an activation.

    Use it to initialize layers behind any activation: weights of standard deviation
    `gain / sqrt(fan_in)` give normal pre-activations of variance 1 again in the next layer. Do not
    use it behind normalization layers, which set the scale themselves, and expect no fixed point
    from it: whether the variance stays at 1 through depth also depends on how it reacts to
    deviations (see `depth_scale`).

    For a standard normal z, with the activation f and its derivative f':

        direction="forward":   preserve="second_moment"   gain = 1 / sqrt(E[f(z)^2])
                               preserve="variance"        gain = 1 / sqrt(Var[f(z)])
        direction="backward":                             gain = 1 / sqrt(E[f'(z)^2])

    Conventions: "gain" names several quantities. The second moment is what the next layer's
    pre-activations inherit (He et al.). The variance is what scaled weight standardization, whose
    kernels have zero mean, passes on (gamma of NFNets: 1.7129 for the ReLU). Gradients have zero
    mean, so backward the two are one and `preserve` makes no difference. PyTorch's
    `calculate_gain` agrees for linear and rectified units; its 5/3 for tanh and 1 for sigmoid are
    conventions, where these integrals give 1.5925 and 1.8462.

    Names mean Keras' functions with their default arguments, the exact GELU and
    clip(x / 6 + 1/2, 0, 1) as `"hard_sigmoid"` (Keras 2 had x / 5). `"leaky_relu"` is refused,
    because frameworks disagree on its slope. Derivatives are those that automatic differentiation
    finds: a step counts as flat.

    Accuracy (relative): 1e-9 for smooth activations and for kinks and steps at multiples of 1/8,
    1e-7 for those elsewhere, 1e-5 for callables that compute in single precision.

    Args:
        activation: A name, such as `"tanh"`, or a callable that takes a one-dimensional numpy array
            of any length and returns one of the same shape, computed element by element in float32
            or better.
        preserve: `"second_moment"` or `"variance"`. Defaults to `"second_moment"`.
        direction: `"forward"`, for the scale of activations, or `"backward"`, for that of
            gradients. Defaults to `"forward"`.

    Returns:
        The gain, positive.

    Raises:
        TypeError: If `activation` is neither a string nor callable, or returns no real numbers.
        ValueError: If a name is unknown, if the activation returns another shape, NaN or infinity,
            if it mixes elements, or if no gain exists, because nothing comes through.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> round(kt.theory.gain("relu"), 4), round(kt.theory.gain("tanh"), 4)
    (1.4142, 1.5925)
    >>> round(kt.theory.gain(lambda x: x / (1 + np.exp(-x)), preserve="variance"), 4)  # SiLU
    1.7872

    Reference:
        He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, eq. 10 and 14. Klambauer,
        Unterthiner, Mayr, Hochreiter (2017), Self-Normalizing Neural Networks, for the SELU, whose
        gain is 1. Brock, De, Smith (2021), Characterizing signal propagation to close the
        performance gap in unnormalized ResNets, for `preserve="variance"`.
    """
    if preserve not in get_args(Preserve):
        raise ValueError(
            'Argument `preserve` must be "second_moment" (He et al.) or "variance" (scaled weight '
            f"standardization). Received: preserve={preserve!r}."
        )
    if direction not in get_args(Direction):
        raise ValueError(
            'Argument `direction` must be "forward" (activations) or "backward" (gradients). '
            f"Received: direction={direction!r}."
        )
    response = normal_response(resolve_activation(activation))
    second_moment = response.second_moment
    if second_moment == 0:
        raise ValueError(
            "There is no gain: the activation is zero for all normal inputs, and no weights can "
            f"make up for that. Received: activation={activation!r}. Correct the function, or "
            "shift it so that inputs around zero come through."
        )
    if direction == "backward":
        kept, lost = response.slope_second_moment, "its derivative is zero, so no gradient returns"
        ways_out = 'Use direction="forward", or the activation whose gradient stands in for it'
    elif preserve == "variance":
        kept, lost = response.variance, "it is constant, so no signal comes through"
        ways_out = 'Use preserve="second_moment", or another activation'
    else:
        return 1.0 / math.sqrt(second_moment)
    # What is left of a constant after rounding in single precision.
    if kept <= 1e-12 * second_moment:
        raise ValueError(
            f"There is no gain for preserve={preserve!r}, direction={direction!r}: around normal "
            f"inputs {lost}, whatever the weights. Received: activation={activation!r}. {ways_out}."
        )
    return 1.0 / math.sqrt(kept)
