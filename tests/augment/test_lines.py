import numpy as np
import pytest

from kerastricks.augment.border import Border
from kerastricks.augment.lines import lines

PAD = {"reflect": "symmetric", "wrap": "wrap", "nearest": "edge"}


@pytest.mark.parametrize("fill_mode", PAD)
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
def test_neighbors_are_those_of_numpys_padded_images(
    ops, tensor, to_numpy, fill_mode, axis, channels
):
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, channels)).astype("uint8")
    radius = 3
    moved = lines(ops, tensor(images), axis, Border(fill_mode, 0.0), radius)
    ends = [(radius, radius) if along == axis else (0, 0) for along in range(4)]
    padded = np.pad(images, ends, mode=PAD[fill_mode])
    for number in range(2 * radius + 1):
        cut = [slice(number, number + length) if along == axis else slice(None)
               for along, length in enumerate(images.shape)]  # fmt: skip
        out = to_numpy(moved(float(number)))
        assert out.dtype == "uint8"
        np.testing.assert_array_equal(out, padded[tuple(cut)].reshape(2, 4, -1))
