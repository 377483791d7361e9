"""The family of transforms that go several ways at once, and blend what comes of them."""

from abc import abstractmethod
from dataclasses import dataclass

from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import Transform


@dataclass(frozen=True)
class BranchedTransform(Transform):
    """Run chains of transforms on the same images, and blend them with the images.

        out = w_0 images + w_1 chain_1(images) + w_2 chain_2(images) + ...

    All parts of the chains are handed the random numbers of the whole.
    """

    @property
    @abstractmethod
    def branches(self) -> tuple[tuple[Transform, ...], ...]:
        """The chains."""

    @abstractmethod
    def weights(self, ops: Ops, uniforms: Tensor) -> Tensor:
        """Give the weights of the images and of each chain, which add up to 1.

        Args:
            ops: `keras.ops` or a namespace like it.
            uniforms: float32 tensor (B, num_draws) of numbers in [0, 1).

        Returns:
            float32 tensor (B, 1 + number of branches).
        """
