import numpy as np
import pytest

import kerastricks as kt

Pad = kt.augment.Pad
NUMPY = {"reflect": "symmetric", "nearest": "edge", "wrap": "wrap", "constant": "constant"}


@pytest.mark.parametrize("mode", NUMPY)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_agrees_with_numpy(run, images, mode, dtype):
    images = images.astype(dtype)
    out = run([Pad(2, 3)], images, fill_mode=mode, fill_value=4)
    border = [(0, 0), (2, 2), (3, 3), (0, 0)]
    values = {"constant_values": 4} if mode == "constant" else {}
    np.testing.assert_array_equal(out, np.pad(images, border, NUMPY[mode], **values))
    assert out.dtype == dtype


@pytest.mark.parametrize("border", [(-1, 0), (0, 0.5), (None, 0)])
def test_no_number_of_pixels_is_refused(border):
    with pytest.raises(ValueError, match=r"Pad: `(height|width)` is a whole number of pixels"):
        Pad(*border)
