import numpy as np
import pytest
from keras import layers

from kerastricks.surgery._orthonormal import orthonormal_kernel


def gram(matrix):
    """Of the rows or of the columns, whichever are fewer."""
    return matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix


@pytest.mark.parametrize(
    ("layer", "name", "shape", "matrices"),
    [
        (layers.Dense(5), "kernel", (8, 5), lambda k: [k]),
        (layers.Dense(8), "kernel", (5, 8), lambda k: [k]),
        (layers.Conv2D(6, 3), "kernel", (3, 3, 4, 6), lambda k: [k.reshape(-1, 6)]),
        (
            layers.Conv2D(6, 3, groups=2),
            "kernel",
            (3, 3, 2, 6),
            lambda k: [k[..., :3].reshape(-1, 3), k[..., 3:].reshape(-1, 3)],
        ),
        (
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            "kernel",
            (3, 3, 4, 2),
            lambda k: [k[:, :, i].reshape(9, 2) for i in range(4)],
        ),
        (
            layers.EinsumDense("...x,xhd->...hd", (3, 5)),
            "kernel",
            (7, 3, 5),
            lambda k: [k.reshape(7, 15)],
        ),
        (
            layers.EinsumDense("bhd,hde->be", 4),
            "kernel",
            (3, 5, 4),
            lambda k: [k.reshape(15, 4)],
        ),
        (
            layers.EinsumDense("bhd,hde->bhe", (3, 4)),
            "kernel",
            (3, 5, 4),
            lambda k: list(k),
        ),
    ],
)
def test_kernels_are_orthonormal_as_the_map_they_are(layer, name, shape, matrices):
    kernel = orthonormal_kernel(layer, name, shape, np.random.default_rng(1))
    assert kernel.shape == shape
    for matrix in matrices(kernel):
        product = gram(matrix)
        # A Householder QR is orthonormal up to a few units of single precision a column.
        np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-5)
