"""Write a plan as text."""

from collections.abc import Sequence

import numpy as np

from kerastricks.augment.plan import Plan


def _itemsize(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def explain_plan(
    plan: Plan, image_shape: Sequence[int], dtype: str, output_dtype: str, seed: int
) -> str:
    """Describe the passes, the random numbers, and the bytes of pixels that each pass moves.

    The bytes are those of a pass fused into one loop, each pixel read once and written once: what
    XLA makes of it. A pass run operation by operation moves its intermediate results too.

    Args:
        plan: The plan.
        image_shape: (height, width, channels) of one image.
        dtype: The images' dtype.
        output_dtype: The dtype that comes out.
        seed: The pipeline's seed.

    Returns:
        Lines of text.
    """
    steps = plan.passes
    count = sum(len(step.transforms) for step in steps)
    plural = "pass" if len(steps) == 1 else "passes"
    lines = [f"{count} transform{'' if count == 1 else 's'}, {len(steps)} {plural} over the pixels"]
    values = int(np.prod(image_shape))
    source, draws = dtype, 0
    for number, step in enumerate(steps, 1):
        lines.append(f"  pass {number}: {step.summary}")
        for _, transform in step.transforms:
            draws += transform.num_draws
            lines.append(f"    {transform!r}")
        target = output_dtype if number == len(steps) else "float32"
        lines.append(
            f"    reads {values * _itemsize(source):,} bytes as {source}, "
            f"writes {values * _itemsize(target):,} bytes as {target}"
        )
        source = target
    shape = " x ".join(map(str, image_shape))
    lines.append(f"for one image of {shape} (height x width x channels)")
    lines.append(
        f"random numbers a sample: {draws}, Threefry-2x32 keyed by seed={seed}, epoch, position "
        "and transform"
    )
    return "\n".join(lines)
