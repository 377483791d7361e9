"""Write a plan as text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kerastricks.augment.kernels import Size
from kerastricks.augment.passes.base import Pass
from kerastricks.augment.passes.branch import BranchPass
from kerastricks.augment.passes.program import Program, Section
from kerastricks.augment.transform import Transform


def _itemsize(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def explain_program(
    program: Program, image_shape: Sequence[int], dtype: str, output_dtype: str, seed: int
) -> str:
    """Describe the passes, the random numbers, and the bytes of pixels that each pass moves.

    The bytes are those of a pass fused into one loop, each pixel read once and written once: what
    XLA makes of it. A pass along each axis, or with a smoothing first, is two such loops, with
    float32 in between; one run operation by operation moves all its intermediate results.

    Args:
        program: The pipeline's program.
        image_shape: (height, width, channels) of one image.
        dtype: The images' dtype.
        output_dtype: The dtype that comes out.
        seed: The pipeline's seed.

    Returns:
        Lines of text.
    """
    steps = [step for section in program.sections for step in _steps(section)]
    # A transform of several parts is in several passes, with one set of random numbers.
    own = {index: part.num_draws for step in steps for index, part in step.transforms}
    count, draws = len(own), sum(own.values())
    plural = "pass" if len(steps) == 1 else "passes"
    lines = [f"{count} transform{'' if count == 1 else 's'}, {len(steps)} {plural} over the pixels"]
    source, channels = dtype, image_shape[2]
    size: Size = (image_shape[0], image_shape[1])
    for number, step in enumerate(steps, 1):
        lines.append(f"  pass {number}: {step.summary}")
        lines += [f"    {transform!r}" for _, transform in step.transforms]
        target, output_size = (
            output_dtype if number == len(steps) else dtype,
            step.output_size(size),
        )
        read, written = (
            int(np.prod((*each, channels))) * _itemsize(kind)
            for each, kind in ((size, source), (output_size, target))
        )
        read *= step.images
        lines.append(f"    reads {read:,} bytes as {source}, writes {written:,} bytes as {target}")
        source, size = target, output_size
    shape = " x ".join(map(str, image_shape))
    lines.append(f"for one image of {shape} (height x width x channels)")
    lines.append(
        f"random numbers a sample: {draws}, Threefry-2x32 keyed by seed={seed}, epoch, position "
        "and transform"
    )
    return "\n".join(lines)


@dataclass(frozen=True)
class _Step:
    """What is told of a pass."""

    transforms: Sequence[tuple[int, Transform]]
    summary: str
    output_size: Callable[[Size], Size]
    images: int = 1


def _steps(section: Section) -> list[_Step]:
    steps = [told for step in section.plan.passes for told in _told(step)]
    if section.mix is None:
        return steps
    mix = [(section.mix.index, section.mix.transform)]
    return [_Step(mix, "mix with the sample before", lambda size: size, 2), *steps]


def _told(step: Pass) -> list[_Step]:
    """A pass, or those of each chain within it, and what blends the chain in."""
    if not isinstance(step, BranchPass):
        return [_Step(step.transforms, step.summary, step.output_size)]
    told = []
    for number, plan in enumerate(step.plans, 1):
        for inner in plan.passes:
            summary = f"chain {number}: {inner.summary}"
            told.append(_Step(inner.transforms, summary, inner.output_size))
        told.append(_Step(step.transforms, f"chain {number}: blended in", lambda size: size, 2))
    return told
