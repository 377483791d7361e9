"""The pass of a transform that makes each pixel anew, and fuses with no other."""

from typing import Any

from kerastricks.augment.kernels import Ops, Size, Stage
from kerastricks.augment.passes.base import Pass
from kerastricks.augment.threefry import SampleKeys


class PixelPass(Pass):
    """Carry out one transform that looks at a pixel's surroundings, or at its own numbers."""

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        return str(self.transforms[0][1].summary)

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> Any:
        """Draw the transform's parameters."""
        index, transform = self.transforms[0]
        uniforms = keys.uniform(ops, index, max(1, transform.num_draws))
        return transform.draw(ops, uniforms, size)

    def stages(self, ops: Ops, size: Size) -> list[Stage]:
        """Give the transform's own."""
        stages: list[Stage] = self.transforms[0][1].stages(ops, self.border, self.values)
        return stages
