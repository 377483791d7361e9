"""Dirac initialization: convolutions that start as the identity."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerastricks.initializers._orthogonal import arranged, center_mask, centered_axes
from kerastricks.theory._kernel_axes import checked_groups, checked_kernel


@keras.saving.register_keras_serializable(package="kerastricks")
class Dirac(keras.initializers.Initializer):
    """Dirac initialization: a convolution that hands its input on unchanged.

    Use it for layers that are added to a working network, or for plain deep networks that should
    start near the identity. Do not use it for all layers of a network that is wider than its
    input: the surplus channels start equal, at zero (use `DeltaOrthogonal`).

        weights[center, i, i] = 1 for i < min(n_in, n_out),     0 elsewhere

    At stride 1 and with `padding="same"` the layer reproduces its input. Where n_out > n_in the
    surplus outputs are zero; where n_out < n_in the surplus inputs are dropped. In a grouped
    convolution each group reproduces its own channels; the outputs of a depthwise convolution with
    a multiplier are each channel followed by zeros.

    Nothing is drawn: every call gives the same values. The center of an even size is the tap at
    `(size - 1) // 2`, which Keras' `padding="same"` lays on the position itself;
    `torch.nn.init.dirac_` takes `size // 2`, and equals this one for odd sizes. Behind a `Dense`
    layer it is `keras.initializers.Identity`.

    Args:
        groups: Number of groups of the convolution. Defaults to 1.
        kernel: `"convolution"`, `"depthwise"` or `"transposed"`; see
            `kerastricks.theory.compute_fans`. Defaults to `"convolution"`.

    Call arguments:
        shape: Shape of the weight, of 3 axes or more; `(*receptive_field, n_in, n_out)` for a
            convolution.
        dtype: Any type of numbers. Defaults to `keras.config.floatx()`.

    Returns:
        A tensor of that shape and type.

    Raises:
        TypeError: If `groups` is not an integer or `kernel` not a string.
        ValueError: If `kernel` is none of the above, `shape` has fewer than 3 axes or a size that
            is not positive, or `groups` does not divide n_out.

    Example:
    >>> import keras, kerastricks as kt
    >>> keras.ops.convert_to_numpy(kt.initializers.Dirac()((3, 2, 2)))
    array([[[0., 0.],
            [0., 0.]],
    <BLANKLINE>
           [[1., 0.],
            [0., 1.]],
    <BLANKLINE>
           [[0., 0.],
            [0., 0.]]], dtype=float32)

    Reference:
        Zagoruyko, Komodakis (2017), DiracNets: Training Very Deep Neural Networks Without
        Skip-Connections, eq. 1 and 2.

    Differs from the paper in:
        There the identity stays a part of the layer while it trains, scaled by a learned factor;
        here it is only where training starts.
    """

    def __init__(self, groups: int = 1, *, kernel: str = "convolution") -> None:
        self.kernel = checked_kernel(kernel, ("convolution", "depthwise", "transposed"))
        self.groups = checked_groups(groups, kernel)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Makes a weight; see the class."""
        axes = centered_axes(shape, self.kernel, self.groups, "Dirac")
        identity = np.eye(axes.count(axes.inputs), axes.count(axes.outputs), dtype="float32")
        blocks = np.broadcast_to(identity, (axes.count(axes.blocks), *identity.shape))
        values = center_mask(axes)[..., None, None, None] * blocks
        order = axes.taps + axes.blocks + axes.inputs + axes.outputs
        values = arranged(values, order, axes, shape, ops=np)
        return keras.ops.cast(values, keras.backend.standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer."""
        return {"groups": self.groups, "kernel": self.kernel}
