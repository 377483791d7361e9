import numpy as np
import pytest
from scipy import stats

import kerastricks as kt

Translation = kt.augment.RandomTranslation


def test_half_an_image_to_the_right_and_down(run, images):
    square = images[:, :10, :16]
    shift = Translation((0.5, 0.5), (0.25, 0.25))
    out = run([shift], square, fill_mode="constant", fill_value=9)
    np.testing.assert_array_equal(out[:, 5:, 4:], square[:, :5, :12])
    assert (out[:, :5] == 9).all()
    assert (out[:, :, :4] == 9).all()


@pytest.mark.parametrize("mode", ["reflect", "nearest", "wrap"])
def test_what_enters_is_the_border(run, images, mode):
    pad = {"reflect": "symmetric", "nearest": "edge", "wrap": "wrap"}[mode]
    square = images[:, :, :16]
    out = run([Translation(0, (0.25, 0.25))], square, fill_mode=mode)
    expected = np.pad(square, [(0, 0), (0, 0), (4, 0), (0, 0)], pad)[:, :, :16]
    np.testing.assert_array_equal(out, expected)


def test_shifts_are_uniform_and_independent(draw):
    matrices = draw(Translation(0.1, (0, 0.5)), size=(20, 30))
    down, right = -matrices[:, 1, 2] / 20, -matrices[:, 0, 2] / 30
    assert stats.kstest(down, "uniform", (-0.1, 0.2)).pvalue > 1e-3
    assert stats.kstest(right, "uniform", (0, 0.5)).pvalue > 1e-3
    assert abs(np.corrcoef(down, right)[0, 1]) < 0.06


@pytest.mark.parametrize("shift", [2, (1, 0), "far", None, (0, 1.5)])
def test_shifts_that_are_no_range_within_the_image_are_refused(shift):
    with pytest.raises(ValueError, match=r"RandomTranslation: `width`.*Received: width="):
        Translation(0, shift)
