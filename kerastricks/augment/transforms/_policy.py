"""Policies: for each image its own operations, by choosing rows of matrices and tables.

A policy fills slots, one after the other, with an operation and an amount for each image. All
operations that move pixels become one matrix, all others of a slot one table, one color matrix and
one sharpness, of which an image has at most one that is not neutral. So a policy costs the same
passes whatever it may choose from, where computing every operation for every image costs them all.

What moves pixels goes first, then the rest, slot by slot: for each pixel the order matters only
where an operation looks at all of the image, as equalizing does.
"""

import math
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np

from kerastricks.augment.color import LUMA, blend_with_gray
from kerastricks.augment.geometry import affine, cosine_and_sine
from kerastricks.augment.kernels import Ops, Size, Tensor, replaced
from kerastricks.augment.transform import (
    LEVELS,
    ColorTransform,
    CompositeTransform,
    GeometricTransform,
    TableTransform,
    Transform,
    between,
    identity_table,
)
from kerastricks.augment.transforms.random_auto_contrast import RandomAutoContrast
from kerastricks.augment.transforms.random_equalize import RandomEqualize
from kerastricks.augment.transforms.random_sharpness import Sharpening

OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "saturation",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "auto_contrast",
    "equalize",
    "invert",
)
"""What a slot may hold. Amounts are: of shears the slope, of translations a share of the image, of
rotations degrees; of brightness, saturation, contrast and sharpness what is added to a factor of 1;
of `posterize` the bits, of `solarize` the threshold as a share of the range. The others have none.
"""
_INDEX = {name: float(index) for index, name in enumerate(OPERATIONS)}
_STEEPEST_BOUND = 2.0


@dataclass(frozen=True)
class Choice:
    """What one slot holds for each image.

    Attributes:
        operation: Index into `OPERATIONS`, float32 tensor (B,).
        amount: float32 tensor (B,).
    """

    operation: Tensor
    amount: Tensor

    def of(self, ops: Ops, name: str, neutral: float) -> Tensor:
        """The amount where the slot holds an operation, and the neutral amount elsewhere."""
        return ops.where(self.holds(name), self.amount, ops.zeros_like(self.amount) + neutral)

    def where(self, ops: Ops, condition: Tensor) -> "Choice":
        """Hold nothing elsewhere."""
        nothing = ops.zeros_like(self.operation)
        return Choice(ops.where(condition, self.operation, nothing), self.amount)

    def holds(self, name: str) -> Tensor:
        """Where the slot holds an operation, (B,)."""
        return self.operation == _INDEX[name]


class Chooser(Protocol):
    """Fills slots."""

    @property
    def num_draws(self) -> int:
        """How many uniform random numbers `choose` is handed."""

    def choose(self, ops: Ops, uniforms: Tensor, slot: int) -> Choice:
        """Choose an operation and an amount for each image."""


class Policy(CompositeTransform):
    """Choose operations for each image."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many operations an image gets, one after the other."""

    @property
    @abstractmethod
    def draws_of_a_slot(self) -> int:
        """How many uniform random numbers `choose` takes for a slot."""

    @property
    def num_draws(self) -> int:
        """As many numbers for each slot."""
        return self.slots * self.draws_of_a_slot

    @abstractmethod
    def choose(self, ops: Ops, uniforms: Tensor, slot: int) -> Choice:
        """Choose an operation and an amount for each image.

        Args:
            ops: `keras.ops` or a namespace like it.
            uniforms: float32 tensor (B, num_draws) of numbers in [0, 1).
            slot: Which slot is to be filled.
        """

    @property
    def parts(self) -> tuple[Transform, ...]:
        """What moves pixels, then tables, colors and sharpness of each slot."""
        slots = range(self.slots)
        moves = tuple(_Move(self, slot) for slot in slots)
        rest = (part(self, slot) for slot in slots for part in (_Table, _Color, _Sharpness))
        return *moves, *rest


def chain_of(policy: Chooser, slots: Iterable[int]) -> tuple[Transform, ...]:
    """Give what moves pixels, then tables, of slots that hold neither colors nor sharpness."""
    return *(_Move(policy, slot) for slot in slots), *(_Table(policy, slot) for slot in slots)


@dataclass(frozen=True)
class _Slot(Transform):
    policy: Chooser
    slot: int

    @property
    def num_draws(self) -> int:
        """All of the policy's: every part of it must read the same numbers."""
        return self.policy.num_draws

    def __repr__(self) -> str:
        return f"{self.policy!r}, operation {self.slot + 1}"

    def choice(self, ops: Ops, uniforms: Tensor) -> Choice:
        """What the slot holds."""
        return self.policy.choose(ops, uniforms, self.slot)


@dataclass(frozen=True, repr=False)
class _Move(_Slot, GeometricTransform):
    """Shear, translation or rotation."""

    def minification(self, size: Size) -> float:
        """Of the steepest shear: what a policy chooses shrinks no more."""
        del size
        return math.sqrt(_STEEPEST_BOUND)

    def matrix(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Build the matrix of the one that was chosen."""
        choice = self.choice(ops, uniforms)
        cosine, sine = cosine_and_sine(ops, choice.of(ops, "rotate", 0.0))
        across, down = choice.of(ops, "shear_x", 0.0), choice.of(ops, "shear_y", 0.0)
        height, width = (ops.cast(length, "float32") for length in size)
        x = -choice.of(ops, "translate_x", 0.0) * width
        y = -choice.of(ops, "translate_y", 0.0) * height
        # At most one of them is not neutral, so that entries may be added.
        return affine(ops, (cosine, across - sine, x), (down + sine, cosine, y))


@dataclass(frozen=True, repr=False)
class _Table(_Slot, TableTransform):
    """Brightness, contrast, posterize, solarize, auto contrast, equalize or inversion."""

    @property
    def needs_counts(self) -> bool:
        """Of contrast, auto contrast and equalize."""
        return True

    def reads_counts(self, ops: Ops, uniforms: Tensor) -> Tensor:
        """Where one of them was chosen."""
        choice = self.choice(ops, uniforms)
        names = "contrast", "auto_contrast", "equalize"
        return reduce(ops.logical_or, [choice.holds(name) for name in names])

    def table(self, ops: Ops, uniforms: Tensor, counts: Tensor | None) -> Tensor:
        """Build the table of the one that was chosen."""
        assert counts is not None
        choice = self.choice(ops, uniforms)
        every = identity_table(ops, uniforms)
        one = ops.zeros_like(uniforms[:, :1])
        most = float(LEVELS - 1)

        def column(x: Tensor) -> Tensor:
            return x[:, None, None]

        def rounded(value: Tensor) -> Tensor:
            return ops.cast(ops.clip(ops.round(value), 0.0, most), "int32")

        def brightened(every: Tensor, amount: Tensor) -> Tensor:
            return rounded(ops.cast(every, "float32") * column(1.0 + amount))

        def contrasted(every: Tensor, amount: Tensor, counts: Tensor) -> Tensor:
            mean = column(_mean_gray(ops, counts))
            return rounded(mean + (ops.cast(every, "float32") - mean) * column(1.0 + amount))

        def posterized(every: Tensor, amount: Tensor) -> Tensor:
            cleared = column(ops.cast(8.0 - amount, "int32")) + ops.zeros_like(every)
            return ops.left_shift(ops.right_shift(every, cleared), cleared)

        def solarized(every: Tensor, amount: Tensor) -> Tensor:
            bright = ops.cast(every, "float32") >= most * column(amount)
            return ops.where(bright, LEVELS - 1 - every, every)

        def inverted(every: Tensor) -> Tensor:
            return LEVELS - 1 - every

        def stretched(one: Tensor, counts: Tensor) -> Tensor:
            return RandomAutoContrast().table(ops, one, counts)

        def spread(one: Tensor, counts: Tensor) -> Tensor:
            return RandomEqualize().table(ops, one, counts)

        bits = choice.of(ops, "posterize", 8.0)
        amount = choice.amount
        table = every
        for name, function, arguments in (
            ("brightness", brightened, (every, amount)),
            ("contrast", contrasted, (every, amount, counts)),
            ("posterize", posterized, (every, bits)),
            ("solarize", solarized, (every, amount)),
            ("invert", inverted, (every,)),
            ("auto_contrast", stretched, (one, counts)),
            ("equalize", spread, (one, counts)),
        ):
            table = replaced(ops, choice.holds(name), table, function, *arguments)
        return table


@dataclass(frozen=True, repr=False)
class _Color(_Slot, ColorTransform):
    """Saturation."""

    @property
    def needs_color(self) -> bool:
        """Only colors have a saturation."""
        return True

    def matrix(self, ops: Ops, uniforms: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Blend with gray."""
        factor = 1.0 + self.choice(ops, uniforms).of(ops, "saturation", 0.0)
        return blend_with_gray(ops, factor, mean.shape[-1]), ops.zeros_like(mean)


@dataclass(frozen=True, repr=False)
class _Sharpness(_Slot, Sharpening):
    """Sharpness."""

    def draw(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """The factors, (B,)."""
        return 1.0 + self.choice(ops, uniforms).of(ops, "sharpness", 0.0)


def _mean_gray(ops: Ops, counts: Tensor) -> Tensor:
    """The luma of the mean color of images whose levels were counted, (B,)."""
    level = ops.arange(LEVELS, dtype="float32")
    share = ops.cast(counts, "float32")
    means = ops.sum(share * level, axis=2) / ops.maximum(ops.sum(share, axis=2), 1.0)
    if means.shape[-1] != 3:
        return ops.sum(means, axis=1) / float(means.shape[-1])
    return sum((means[:, channel] * part for channel, part in enumerate(LUMA)), start=0.0)


def picked(ops: Ops, uniform: Tensor, count: int) -> Tensor:
    """One of so many, each as likely, as float32 (B,)."""
    return ops.floor(uniform * float(count))


def rows_of(ops: Ops, table: Any, index: Tensor) -> Tensor:
    """Rows of a small table of numbers, by float indices (B,)."""
    return ops.take(ops.cast(table, "float32"), ops.cast(index, "int32"), axis=0)


def chosen(
    ops: Ops,
    uniforms: Tensor,
    amounts: dict[str, tuple[float, float, bool]],
    magnitude: float | tuple[float, float],
) -> Choice:
    """Choose one of the operations in a table, each as likely.

    Args:
        ops: `keras.ops` or a namespace like it.
        uniforms: float32 tensor (B, 3) of numbers in [0, 1): which, how much, and the sign.
        amounts: Amounts at magnitudes 0 and 1, and whether either sign may be drawn.
        magnitude: The range that magnitudes are drawn from.
    """
    which, how, sign = (uniforms[:, draw] for draw in range(3))
    index = picked(ops, which, len(amounts))
    operation = rows_of(ops, np.array([OPERATIONS.index(name) for name in amounts]), index)
    weak, strong, signed = (
        rows_of(ops, np.array([row[column] for row in amounts.values()]), index)
        for column in range(3)
    )
    amount = weak + (strong - weak) * between(how, magnitude)
    amount = ops.where(operation == float(OPERATIONS.index("posterize")), ops.round(amount), amount)
    negative = ops.logical_and(signed > 0.5, sign < 0.5)
    return Choice(operation, ops.where(negative, 0.0 - amount, amount))
