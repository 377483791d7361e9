import keras
import numpy as np
import pytest
from scipy import ndimage

from kerastricks.augment.border import FILL_MODES, Border
from kerastricks.augment.warp import copy_nearest, source, warp

SCIPY_MODES = {
    "reflect": "reflect",
    "constant": "grid-constant",
    "nearest": "nearest",
    "wrap": "grid-wrap",
}


def reference(images, matrices, mode, value):
    """Resample with scipy, in float64: the same convention, another implementation."""
    _, height, width, channels = images.shape
    center = np.array([(width - 1) / 2, (height - 1) / 2, 0])
    y, x = np.mgrid[:height, :width].astype("float64")
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)]) - center[:, None]
    out = np.empty(images.shape)
    for i, matrix in enumerate(matrices.astype("float64")):
        source = matrix @ points + center[:, None]
        for c in range(channels):
            out[i, :, :, c] = ndimage.map_coordinates(
                images[i, :, :, c].astype("float64"),
                source[[1, 0]],
                order=1,
                mode=SCIPY_MODES[mode],
                cval=value,
            ).reshape(height, width)
    return out


def resampled(ops, images, matrices, mode="reflect", value=0.0):
    size = images.shape[1:3]
    return warp(ops, images, *source(ops, matrices, size, size), Border(mode, value))


def random_affine(count, seed=0):
    """Scales up to 3 and shifts of 20 pixels: most of the output comes from beyond the border."""
    rng = np.random.default_rng(seed)
    matrices = np.tile(np.eye(3), (count, 1, 1))
    matrices[:, :2, :2] = rng.uniform(-3, 3, (count, 2, 2))
    matrices[:, :2, 2] = rng.uniform(-20, 20, (count, 2))
    return matrices.astype("float32")


@pytest.mark.parametrize("mode", FILL_MODES)
@pytest.mark.parametrize("shape", [(13, 18, 3), (9, 9, 1), (1, 7, 5)])
def test_agrees_with_scipy(ops, tensor, to_numpy, mode, shape):
    """float32 coordinates below 100 are good to 1e-5 pixels, so values in 0..1 to 1e-4."""
    images = np.random.default_rng(1).uniform(size=(8, *shape)).astype("float32")
    matrices = random_affine(8)
    out = resampled(ops, tensor(images), tensor(matrices), mode, 0.25)
    expected = reference(images, matrices, mode, 0.25)
    np.testing.assert_allclose(to_numpy(out), expected, atol=1e-4)


@pytest.mark.parametrize("mode", FILL_MODES)
def test_identity_and_whole_pixel_shifts_are_exact(ops, tensor, to_numpy, mode):
    images = np.random.default_rng(1).uniform(size=(3, 6, 8, 2)).astype("float32")
    matrices = np.tile(np.eye(3, dtype="float32"), (3, 1, 1))
    matrices[1, 0, 2], matrices[2, 1, 2] = 2, -1
    out = to_numpy(resampled(ops, tensor(images), tensor(matrices), mode))
    np.testing.assert_array_equal(out[0], images[0])
    np.testing.assert_array_equal(out[1, :, :-2], images[1, :, 2:])
    np.testing.assert_array_equal(out[2, 1:], images[2, :-1])
    border = {
        "reflect": images[2, 0],
        "constant": np.zeros((8, 2)),
        "nearest": images[2, 0],
        "wrap": images[2, -1],
    }
    np.testing.assert_array_equal(out[2, 0], border[mode])


@pytest.mark.parametrize("mode", ["reflect", "nearest", "wrap"])
def test_a_constant_image_stays_constant(ops, tensor, to_numpy, mode):
    images = np.full((8, 10, 12, 1), 0.1, "float32")
    out = resampled(ops, tensor(images), tensor(random_affine(8)), mode)
    np.testing.assert_array_equal(to_numpy(out), images)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float64"])
def test_whole_pixels_are_copied_in_any_dtype_bit_for_bit(ops, tensor, to_numpy, dtype):
    images = np.random.default_rng(0).integers(0, 200, (2, 5, 4, 3)).astype(dtype)
    turn = np.diag([-1, -1, 1]).astype("float32")
    matrices = np.stack([np.eye(3, dtype="float32"), turn])
    given = tensor(images)
    x, y = source(ops, tensor(matrices), (5, 4), (5, 4))
    out = copy_nearest(ops, given, x, y, Border("reflect", 0.0))
    assert out.dtype == given.dtype
    np.testing.assert_array_equal(to_numpy(out)[0], images[0])
    np.testing.assert_array_equal(to_numpy(out)[1], images[1, ::-1, ::-1])


def test_an_empty_batch_stays_empty(ops, tensor, to_numpy):
    if ops is keras.ops and keras.backend.backend() == "jax":
        pytest.skip("jax.numpy.take drops the shape of an empty index")
    images = np.zeros((0, 4, 4, 1), "float32")
    matrices = np.zeros((0, 3, 3), "float32")
    out = resampled(ops, tensor(images), tensor(matrices))
    assert to_numpy(out).shape == (0, 4, 4, 1)
