"""Randomized asymmetric initialization: ReLU units that are rarely born dead."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from kerastricks.initializers._orthogonal import arranged
from kerastricks.initializers._random import (
    RandomInitializer,
    checked_float_dtype,
    drawing_dtype,
)
from kerastricks.theory import asymmetric_stddev
from kerastricks.theory._kernel_axes import checked_kernel, checked_sizes, kernel_axes


class _AwaitedBias(NamedTuple):
    """What the kernel drawn last leaves for the bias of its units."""

    fan_in: int
    special: npt.NDArray[np.bool_]
    values: npt.NDArray[np.float64]


@keras.saving.register_keras_serializable(package="kerastricks")
class RandomizedAsymmetric(RandomInitializer):
    """Randomized asymmetric initialization: one positive weight keeps each ReLU unit alive.

    Use it for narrow and deep ReLU networks, where symmetric weights leave whole layers that answer
    0 to every input. Of networks with one input, 10 layers and 2, 3 or 5 units in each, 88, 58 and
    13 % are constant functions from birth with `He`; 23, 6 and 0.4 % with this initializer and
    `bias=True`, 20, 10 and 1 % without. Do not use it for wide networks, which are hardly ever born
    dead (use `He`), nor behind activations that take both signs.

        weights = N(0, sigma^2 / fan_in),     sigma = sqrt(1 + 8 / (9 pi)) - 2 sqrt(2 / pi) / 3
        one random entry of each unit = Beta(2, 1)

    sigma = 0.6007 solves sigma^2 / 2 + 4 sigma / (3 sqrt(2 pi)) + 1 / 2 = 1, by which the second
    moment of ReLU outputs does not grow with depth on average.

    The paper picks that entry among the weights of a unit and its bias, but an initializer sees one
    variable at a time. There are two ways to use this one:

    - `bias=False`, as `kernel_initializer` alone: the entry is always a weight. A network with one
      input has a first layer of positive weights then, and is constant for negative inputs.
    - `bias=True`, the paper's rule: give the same instance as `kernel_initializer` and as
      `bias_initializer`. The entry falls on the bias with probability 1 / (fan_in + 1), and the
      vector drawn after a kernel becomes the bias of its units, normal like the weights and
      Beta(2, 1) where the entry fell on it. Saved models keep the instance shared. Where a layer is
      rebuilt from its config, as `keras.models.clone_model` does, its initializers are two
      instances; the one that sees no kernel then gives zeros.

    One instance gives every weight a new draw; a clone, `from_config(get_config())`, starts over.
    Fans follow `kerastricks.theory.compute_fans`; grouped convolutions need no argument, as their
    kernels already hold n_in / groups.

    Args:
        bias: Whether the same instance initializes the bias too; see above. Defaults to False.
        seed: Integer that makes the draws reproducible. Defaults to a random one. Warning:
            `keras.models.clone_model` gives every layer its own copy of a shared instance, and
            copies of a seeded one all start at the same draw, so that layers of equal shape come
            out identical. In models to be cloned, give each layer an instance with its own seed.
        kernel: What the axes of the weight stand for: `"convolution"` (for `Dense` too),
            `"depthwise"`, `"transposed"`, or the equation of an `EinsumDense` layer. Defaults to
            `"convolution"`.

    Call arguments:
        shape: Shape of the weight, of 2 axes or more; `(*receptive_field, n_in, n_out)` for a
            convolution. With `bias=True`, also the shape of the units of the kernel before.
        dtype: A floating-point type. Defaults to `keras.config.floatx()`. Half-precision values
            are drawn in float32 and cast.

    Returns:
        A tensor of that shape and type.

    Raises:
        TypeError: If `bias` is not a boolean, `seed` not an integer, or `kernel` not a string.
        ValueError: If `kernel` is none of the above, `shape` not that of such a kernel nor of the
            awaited bias, a size in it not positive, or `dtype` not a floating-point type.

    Example:
    >>> import keras, kerastricks as kt
    >>> start = kt.initializers.RandomizedAsymmetric(bias=True, seed=0)
    >>> layer = keras.layers.Dense(
    ...     3, "relu", kernel_initializer=start, bias_initializer=start
    ... )
    >>> layer.build((None, 2))
    >>> [tuple(weight.shape) for weight in layer.weights]
    [(2, 3), (3,)]

    Reference:
        Lu, Shin, Su, Karniadakis (2019), Dying ReLU and Initialization: Theory and Numerical
        Examples, section on randomized asymmetric initialization.

    Differs from the paper in:
        `bias=False` leaves the bias out of the choice. The paper starts all biases as it does
        weights; here that is up to `bias_initializer`.
    """

    def __init__(
        self, bias: bool = False, seed: int | None = None, *, kernel: str = "convolution"
    ) -> None:
        super().__init__(seed=seed)
        if not isinstance(bias, bool):
            raise TypeError(
                "Argument `bias` must be True, if this instance is also the layer's "
                f"`bias_initializer`, or False. Received: bias={bias!r} (of type "
                f"{type(bias).__name__})."
            )
        self.bias = bias
        self.kernel = checked_kernel(kernel)
        self._awaited: _AwaitedBias | None = None

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Draws a kernel or the bias of its units; see the class."""
        sizes, dtype = checked_sizes(shape), checked_float_dtype(dtype)
        if self.bias and (
            len(sizes) < 2 or (self._awaited and sizes == self._awaited.special.shape)
        ):
            return self._draw_bias(sizes, dtype)
        return self._draw_kernel(sizes, dtype)

    def _draw_kernel(self, shape: tuple[int, ...], dtype: str) -> Any:
        axes = kernel_axes(shape, self.kernel)
        summed, units = axes.taps + axes.inputs, axes.blocks + axes.outputs
        fan_in = axes.count(summed)
        kernels = (axes.count(axes.blocks), fan_in, axes.count(axes.outputs))
        stddev = asymmetric_stddev(fan_in)
        values = self._draw(kernels, stddev, "normal", drawing_dtype(dtype))
        generator = np.random.default_rng(self._next_seed())
        places = generator.integers(fan_in + self.bias, size=(kernels[0], 1, kernels[2]))
        special = generator.beta(2.0, 1.0, size=places.shape)
        if self.bias:
            unit_sizes = tuple(axes.shape[axis] for axis in units)
            self._awaited = _AwaitedBias(
                fan_in, (places == fan_in).reshape(unit_sizes), special.reshape(unit_sizes)
            )
        values = _replaced(values, np.arange(fan_in)[:, None] == places, special)
        order = axes.blocks + summed + axes.outputs
        return keras.ops.cast(arranged(values, order, axes, shape), dtype)

    def _draw_bias(self, shape: tuple[int, ...], dtype: str) -> Any:
        if self._awaited is None:
            return keras.ops.zeros(shape, dtype)
        fan_in, special, special_values = self._awaited
        if math.prod(shape) != special.size:
            raise ValueError(
                f"Argument `shape` must be that of the bias of {special.size} units, which the "
                f"kernel drawn before has. Received: shape={shape}. With bias=True the instance "
                "must initialize the kernel and the bias of the same layers; for other vectors "
                "use another initializer."
            )
        stddev = asymmetric_stddev(fan_in)
        values = self._draw(shape, stddev, "normal", drawing_dtype(dtype))
        self._awaited = None
        values = _replaced(values, special.reshape(shape), special_values.reshape(shape))
        return keras.ops.cast(values, dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer, at its first draw."""
        return {"bias": self.bias, **super().get_config(), "kernel": self.kernel}


def _replaced(
    values: Any, where: npt.NDArray[np.bool_], replacements: npt.NDArray[np.float64]
) -> Any:
    return keras.ops.where(where, keras.ops.cast(replacements, values.dtype), values)
