"""What the initializers share whose scale follows from the fans."""

from collections.abc import Sequence
from typing import Any

from kerastricks.initializers._random import (
    Distribution,
    RandomInitializer,
    checked_distribution,
)
from kerastricks.theory import compute_fans
from kerastricks.theory._kernel_axes import checked_groups, checked_kernel


class FanScaledInitializer(RandomInitializer):
    """Base class: zero-mean weights whose standard deviation a subclass takes from the fans.

    Args:
        distribution: `"normal"`, `"uniform"` or `"truncated_normal"`.
        seed: Integer, or None for a random one.
        kernel: The kind of kernel; see `kerastricks.theory.compute_fans`.
        groups: Number of groups of a convolution.

    Raises:
        TypeError: If `seed` or `groups` is not an integer or `kernel` not a string.
        ValueError: If `distribution` or `kernel` is not known or `groups` not positive.
    """

    def __init__(
        self, distribution: Distribution, seed: int | None, kernel: str, groups: int = 1
    ) -> None:
        super().__init__(seed=seed)
        self.distribution = checked_distribution(distribution)
        self.kernel = checked_kernel(kernel)
        self.groups = checked_groups(groups, kernel)

    def _stddev(self, fan_in: int, fan_out: int) -> float:
        raise NotImplementedError

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Draws a weight; see the class."""
        stddev = self._stddev(*compute_fans(shape, self.kernel, self.groups))
        return self._draw(shape, stddev, self.distribution, dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer, at its first draw."""
        return {
            "distribution": self.distribution,
            **super().get_config(),
            "kernel": self.kernel,
        }
