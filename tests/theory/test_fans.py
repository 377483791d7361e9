import math

import pytest

from kerastricks.theory import compute_fans


# Golden values: counted by hand from the definition of each layer.
@pytest.mark.parametrize(
    ("shape", "fans"),
    [
        ((), (1, 1)),
        ((7,), (7, 7)),
        ((784, 100), (784, 100)),
        ((5, 8, 4), (40, 20)),  # Conv1D
        ((3, 3, 16, 32), (144, 288)),  # Conv2D
        ((1, 1, 64, 16), (64, 16)),  # pointwise
        ((2, 3, 5, 7, 11), (210, 330)),  # Conv3D
        ((3, 3, 4, 32), (36, 288)),  # Conv2D of 16 channels in 4 groups: true fan-in 9 * 4
    ],
)
def test_fans_follow_the_convention(shape, fans):
    assert compute_fans(shape) == fans
    assert compute_fans(list(shape)) == fans


def test_fans_count_the_weights():
    shape = (3, 5, 6, 4)
    fan_in, fan_out = compute_fans(shape)
    assert fan_in * shape[-1] == fan_out * shape[-2] == math.prod(shape)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3, 4, 5), (-1, 4)])
def test_sizes_must_be_positive(shape):
    with pytest.raises(ValueError, match=r"`shape` must hold positive sizes.*Received: shape="):
        compute_fans(shape)


@pytest.mark.parametrize("shape", [(3.0, 4), (None, 4), ("3", 4)])
def test_sizes_must_be_whole_numbers(shape):
    with pytest.raises(TypeError, match=r"`shape` must hold whole numbers. Received: shape="):
        compute_fans(shape)
