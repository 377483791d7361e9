"""What a pass over the pixels is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from kerastricks.augment.border import Border
from kerastricks.augment.kernels import Compiler, Ops, Size, Stage, Tensor, materialised
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.values import ValueContract


class Pass(ABC):
    """Carry out neighboring transforms of one family together.

    Args:
        transforms: Pairs (place in the pipeline's list, transform), in the order they apply.
        border: What lies beyond the border.
        values: The range of values.
    """

    def __init__(
        self, transforms: Sequence[tuple[int, Any]], border: Border, values: ValueContract
    ) -> None:
        self.transforms = tuple(transforms)
        self.border = border
        self.values = values

    @property
    @abstractmethod
    def summary(self) -> str:
        """Name the pass in a few words."""

    @property
    def needs_counts(self) -> bool:
        """Whether the levels of an image must be counted."""
        return False

    def output_size(self, size: Size) -> Size:
        """(height, width) of what comes out, for images of this size."""
        return size

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> Any:
        """Draw the parameters, a few numbers a sample: by default those of its transforms."""
        del size
        return tuple(
            keys.uniform(ops, index, max(1, transform.num_draws))
            for index, transform in self.transforms
        )

    def run(
        self,
        ops: Ops,
        images: Tensor,
        drawn: Any,
        dtype: str,
        compiler: Compiler | None,
        carry_out: "CarryOut | None" = None,
    ) -> Tensor:
        """Carry the pass out, and bring its result into the range and a dtype.

        Args:
            ops: `keras.ops` or a namespace like it.
            images: Tensor (B, H, W, C).
            drawn: What `draw` gave.
            dtype: The dtype to give.
            compiler: Wraps each stage.
            carry_out: Runs the passes of a pass that has some within; None runs each by this.
        """
        _, height, width, _ = ops.shape(images)
        *first, end = self.stages(ops, (height, width))

        def finished(images: Tensor, drawn: Any) -> Tensor:
            return self.values.finish(ops, end(images, drawn), dtype)

        for stage in (*first, finished):
            images = (compiler(stage) if compiler else stage)(materialised(images), drawn)
        return images

    @abstractmethod
    def stages(self, ops: Ops, size: Size) -> list[Stage]:
        """Give the functions that do it, one after the other, each a loop over the pixels."""


CarryOut: TypeAlias = Callable[..., Tensor]
"""Runs a pass: `run_pass`, or a function of the same arguments."""


def run_pass(step: Pass, *arguments: Any) -> Tensor:
    """Run a pass as it says itself; the arguments are those of `Pass.run`."""
    return step.run(*arguments)
