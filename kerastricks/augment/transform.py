"""What a transform is: a small frozen declaration, grouped into families that fuse."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Self

from kerastricks.augment.border import Border
from kerastricks.augment.geometry import shifting
from kerastricks.augment.kernels import Ops, Size, Stage, Tensor
from kerastricks.augment.values import ValueContract


@dataclass(frozen=True)
class Transform(ABC):
    """Declare what may happen to an image, and how many random numbers that takes.

    A transform holds no state and touches no pixels. It turns the uniform numbers it is handed into
    parameters of its family (a matrix for geometry), and neighbors of one family fuse into one
    pass over the pixels. A family is a subclass of this class; `kerastricks.augment.passes.plan`
    maps each family to the pass that carries it out.

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


@dataclass(frozen=True)
class CompositeTransform(Transform):
    """Consist of transforms of several families, which draw the same random numbers.

    A plan takes the parts in its place. All of them are handed the numbers of the whole.
    """

    @property
    @abstractmethod
    def parts(self) -> tuple[Transform, ...]:
        """The transforms, in the order they apply."""


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
    points (x, y, 1) in pixels, x to the right, y down, with the image center as the origin: that of
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


@dataclass(frozen=True)
class ElasticTransform(GeometricTransform):
    """Move pixels by a smooth displacement a sample, in the same resample as matrices."""

    @abstractmethod
    def grid(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Turn random numbers into control points.

        Args:
            ops: `keras.ops` or a namespace like it.
            uniforms: float32 tensor (B, num_draws) of numbers in [0, 1).
            size: (height, width) of the images in pixels.

        Returns:
            float32 tensor (B, G, G, 2), as `kerastricks.augment.elastic.displacement` takes it.
        """

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the identity: all it does is in the grid."""
        zeros = ops.zeros_like(uniforms[:, 0])
        return shifting(ops, zeros, zeros)


@dataclass(frozen=True)
class ColorTransform(Transform):
    """Mix the channels of every pixel by one matrix and one offset a sample.

        out = M v + o,  v = (value - low) / (high - low)

    Images of three channels are red, green and blue. Of any other number, each channel is mixed
    with itself alone, by one factor for all: M and o are then of one channel.
    """

    @property
    def needs_mean(self) -> bool:
        """Whether the matrix depends on the mean of the image that it is applied to."""
        return False

    @property
    def needs_color(self) -> bool:
        """Whether it means nothing but for red, green and blue, or for gray, which it leaves."""
        return False

    @abstractmethod
    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Turn random numbers into matrices and offsets.

        Args:
            ops: `keras.ops` or a namespace like it.
            uniforms: float32 tensor (B, num_draws) of numbers in [0, 1).
            mean: float32 tensor (B, K): the mean v of each channel, K = 3, or over all channels,
                K = 1. Of use where `needs_mean` says so.

        Returns:
            M, float32 tensor (B, K, K), and o, float32 tensor (B, K).
        """


@dataclass(frozen=True)
class DrawnTransform(Transform):
    """Have parameters of its own kind, which its other functions take."""

    @abstractmethod
    def draw(self, ops: Ops, uniforms: Tensor, size: Size) -> Any:
        """Turn random numbers into the parameters.

        Args:
            ops: `keras.ops` or a namespace like it.
            uniforms: float32 tensor (B, num_draws) of numbers in [0, 1).
            size: (height, width) of the images in pixels.
        """


@dataclass(frozen=True)
class PixelTransform(DrawnTransform):
    """Make each pixel anew of its surroundings, or of random numbers of its own.

    Such transforms do not fuse: each is a pass, of as many stages as it has.
    """

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        return type(self).__name__

    @abstractmethod
    def stages(self, ops: Ops, border: Border, values: ValueContract) -> list[Stage]:
        """Give the functions that do it, each a loop over the pixels.

        Args:
            ops: `keras.ops` or a namespace like it.
            border: What lies beyond the border.
            values: The range of values.
        """


LEVELS = 256
"""Levels at which tables are kept."""


@dataclass(frozen=True)
class TableTransform(Transform):
    """Look every value up in a table of 256 levels, one a sample, or one a sample and channel.

    Levels count from 0 at the darkest value to 255 at the brightest, as those of uint8 images do.
    Values of other dtypes and ranges are read at the nearest level, and come out at one.
    """

    @property
    def needs_counts(self) -> bool:
        """Whether the table depends on how often each level occurs."""
        return False

    def reads_counts(self, ops: Ops, uniforms: Tensor) -> Tensor:
        """Tell of each sample, bool (B,), whether its table does. Others' counts may be zeros."""
        return uniforms[:, 0] < (2.0 if self.needs_counts else -1.0)

    @abstractmethod
    def table(self, ops: Ops, uniforms: Tensor, counts: Tensor | None) -> Tensor:
        """Turn random numbers into tables.

        Args:
            ops: `keras.ops` or a namespace like it.
            uniforms: float32 tensor (B, num_draws) of numbers in [0, 1).
            counts: int32 tensor (B, C, 256): how many pixels of each channel have each level.
                None where no transform of the pass needs it.

        Returns:
            int32 tensor (B, K, 256) of levels, K = C or 1.
        """


def identity_table(ops: Ops, uniforms: Tensor) -> Tensor:
    """Give the table (B, 1, 256) that leaves every level."""
    zeros = ops.cast(ops.zeros_like(uniforms[:, :1]), "int32")
    return zeros[:, :, None] + ops.arange(LEVELS, dtype="int32")
