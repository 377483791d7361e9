"""Hue, saturation and value, changed by one matrix in YIQ."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.addons.image._images import as_batch, dtype_of, floating
from kerastricks.addons.image._kernels import Seed, Tensor, uniform

_TO_YIQ = np.array([[0.299, 0.596, 0.211], [0.587, -0.274, -0.523], [0.114, -0.322, 0.312]])
_FROM_YIQ = np.array(
    [
        [1.0, 1.0, 1.0],
        [0.95617069, -0.2726886, -1.103744],
        [0.62143257, -0.64681324, 1.70062309],
    ]
)
"""RGB rows times the first are YIQ, times the second RGB again, but for 1e-6."""


def adjust_hsv_in_yiq(
    image: Any,
    delta_hue: Any = 0,
    scale_saturation: Any = 1,
    scale_value: Any = 1,
    name: str | None = None,
) -> Tensor:
    """Turn the hue of RGB images, and scale their saturation and value, in YIQ.

    With v = scale_value, s = v * scale_saturation and h = delta_hue, (Y, I, Q) becomes

        (v Y,  s (cos(h) I - sin(h) Q),  s (sin(h) I + cos(h) Q))

    Args:
        image: (H, W, 3) or (B, H, W, 3): floating-point numbers, or whole ones, of which the
            dtype's largest is white.
        delta_hue: Angle in radians. Defaults to 0.
        scale_saturation: Factor of saturation. Defaults to 1.
        scale_value: Factor of value. Defaults to 1.
        name: Taken for compatibility; has no effect.

    Returns:
        Images of the same shape and dtype. Whole numbers are kept in range.

    Raises:
        TypeError: If the values are no numbers.
        ValueError: If the rank is less than 3, or there are not 3 channels.

    Example:
    >>> import keras
    >>> adjusted = adjust_hsv_in_yiq([[[10.0, 20.0, 40.0]]], scale_value=0.5)
    >>> [round(float(v), 2) for v in adjusted[0, 0]]
    [5.0, 10.0, 20.0]

    Reference:
        Shagam (2011), HSV transforms, https://beesbuzz.biz/code/16-hsv-color-transforms.

    Differs from TensorFlow Addons in: whole numbers beyond the dtype's range become the nearest in
    range; there they wrap around, 300 to 44. They are rounded as `tf.image.convert_image_dtype`
    does it, here and there.
    """
    image = ops.convert_to_tensor(image)
    as_batch(image)
    if len(image.shape) < 3 or image.shape[-1] not in (None, 3):
        raise ValueError(
            "`image` must be RGB: (height, width, 3) or (batch, height, width, 3). "
            f"Received: an image of shape {tuple(image.shape)}"
        )
    dtype = dtype_of(image)
    values = floating(image)
    matrix = _matrix(dtype_of(values), delta_hue, scale_saturation, scale_value)
    # Three products a channel are exact on accelerators too, whose matrix products are rounded.
    channels = [values[..., channel, None] * matrix[channel] for channel in range(3)]
    adjusted = channels[0] + channels[1] + channels[2]
    if keras.backend.is_float_dtype(dtype):
        return ops.cast(adjusted, dtype)
    # 256 equal parts of the range from black to white, as in TensorFlow.
    most = np.iinfo(dtype).max
    return ops.saturate_cast(adjusted * ((most + 0.5) / most), dtype)


def random_hsv_in_yiq(
    image: Any,
    max_delta_hue: float = 0,
    lower_saturation: float = 1,
    upper_saturation: float = 1,
    lower_value: float = 1,
    upper_value: float = 1,
    seed: Seed = None,
    name: str | None = None,
) -> Tensor:
    """Change hue, saturation and value of RGB images in YIQ by chance, all images alike.

    `delta_hue` is drawn uniformly from [-max_delta_hue, max_delta_hue), `scale_saturation` from
    [lower_saturation, upper_saturation), `scale_value` from [lower_value, upper_value).

    Args:
        image: As for `adjust_hsv_in_yiq`.
        max_delta_hue: Largest angle in radians, 0 or more. Defaults to 0.
        lower_saturation: Least factor of saturation, 0 or more. Defaults to 1.
        upper_saturation: Largest factor of saturation. Defaults to 1.
        lower_value: Least factor of value, 0 or more. Defaults to 1.
        upper_value: Largest factor of value. Defaults to 1.
        seed: An integer makes what the calls of a program draw a sequence that it fixes. Defaults
            to None, which follows `keras.utils.set_random_seed`. Inside a function that JAX
            compiles give a `keras.random.SeedGenerator`.
        name: Taken for compatibility; has no effect.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: If a bound is negative, a lower one is above the upper one, or the images are
            not RGB.

    Example:
    >>> import keras
    >>> out = random_hsv_in_yiq([[[10.0, 20.0, 40.0]]], lower_value=0.5, upper_value=2.0)
    >>> bool(5.0 <= float(out[0, 0, 0]) <= 20.0)
    True

    Differs from TensorFlow Addons in: the three are drawn independently; there, with a `seed` in a
    graph, all are the same share of their ranges. The numbers that a seed gives are others.
    """
    lows = {
        "max_delta_hue": max_delta_hue,
        "lower_saturation": lower_saturation,
        "lower_value": lower_value,
    }
    for argument, low in lows.items():
        if low < 0:
            raise ValueError(f"`{argument}` must not be negative. Received: {argument}={low}")
    for what, low, high in (
        ("saturation", lower_saturation, upper_saturation),
        ("value", lower_value, upper_value),
    ):
        if low > high:
            raise ValueError(
                f"`lower_{what}` must not be greater than `upper_{what}`. "
                f"Received: lower_{what}={low}, upper_{what}={high}"
            )
    drawn = uniform((3,), seed)
    hue, saturation, value = (
        low + (high - low) * drawn[position]
        for position, (low, high) in enumerate(
            (
                (-max_delta_hue, max_delta_hue),
                (lower_saturation, upper_saturation),
                (lower_value, upper_value),
            )
        )
    )
    return adjust_hsv_in_yiq(image, hue, saturation, value)


def _matrix(dtype: str, hue: Any, saturation: Any, value: Any) -> Tensor:
    """The matrix (3, 3) that rows of RGB are multiplied by."""
    hue, saturation, value = (ops.cast(each, dtype) for each in (hue, saturation, value))
    chroma = value * saturation
    turn = {"value": value, "cos": chroma * ops.cos(hue), "sin": chroma * ops.sin(hue)}
    parts = {
        "value": np.diag([1.0, 0.0, 0.0]),
        "cos": np.diag([0.0, 1.0, 1.0]),
        "sin": np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    }
    # The factors of what is given later come out of a product of what is known now.
    weighed = [
        factor * ops.convert_to_tensor(_TO_YIQ @ parts[part] @ _FROM_YIQ, dtype)
        for part, factor in turn.items()
    ]
    return weighed[0] + weighed[1] + weighed[2]
