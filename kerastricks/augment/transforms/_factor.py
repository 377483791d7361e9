"""What transforms by one factor a sample share: its range, its probability and its draw."""

from dataclasses import dataclass

from kerastricks.augment.checks import check_factor, check_probability
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import Transform, between, sometimes


@dataclass(frozen=True)
class FactorTransform(Transform):
    """Draw one factor a sample; 1 changes nothing."""

    factor: float | tuple[float, float]
    probability: float = 1.0

    def __post_init__(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "factor", check_factor(name, "factor", self.factor))
        probability = check_probability(name, self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for how far."""
        return 2

    def factors(self, ops: Ops, uniforms: Tensor) -> Tensor:
        """Turn random numbers (B, 2) into factors (B,)."""
        drawn = between(uniforms[:, 1], self.factor)
        return sometimes(ops, uniforms[:, 0], self.probability, drawn, ops.ones_like(drawn))
