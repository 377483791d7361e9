import numpy as np
import pytest
from scipy import ndimage, stats

import kerastricks as kt

Shear = kt.augment.RandomShear


def test_agrees_with_scipy(run):
    images = np.random.default_rng(0).uniform(size=(1, 21, 25, 1)).astype("float32")
    slope, steep = np.tan(np.radians(20)), np.tan(np.radians(-10))
    # Rows are (y, x): y_in = y + tan(b) x, x_in = x + tan(a) y_in.
    matrix = np.array([[1, steep], [slope, 1 + slope * steep]])
    center = np.array([10, 12])
    expected = ndimage.affine_transform(
        images[0, :, :, 0].astype("float64"), matrix, center - matrix @ center, order=1
    )
    shear = Shear((20, 20), (-10, -10))
    # The smoothing against aliasing, which scipy has not, is taken out by a bound of one.
    object.__setattr__(shear, "minification", lambda size: 1.0)
    out = run([shear], images, value_range=(0, 1))[0, :, :, 0]
    np.testing.assert_allclose(out[6:-6, 6:-6], expected[6:-6, 6:-6], atol=1e-4)


def test_a_positive_angle_moves_the_top_to_the_right(run):
    line = np.zeros((1, 5, 5, 1), "uint8")
    line[:, :, 2] = 9
    out = run([Shear((45, 45))], line)[0, :, :, 0]
    # The slant shrinks along x by the square root of two, and smoothing spreads the line.
    assert [int(row.argmax()) for row in out] == [4, 3, 2, 1, 0]


def test_a_positive_vertical_angle_moves_the_left_side_down(run):
    line = np.zeros((1, 5, 5, 1), "uint8")
    line[:, 2] = 9
    out = run([Shear(0, (45, 45))], line)[0, :, :, 0]
    assert [int(column.argmax()) for column in out.T] == [4, 3, 2, 1, 0]


def test_angles_are_uniform(draw):
    matrices = draw(Shear(15, (0, 30)))
    level = np.degrees(np.arctan(matrices[:, 0, 1]))
    upright = np.degrees(np.arctan(matrices[:, 1, 0]))
    assert stats.kstest(level, "uniform", (-15, 30)).pvalue > 1e-3
    assert stats.kstest(upright, "uniform", (0, 30)).pvalue > 1e-3


def test_area_is_kept(draw):
    matrices = draw(Shear(60, 60), count=100)
    np.testing.assert_allclose(np.linalg.det(matrices), 1, rtol=1e-4)


@pytest.mark.parametrize("degrees", [90, -5, (30, 20), "steep"])
def test_angles_beyond_80_degrees_are_refused(degrees):
    with pytest.raises(ValueError, match=r"RandomShear: `degrees`.*from 0 to 80"):
        Shear(degrees)
