"""What a transform is: a small frozen declaration, grouped into families that fuse."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Self

from kerastricks.augment.kernels import Ops, Size, Tensor


@dataclass(frozen=True)
class Transform(ABC):
    """Declare what may happen to an image, and how many random numbers that takes.

    A transform holds no state and touches no pixels. It turns the uniform numbers it is handed into
    parameters of its family (a matrix for geometry), and neighbours of one family fuse into one
    pass over the pixels. A family is a subclass of this class; `kerastricks.augment.plan` maps each
    family to the pass that carries it out.

    To write a transform of your own, subclass a family as a frozen dataclass and register it with
    `keras.saving.register_keras_serializable`, so that a pipeline that holds it can be saved.
    """

    @property
    @abstractmethod
    def num_draws(self) -> int:
        """How many uniform random numbers a sample takes."""

    def get_config(self) -> dict[str, Any]:
        """Give the constructor's arguments."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the transform that `get_config` described."""
        return cls(**config)


def between(uniform: Tensor, limits: Any) -> Tensor:
    """Bring numbers in [0, 1) to the range (low, high)."""
    low, high = limits
    return low + uniform * (high - low)


def sometimes(
    ops: Ops, uniform: Tensor, probability: float, value: Tensor, neutral: Tensor
) -> Tensor:
    """Give the value to that share of the samples, and the neutral one to the others."""
    return ops.where(uniform < probability, value, neutral)


@dataclass(frozen=True)
class GeometricTransform(Transform):
    """Move pixels by one 3x3 matrix a sample.

    The matrix maps where a pixel goes to where it comes from, output to input, on homogeneous
    points (x, y, 1) in pixels, x to the right, y down, with the image centre as the origin: that of
    the input, and that of the output, where their sizes differ. In these coordinates turning,
    flipping and stretching need no image size, and the composition of two transforms is the product
    of their matrices.
    """

    @property
    def keeps_lattice(self) -> bool:
        """Whether every output pixel is some input pixel, so that nothing needs interpolation."""
        return False

    @property
    def keeps_axes(self) -> bool:
        """Whether rows come from rows and columns from columns: a, 0, b; 0, c, d; 0, 0, 1."""
        return False

    @property
    def is_projective(self) -> bool:
        """Whether the matrix's last row may be other than (0, 0, 1)."""
        return False

    def output_size(self, size: Size) -> Size:
        """(height, width) of the output, for an input of this size."""
        return size

    def minification(self, size: Size) -> Any:
        """At most how many input pixels an output pixel spans, along either axis."""
        del size
        return 1.0

    @abstractmethod
    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Turn random numbers into matrices.

        Args:
            ops: `keras.ops` or a namespace like it.
            uniforms: float32 tensor (B, num_draws) of numbers in [0, 1).
            size: (height, width) of the images in pixels, for what is given as a share of them.

        Returns:
            float32 tensor (B, 3, 3).
        """
