"""Orthonormal kernels of every kind of layer that has one."""

import math
from typing import Any

import keras
import numpy as np

from kerastricks.initializers._orthogonal import arranged
from kerastricks.theory._kernel_axes import KernelAxes, einsum_axes, kernel_axes

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
    axes = _axes(layer, name, shape)
    rows, columns = (*axes.taps, *axes.inputs), axes.outputs
    if isinstance(layer, TRANSPOSED):  # each input feeds a patch
        rows, columns = (*axes.taps, *axes.outputs), axes.inputs
    matrices = _orthonormal(axes.count(axes.blocks), axes.count(rows), axes.count(columns), random)
    return arranged(matrices, (*axes.blocks, *rows, *columns), axes, shape, np)


def _axes(layer: Any, name: str, shape: tuple[int, ...]) -> KernelAxes:
    if isinstance(layer, keras.layers.EinsumDense):
        return einsum_axes(shape, layer.equation.replace(" ", "").replace("...", ""))
    if name == "depthwise_kernel" or isinstance(layer, DEPTHWISE):
        return kernel_axes(shape, "depthwise")
    if isinstance(layer, TRANSPOSED):
        return kernel_axes(shape, "transposed")
    return kernel_axes(shape, "convolution", getattr(layer, "groups", 1))


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
