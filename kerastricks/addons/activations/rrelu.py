"""Rectifier with random slopes for negative inputs."""

import math
from functools import cache
from numbers import Real
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def rrelu(
    x: Any,
    lower: float = 0.125,
    upper: float = 0.3333333333333333,
    training: bool | None = None,
    seed: int | None = None,
    rng: Any = None,
) -> Any:
    """Randomized leaky rectifier: in training each negative input gets a slope of its own.

        f(x) = x        if x >= 0
        f(x) = a * x    if x <  0

        training   a ~ uniform(lower, upper)
        inference  a = (lower + upper) / 2

    `training=None` means what the layer that calls the function is told, and False outside of any
    layer. In new code take the layer `kerastricks.layers.RandomizedLeakyReLU`, which keeps its own
    random numbers; on JAX, where a compiled step can draw none that it is not handed, only that
    one trains without a `seed` or an `rng`.

    Args:
        x: A floating-point tensor of any shape.
        lower: The least slope. Defaults to 1/8.
        upper: The greatest slope. Defaults to 1/3.
        training: Whether to draw. Defaults to what the layer around it does.
        seed: Integer. The same one gives the same slopes, in each call: for new ones give `rng`.
        rng: A `keras.random.SeedGenerator`, each call of which gives new slopes; or with the
            TensorFlow backend a `tf.random.Generator`. Not together with `seed`.

    Returns:
        A tensor of the same shape and type.

    Raises:
        ValueError: If both `seed` and `rng` are given, or a slope is NaN or infinite.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.array([-1.0, 0.0, 1.0])
    >>> [round(float(value), 4) for value in tfa.activations.rrelu(x, training=False)]
    [-0.2292, 0.0, 1.0]

    Reference:
        Xu, Wang, Chen, Li (2015), Empirical Evaluation of Rectified Activations in Convolutional
        Network, section 2.4.

    Differs from TensorFlow Addons in: the numbers drawn from a seed are others, and the same
    in each call.
    """
    x = ops.convert_to_tensor(x)
    for name, slope in (("lower", lower), ("upper", upper)):
        if isinstance(slope, Real) and not math.isfinite(slope):
            raise ValueError(f"Argument `{name}` must be a finite slope. Received: {name}={slope}")
    if training is None:
        training = _training_around(x)
    if not training:
        return ops.where(x >= 0, x, x * ((lower + upper) / 2))
    if rng is not None and seed is not None:
        raise ValueError(
            "Give either `seed`, for the same slopes in each call, or `rng`, for new ones, not "
            f"both. Received: seed={seed!r}, rng={rng!r}."
        )
    if hasattr(rng, "uniform"):
        slopes = rng.uniform(ops.shape(x), lower, upper, dtype=x.dtype)
    else:
        dtype = keras.backend.standardize_dtype(x.dtype)
        slopes = keras.random.uniform(
            ops.shape(x), lower, upper, dtype=dtype, seed=seed if rng is None else rng
        )
    return ops.where(x >= 0, x, slopes * x)


class _Phase(keras.layers.Layer):
    """Hears from Keras whether the layer around it trains."""

    supports_masking = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        self.around = training
        return inputs


@cache
def _phase() -> _Phase:
    return _Phase(name="phase", autocast=False)


def _training_around(x: Any) -> bool:
    phase = _phase()
    phase(x)
    return bool(phase.around)
