import numpy as np
import pytest

from kerastricks.augment.geometry import affine, compose, cosine_and_sine


def test_right_angles_are_exact(ops, tensor, to_numpy):
    degrees = np.arange(-360, 361, 90, dtype="float32")
    cosine, sine = (to_numpy(x) for x in cosine_and_sine(ops, tensor(degrees)))
    np.testing.assert_array_equal(cosine, np.round(np.cos(np.radians(degrees))))
    np.testing.assert_array_equal(sine, np.round(np.sin(np.radians(degrees))))


def test_agrees_with_numpy_to_float32_precision(ops, tensor, to_numpy):
    degrees = np.linspace(-360, 360, 7201, dtype="float32")
    cosine, sine = (to_numpy(x) for x in cosine_and_sine(ops, tensor(degrees)))
    radians = np.radians(degrees.astype("float64"))
    np.testing.assert_allclose(cosine, np.cos(radians), atol=2e-7)
    np.testing.assert_allclose(sine, np.sin(radians), atol=2e-7)


@pytest.mark.parametrize("length", [1, 3, 8, 61])
def test_the_place_in_the_batch_changes_no_bit(ops, tensor, to_numpy, length):
    degrees = np.random.default_rng(0).uniform(-360, 360, 61).astype("float32")
    whole = to_numpy(cosine_and_sine(ops, tensor(degrees))[0])
    part = to_numpy(cosine_and_sine(ops, tensor(degrees[-length:]))[0])
    np.testing.assert_array_equal(part, whole[-length:])


def test_composition_is_the_matrix_product(ops, tensor, to_numpy):
    first, second = np.random.default_rng(0).normal(size=(2, 5, 3, 3)).astype("float32")
    product = to_numpy(compose(ops, tensor(first), tensor(second)))
    np.testing.assert_allclose(product, first @ second, rtol=1e-5, atol=1e-5)


def test_affine_rows(ops, tensor, to_numpy):
    rows = np.arange(12, dtype="float32").reshape(6, 2)
    a, b, c, d, e, f = (tensor(row) for row in rows)
    matrices = to_numpy(affine(ops, (a, b, c), (d, e, f)))
    np.testing.assert_array_equal(matrices[1], [[1, 3, 5], [7, 9, 11], [0, 0, 1]])
