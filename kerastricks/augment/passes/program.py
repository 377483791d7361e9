"""What a pipeline does, in order: sections, each a mix, where one begins it, and a plan."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import keras

from kerastricks.augment.border import Border
from kerastricks.augment.box_contract import BoxContract
from kerastricks.augment.checks import LONGEST
from kerastricks.augment.kernels import Compiler, Ops, Size, Tensor, at_least
from kerastricks.augment.mixing import MixTransform
from kerastricks.augment.passes.base import CarryOut, run_pass
from kerastricks.augment.passes.mix import MixPass
from kerastricks.augment.passes.plan import Plan
from kerastricks.augment.targets import PIXELWISE, Parts
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transform import Transform
from kerastricks.augment.values import ValueContract


@dataclass(frozen=True)
class Section:
    """A mix, where one begins it, and the plan of what follows.

    Attributes:
        mix: The mix.
        plan: What follows, up to the next mix.
    """

    mix: MixPass | None
    plan: Plan


class Program:
    """Carry out sections one after the other, as pure functions of pixels and keys.

    Drawing, moving what lies on the images, and moving the pixels are apart: `draw` makes arrays of
    a few numbers a sample, and the others read them.

    A mix takes each sample's partner from the batch: it is the sample before. The first sample's is
    the last one, or else the batch is led by samples that serve as partners alone, one for each
    mix, which falls away there.

    Args:
        sections: The sections.
        values: The range of values.
        boxes: How boxes are written.
    """

    def __init__(
        self, sections: Sequence[Section], values: ValueContract, boxes: BoxContract
    ) -> None:
        self.sections = tuple(sections)
        self.values = values
        self.boxes = boxes

    @property
    def mixes(self) -> int:
        """How many mixes there are."""
        return sum(section.mix is not None for section in self.sections)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.mixes and not any(section.plan.passes for section in self.sections)

    @property
    def needs_counts(self) -> bool:
        """Whether the levels of an image must be counted."""
        return any(step.needs_counts for part in self.sections for step in part.plan.passes)

    def split(self) -> tuple["Program", "Program"]:
        """Give what comes before the first mix, and what begins with it."""
        count = 1 if self.sections[0].mix is None else 0
        return tuple(  # type: ignore[return-value]
            Program(part, self.values, self.boxes)
            for part in (self.sections[:count], self.sections[count:])
        )

    def output_size(self, size: Size) -> Size:
        """(height, width) of what comes out, for images of this size."""
        for section in self.sections:
            size = section.plan.output_size(size)
        return size

    @property
    def least_size(self) -> tuple[int, int]:
        """The (height, width) that images must have for the parts that are cut out of them."""

        def serves(height: int, width: int) -> bool:
            try:
                self.output_size((height, width))
            except ValueError:
                return False
            return True

        lengths = range(1, LONGEST)
        return (
            1 + bisect_left(lengths, True, key=lambda height: serves(height, LONGEST)),
            1 + bisect_left(lengths, True, key=lambda width: serves(LONGEST, width)),
        )

    def transform(
        self,
        ops: Ops,
        parts: Parts,
        keys: SampleKeys,
        dtype: str,
        *,
        led: bool = False,
        engine: "Engine | None" = None,
    ) -> Parts:
        """Augment a batch.

        Args:
            ops: `keras.ops` or a namespace like it.
            parts: "images" (B, H, W, C) or (B, T, H, W, C), and what belongs to them.
            keys: The names of the B samples.
            dtype: The dtype that images come out in.
            led: Whether the batch begins with samples that are partners alone.
            engine: Draws and moves the pixels; None does it on `ops`.

        Returns:
            The same, augmented.
        """
        frames = ops.shape(parts["images"])[1] if len(parts["images"].shape) == 5 else None
        if frames is not None:
            # The frames of a video share their draws.
            keys = replace(keys, positions=_spread(ops, keys.positions, frames))
            parts = _folded(ops, parts)
        _, height, width, _ = ops.shape(parts["images"])
        size = height, width
        least = (1, 1) if all(isinstance(length, int) for length in size) else self.least_size
        if least != (1, 1):
            parts = {**parts, "images": at_least(parts["images"], least)}
        engine = engine or PlainEngine(ops)
        drawn = engine.draw(self, keys, size, led=led, frames=frames)
        out = engine.move(self, parts, drawn, size, led=led, frames=frames)
        moved = engine.pixels(self, parts["images"], drawn, dtype, led=led, frames=frames)
        out = {**out, "images": moved}
        return out if frames is None else _unfolded(ops, out, frames)

    def draw(
        self, ops: Ops, keys: SampleKeys, size: Size, *, led: bool, frames: Any
    ) -> tuple[Any, ...]:
        """Draw the parameters of every mix and pass, for samples of size (height, width)."""
        keys = keys.drawn(ops, self._counts())
        drawn: list[Any] = []
        for section in self.sections:
            if section.mix:
                if led:
                    keys = keys.without_first(_one(frames))
                drawn.append(section.mix.draw(ops, keys, size))
            drawn.append(section.plan.draw(ops, keys, size))
            size = section.plan.output_size(size)
        return tuple(drawn)

    def _counts(self) -> dict[int, int]:
        """How many random numbers a sample takes, by transform."""
        counts: dict[int, int] = {}
        for section in self.sections:
            if section.mix:
                counts[section.mix.index] = section.mix.transform.num_draws
            for step in section.plan.passes:
                for index, part in step.transforms:
                    counts[index] = max(1, part.num_draws, counts.get(index, 0))
        return counts

    def pixels(
        self,
        ops: Ops,
        images: Tensor,
        drawn: Sequence[Any],
        dtype: str,
        *,
        led: bool,
        frames: Any,
        compiler: Compiler | None = None,
        carry_out: CarryOut = run_pass,
        divided: "Divided | None" = None,
    ) -> Tensor:
        """Run the passes over images, by what `draw` gave.

        Args:
            ops: `keras.ops` or a namespace like it.
            images: Tensor (B, H, W, C).
            drawn: What `draw` gave.
            dtype: The dtype that images come out in.
            led: Whether the batch begins with samples that are partners alone.
            frames: Rows that a sample has, None for one.
            compiler: Wraps each stage.
            carry_out: Runs a pass.
            divided: Applies a section's work a part of the batch at a time, and chooses the
                compiler; None applies it to all at once.
        """
        source = str(keras.backend.standardize_dtype(images.dtype))
        rest = list(drawn)
        for section in self.sections:
            given = dtype if section is self.sections[-1] else source
            parameters = [rest.pop(0) for _ in range(2 if section.mix else 1)]
            rows = _one(frames) if section.mix else 0

            def work(
                images: Tensor,
                parameters: Any,
                compiler: Compiler | None,
                section: Section = section,
                given: str = given,
            ) -> Tensor:
                *mixed, parameters = parameters
                if section.mix:
                    between = source if section.plan.passes else given
                    stage = section.mix.stage(ops, between, led=led, frames=_one(frames))
                    images = (compiler(stage) if compiler else stage)(images, mixed[0])
                    if not section.plan.passes:
                        return images
                return section.plan.apply(ops, images, parameters, given, compiler, carry_out)

            if divided is None or (rows and not led):
                images = work(images, parameters, compiler)
            else:
                images = divided(work, images, parameters, rows, section.plan.output_size)
        return images

    def move(
        self,
        ops: Ops,
        parts: Parts,
        drawn: Sequence[Any],
        size: Size,
        *,
        led: bool,
        frames: Any,
    ) -> Parts:
        """Move and mix what belongs to images, all but these themselves."""
        targets = {name: part for name, part in parts.items() if name != "images"}
        flat = "segmentation_masks" in targets and len(targets["segmentation_masks"].shape) == 3
        if flat:
            targets["segmentation_masks"] = targets["segmentation_masks"][..., None]
        # They are read and written once: what is left to see counts from beginning to end.
        if "bounding_boxes" in targets:
            targets["bounding_boxes"] = self.boxes.read(ops, targets["bounding_boxes"], size)
        rest = list(drawn)
        for section in self.sections:
            if section.mix:
                mixed = rest.pop(0)
                targets = section.mix.move(ops, targets, mixed, size, led=led, frames=_one(frames))
            targets = section.plan.move(ops, targets, rest.pop(0), size)
            size = section.plan.output_size(size)
        if "bounding_boxes" in targets:
            targets["bounding_boxes"] = self.boxes.write(ops, targets["bounding_boxes"], size)
        if flat:
            targets["segmentation_masks"] = targets["segmentation_masks"][..., 0]
        return targets


Divided: TypeAlias = Callable[
    [Callable[..., Tensor], Tensor, Any, Any, Callable[[Size], Size]], Tensor
]
"""Applies a function of (images, parameters, compiler) to images and parameters, where a part needs
so many images before its own, and a function tells the size of what comes out."""


class Engine(Protocol):
    """Carries out the parts of a program."""

    def draw(
        self, program: Program, keys: SampleKeys, size: Size, *, led: bool, frames: Any
    ) -> tuple[Any, ...]:
        """Do as `Program.draw`."""

    def move(
        self, program: Program, parts: Parts, drawn: Any, size: Size, *, led: bool, frames: Any
    ) -> Parts:
        """Do as `Program.move`."""

    def pixels(
        self, program: Program, images: Tensor, drawn: Any, dtype: str, *, led: bool, frames: Any
    ) -> Tensor:
        """Do as `Program.pixels`."""


@dataclass(frozen=True)
class PlainEngine:
    """The engine that calls an array namespace, where it stands.

    Attributes:
        ops: `keras.ops` or a namespace like it.
        compiler: Wraps each stage.
    """

    ops: Ops
    compiler: Compiler | None = None

    def draw(
        self, program: Program, keys: SampleKeys, size: Size, *, led: bool, frames: Any
    ) -> tuple[Any, ...]:
        """Do as `Program.draw`."""
        return program.draw(self.ops, keys, size, led=led, frames=frames)

    def move(
        self, program: Program, parts: Parts, drawn: Any, size: Size, *, led: bool, frames: Any
    ) -> Parts:
        """Do as `Program.move`."""
        return program.move(self.ops, parts, drawn, size, led=led, frames=frames)

    def pixels(
        self, program: Program, images: Tensor, drawn: Any, dtype: str, *, led: bool, frames: Any
    ) -> Tensor:
        """Do as `Program.pixels`."""
        return program.pixels(
            self.ops, images, drawn, dtype, led=led, frames=frames, compiler=self.compiler
        )


def program_of(
    transforms: Sequence[Transform], border: Border, values: ValueContract, boxes: BoxContract
) -> Program:
    """Cut a list of transforms before each mix."""
    mixes: list[MixPass | None] = [None]
    runs: list[list[tuple[int, Transform]]] = [[]]
    for index, transform in enumerate(transforms):
        if isinstance(transform, MixTransform):
            mixes.append(MixPass(index, transform, values))
            runs.append([])
        else:
            runs[-1].append((index, transform))
    if len(runs) > 1 and not runs[0]:
        mixes, runs = mixes[1:], runs[1:]
    sections = [
        Section(mix, Plan(run, border, values)) for mix, run in zip(mixes, runs, strict=True)
    ]
    return Program(sections, values, boxes)


def _one(frames: Any) -> Any:
    """How many rows of a folded batch one sample has."""
    return 1 if frames is None else frames


def _spread(ops: Ops, positions: Tensor, frames: Any) -> Tensor:
    """Repeat each position for every frame."""
    each = positions[:, None] + ops.zeros_like(ops.arange(frames, dtype="int32"))
    return ops.reshape(each, (-1,))


def _folded(ops: Ops, parts: Parts) -> Parts:
    """Lay the frames of all videos into one axis."""

    def fold(x: Tensor) -> Tensor:
        return ops.reshape(x, (-1, *ops.shape(x)[2:]))

    return _mapped(fold, parts)


def _unfolded(ops: Ops, parts: Parts, frames: Any) -> Parts:
    """Undo `_folded`."""

    def unfold(x: Tensor) -> Tensor:
        return ops.reshape(x, (-1, frames, *ops.shape(x)[1:]))

    return _mapped(unfold, parts)


def _mapped(function: Callable[[Tensor], Tensor], parts: Parts) -> Parts:
    return {
        name: keras.tree.map_structure(function, part) if name in PIXELWISE else part
        for name, part in parts.items()
    }
