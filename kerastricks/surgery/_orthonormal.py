"""Orthonormal kernels of every kind of layer that has one."""

import math
from typing import Any

import keras
import numpy as np

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


def orthonormal_kernel(
    layer: Any, name: str, shape: tuple[int, ...], random: np.random.Generator
) -> Any:
    """Draws a kernel whose linear map has orthonormal rows or columns, whichever are fewer.

    A kernel that is several maps side by side (groups, depthwise channels) has each of them so.

    Args:
        layer: The layer, which says what the kernel's axes mean.
        name: The attribute in which it holds the kernel.
        shape: The kernel's shape.
        random: Where the numbers come from.
    """
    split, inputs, groups, outputs = _axes(layer, name, shape)
    order = [*groups, *inputs, *outputs]
    sizes = [split[axis] for axis in order]
    rows = math.prod(split[axis] for axis in inputs)
    columns = math.prod(split[axis] for axis in outputs)
    matrices = _orthonormal(math.prod(sizes) // (rows * columns), rows, columns, random)
    return matrices.reshape(sizes).transpose(np.argsort(order)).reshape(shape)


def _axes(
    layer: Any, name: str, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], list[int], list[int], list[int]]:
    """Returns a shape to split the kernel into, and its axes: summed over, side by side, out."""
    last = len(shape) - 1
    if isinstance(layer, keras.layers.EinsumDense):
        terms = layer.equation.replace(" ", "").replace("...", "").replace("->", ",").split(",")
        before, kernel, after = terms
        inputs = [i for i, label in enumerate(kernel) if label not in after]
        outputs = [i for i, label in enumerate(kernel) if label in after and label not in before]
        return shape, inputs, [i for i in range(len(shape)) if i not in inputs + outputs], outputs
    if name == "depthwise_kernel" or isinstance(layer, DEPTHWISE):
        return shape, list(range(last - 1)), [last - 1], [last]
    groups = getattr(layer, "groups", 1)
    split = (*shape[:-1], groups, shape[-1] // groups)
    return split, list(range(last)), [last], [last + 1]


def _orthonormal(count: int, rows: int, columns: int, random: np.random.Generator) -> Any:
    tall, narrow = max(rows, columns), min(rows, columns)
    matrices = random.standard_normal((count, tall, narrow)) / math.sqrt(tall)
    # The factor of a QR decomposition with a positive diagonal, which makes the draw uniform among
    # orthonormal matrices. By Cholesky, which is matrix products for the most part and so many
    # times faster than Householder's. The shift keeps nearly singular draws positive definite, and
    # each pass squares away what the one before left.
    for _ in range(3):
        gram = np.swapaxes(matrices, 1, 2) @ matrices + 1e-12 * np.eye(narrow)
        transposed = np.linalg.solve(np.linalg.cholesky(gram), np.swapaxes(matrices, 1, 2))
        matrices = np.swapaxes(transposed, 1, 2)
    matrices = matrices.astype(np.float32)
    return matrices if rows >= columns else np.swapaxes(matrices, 1, 2)
