"""The value contract: which numbers come in, which go out, and how they are rounded."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.checks import is_number
from kerastricks.augment.kernels import Ops, Tensor


def _integer_limits(dtype: str) -> tuple[int, int] | None:
    """Give the smallest and largest value of an integer dtype, None for others."""
    if not dtype.startswith(("int", "uint")):
        return None
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _span_in_float32(low: float, high: float) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.float32(high) - np.float32(low))


def _float32_up_to(value: float) -> float:
    """Give the largest number of float32 that is no larger."""
    found = np.float32(value)
    return float(found if found <= value else np.nextafter(found, np.float32(0)))


def _is_numeric(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "float", "bfloat"))


@dataclass(frozen=True)
class ValueContract:
    """Say what range images live in, and bring results back into it and into their dtype.

    Arithmetic runs in float32. Results are clipped to the range, rounded half to even where the
    output is of an integer dtype (truncation would darken by half a level), and cast.

    Args:
        value_range: Darkest and brightest value, (low, high) with low < high.
        output_dtype: The dtype that comes out; None keeps the images' own.

    Raises:
        ValueError: No range, no numeric dtype, or a dtype that cannot hold the range.

    Example:
    >>> ValueContract((0, 255), None).result_dtype("uint8")
    'uint8'
    """

    value_range: tuple[float, float]
    output_dtype: str | None

    def __post_init__(self) -> None:
        pair = self.value_range
        valid = isinstance(pair, (tuple, list)) and len(pair) == 2 and all(map(is_number, pair))
        if not valid or not 0 < _span_in_float32(*pair) < math.inf:
            raise ValueError(
                "`value_range` is the pair (low, high) of the darkest and the brightest value, "
                "with low < high as float32, such as (0, 255) or (0, 1). "
                f"Received: value_range={pair!r}"
            )
        object.__setattr__(self, "value_range", (float(pair[0]), float(pair[1])))
        if self.output_dtype is None:
            return
        try:
            dtype = keras.backend.standardize_dtype(self.output_dtype)
        except (TypeError, ValueError):
            dtype = None
        if dtype is None or not _is_numeric(dtype):
            raise ValueError(
                "`output_dtype` is an integer or floating-point dtype, or None for the images' "
                f"own. Received: output_dtype={self.output_dtype!r}"
            )
        object.__setattr__(self, "output_dtype", dtype)
        limits = _integer_limits(dtype)
        low, high = self.value_range
        if limits and (low < limits[0] or high > limits[1] or high - low <= 1):
            raise ValueError(
                f"`output_dtype={dtype!r}` cannot hold values of value_range={self.value_range}. "
                "Ask for a floating-point dtype, or declare the range the images have."
            )

    @property
    def low(self) -> float:
        """The darkest value."""
        return self.value_range[0]

    @property
    def span(self) -> float:
        """The brightest value less the darkest."""
        return self.value_range[1] - self.value_range[0]

    def result_dtype(self, dtype: str) -> str:
        """Give the dtype that images of a dtype come out in.

        Args:
            dtype: The images' dtype.

        Raises:
            ValueError: Images of that dtype cannot be in the declared range.
        """
        if not _is_numeric(dtype):
            raise ValueError(f"Images are of an integer or floating-point dtype. Received: {dtype}")
        low, high = self.value_range
        if _integer_limits(dtype) and high - low <= 1:
            raise ValueError(
                f"Images of dtype {dtype} do not fit value_range=({low:g}, {high:g}). Pass the "
                "range they have, such as (0, 255), or scale them to floating point first."
            )
        return self.output_dtype or dtype

    def check(self, images: NDArray[Any]) -> None:
        """Look at a first batch: values far outside of the range were declared wrongly.

        A tenth of the range is let pass beyond either end, where resampling with a sharp filter may
        have put values.

        Args:
            images: Images of any shape.

        Raises:
            ValueError: Values outside of the range, which would be clipped, or NaN.

        Warns:
            UserWarning: Values from 0 to 1 in a range that is far larger.
        """
        slack = self.span / 10.0
        least, most = self.low - slack, self.value_range[1] + slack
        limits = _integer_limits(images.dtype.name)
        if not images.size or (limits and least <= limits[0] and limits[1] <= most):
            return
        if images.dtype.kind not in "fiu":  # numpy does not know of bfloat16
            images = images.astype("float32")
        low, high = float(images.min()), float(images.max())
        if math.isnan(low):
            raise ValueError(
                "Images have values that are no numbers (NaN). Look for what made them: a division "
                "by a standard deviation of 0, say, or damaged data."
            )
        if low < least or high > most:
            raise ValueError(
                f"Images have values from {low:g} to {high:g}, outside of value_range="
                f"({self.low:g}, {self.value_range[1]:g}), where they would be clipped. Declare "
                "the range that they have, such as value_range=(0, 1)."
            )
        # Levels of a byte, say: in a range like (-1, 1) such values are nothing special.
        if not limits and 0 <= low < high <= 1 and self.span > 50:
            warnings.warn(
                f"Images have values from {low:g} to {high:g}, and were declared to have "
                f"value_range=({self.low:g}, {self.value_range[1]:g}). If they are scaled, pass "
                "value_range=(0, 1): strengths count in shares of the range.",
                stacklevel=2,
            )

    def finish(self, ops: Ops, images: Tensor, dtype: str) -> Tensor:
        """Clip to the range, round where the output counts in whole numbers, and cast.

        Args:
            ops: `keras.ops` or a namespace like it.
            images: Tensor of any shape: float32, or of the dtype that came in.
            dtype: The dtype to give, as `result_dtype` says.
        """
        source = keras.backend.standardize_dtype(images.dtype)
        limits = _integer_limits(source)
        low, high = self.value_range
        # A cast of what a dtype cannot hold wraps around on some backends.
        for whole in filter(None, (limits, _integer_limits(dtype))):
            low, high = max(math.ceil(low), whole[0]), min(math.floor(high), whole[1])
        if limits is None and high > 2**24:
            high = _float32_up_to(high)
        if (low, high) != limits:
            images = ops.clip(images, low, high)
        if limits is None and _integer_limits(dtype):
            images = ops.round(images)
        return images if source == dtype else ops.cast(images, dtype)
