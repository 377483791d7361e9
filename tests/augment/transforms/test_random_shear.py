import numpy as np
import pytest

import kerastricks as kt

Shear = kt.augment.RandomShear


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


def test_area_is_kept(draw):
    matrices = draw(Shear(60, 60), count=100)
    np.testing.assert_allclose(np.linalg.det(matrices), 1, rtol=1e-4)


@pytest.mark.parametrize("degrees", [90, -5, (30, 20), "steep"])
def test_angles_beyond_80_degrees_are_refused(degrees):
    with pytest.raises(ValueError, match=r"RandomShear: `degrees`.*from 0 to 80"):
        Shear(degrees)
