"""What lies beyond the border of an image."""

from dataclasses import dataclass

from kerastricks.augment.kernels import Ops, Tensor

FILL_MODES = ("reflect", "constant", "nearest", "wrap")


@dataclass(frozen=True)
class Border:
    """What lies beyond the border of an image.

    | fill_mode    | beyond the border                | scipy.ndimage   |
    |--------------|----------------------------------|-----------------|
    | `"reflect"`  | (d c b a | a b c d | d c b a)    | `reflect`       |
    | `"constant"` | (k k k k | a b c d | k k k k)    | `grid-constant` |
    | `"nearest"`  | (a a a a | a b c d | d d d d)    | `nearest`       |
    | `"wrap"`     | (a b c d | a b c d | a b c d)    | `grid-wrap`     |

    The names are those of `keras.ops.image.affine_transform`.

    Args:
        fill_mode: One of these four.
        fill_value: k, for "constant".
    """

    fill_mode: str
    fill_value: float

    @property
    def is_constant(self) -> bool:
        """Whether nothing of the image comes back beyond its border."""
        return self.fill_mode == "constant"

    def fold(self, ops: Ops, coordinate: Tensor, length: Tensor) -> Tensor:
        """Bring coordinates back to the image where its border pattern repeats."""
        if self.fill_mode == "reflect":
            period = 2.0 * length
            inside = coordinate - period * ops.floor((coordinate + 0.5) / period)
            return ops.minimum(inside, period - 1.0 - inside)
        if self.fill_mode == "wrap":
            return coordinate - length * ops.floor(coordinate / length)
        if self.fill_mode == "nearest":
            return ops.clip(coordinate, 0.0, length - 1.0)
        return coordinate

    def neighbor(self, ops: Ops, whole: Tensor, length: Tensor) -> Tensor:
        """Give the pixel to read for one that may lie just outside the image."""
        if self.fill_mode == "wrap":
            whole = ops.where(whole >= length, whole - length, whole)
            whole = ops.where(whole < 0.0, whole + length, whole)
        return ops.clip(whole, 0.0, length - 1.0)


def is_inside(ops: Ops, whole: Tensor, length: Tensor) -> Tensor:
    """Tell of coordinates whether they lie within 0 and length - 1."""
    return ops.logical_and(whole >= 0.0, whole <= length - 1.0)
