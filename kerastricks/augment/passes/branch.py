"""The pass of chains that run beside each other on the same images."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerastricks.augment.border import Border
from kerastricks.augment.kernels import Compiler, Ops, Size, Stage, Tensor
from kerastricks.augment.passes.base import CarryOut, Pass, run_pass
from kerastricks.augment.targets import PIXELWISE, Parts
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.values import ValueContract


class BranchPass(Pass):
    """Carry out each chain as a plan of its own, and add up what comes out.

    Args:
        transforms: The one transform, with its place in the pipeline's list.
        border: What lies beyond the border.
        values: The range of values.
        plan_of: Makes a plan of pairs (place, transform), a border and the range of values.
    """

    def __init__(
        self,
        transforms: Sequence[tuple[int, Any]],
        border: Border,
        values: ValueContract,
        plan_of: Callable[..., Any],
    ) -> None:
        super().__init__(transforms, border, values)
        ((index, transform),) = self.transforms
        self.plans = [
            plan_of([(index, part) for part in branch], border, values)
            for branch in transform.branches
        ]

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        each = "; ".join(step.summary for step in self.plans[0].passes)
        return f"blend of {len(self.plans)} chains, each of {len(self.plans[0].passes)}: {each}"

    @property
    def needs_counts(self) -> bool:
        """Whether the levels of an image must be counted."""
        return any(step.needs_counts for plan in self.plans for step in plan.passes)

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> Any:
        """Draw the weights, and each chain's parameters."""
        ((index, transform),) = self.transforms
        weights = transform.weights(ops, keys.uniform(ops, index, transform.num_draws))
        return weights, tuple(plan.draw(ops, keys, size) for plan in self.plans)

    def run(
        self,
        ops: Ops,
        images: Tensor,
        drawn: Any,
        dtype: str,
        compiler: Compiler | None,
        carry_out: CarryOut | None = None,
    ) -> Tensor:
        """Run the chains one after the other, and blend each in."""
        source = str(keras.backend.standardize_dtype(images.dtype))

        def chain(number: int, parameters: Any) -> Tensor:
            plan = self.plans[number]
            return plan.apply(ops, images, parameters, source, compiler, carry_out or run_pass)

        def blend(total: Tensor, given: Any) -> Tensor:
            chained, weight = given
            weight = weight[:, None, None, None]
            return ops.cast(total, "float32") + weight * ops.cast(chained, "float32")

        def begin(images: Tensor, weight: Tensor) -> Tensor:
            return ops.cast(images, "float32") * weight[:, None, None, None]

        def finish(total: Tensor, weight: Tensor) -> Tensor:
            return self.values.finish(ops, total, dtype)

        def compiled(stage: Stage) -> Stage:
            return compiler(stage) if compiler else stage

        weights, chains = drawn
        total = compiled(begin)(images, weights[:, 0])
        for number, parameters in enumerate(chains):
            total = compiled(blend)(total, (chain(number, parameters), weights[:, number + 1]))
        return compiled(finish)(total, weights[:, 0])

    def stages(self, ops: Ops, size: Size) -> list[Stage]:
        """Give none: the chains have theirs."""
        return []

    def check_targets(self, targets: Parts) -> None:
        """Refuse what lies on the images: it would have to lie in several places at once.

        Raises:
            ValueError: There is such a thing.
        """
        name = type(self.transforms[0][1]).__name__
        for key in PIXELWISE[1:]:
            if key in targets:
                raise ValueError(
                    f"{name} cannot serve {key!r}: it blends images that are moved in different "
                    "ways. Take it out of the pipeline, or use RandAugment."
                )
