import math

import pytest

from kerastricks.theory import compute_fans


# Golden values: counted by hand from the definition of each layer. What the layers really sum is
# held against these fans in tests/initializers/test_kernels.py.
@pytest.mark.parametrize(
    ("shape", "arguments", "fans"),
    [
        ((), {}, (1, 1)),
        ((7,), {}, (7, 7)),
        ((784, 100), {}, (784, 100)),
        ((5, 8, 4), {}, (40, 20)),  # Conv1D
        ((3, 3, 16, 32), {}, (144, 288)),  # Conv2D
        ((1, 1, 64, 16), {}, (64, 16)),  # pointwise
        ((2, 3, 5, 7, 11), {}, (210, 330)),  # Conv3D
        ((3, 3, 4, 32), {"groups": 4}, (36, 72)),  # 16 channels in 4 groups
        ((3, 3, 4, 32), {"groups": 1}, (36, 288)),
        ((5, 8, 1), {"kernel": "depthwise"}, (5, 5)),
        ((3, 3, 16, 2), {"kernel": "depthwise"}, (9, 18)),
        ((3, 3, 32, 16), {"kernel": "transposed"}, (144, 288)),
        ((784, 100), {"kernel": "ab,bc->ac"}, (784, 100)),
        ((784, 100), {"kernel": "...x,xy->...y"}, (784, 100)),
        ((784, 100), {"kernel": "ab...,bc->ac..."}, (784, 100)),
        ((64, 4, 16), {"kernel": "abc,cde->abde"}, (64, 64)),  # into heads
        ((4, 16, 64), {"kernel": "abcd,cde->abe"}, (64, 64)),  # out of heads
        ((3, 5, 7), {"kernel": "abc,bcd->abd"}, (5, 7)),  # one matrix for each b
        ((7, 5, 3), {"kernel": "abc,dcb->abd"}, (5, 7)),
        ((5,), {"kernel": "ab,b->ab"}, (1, 1)),  # one factor for each b
        ((5,), {"kernel": "ab,b->a"}, (5, 1)),
    ],
)
def test_fans_follow_the_convention(shape, arguments, fans):
    assert compute_fans(shape, **arguments) == fans
    assert compute_fans(list(shape), **arguments) == fans


def test_fans_count_the_weights():
    shape = (3, 5, 6, 4)
    fan_in, fan_out = compute_fans(shape)
    assert fan_in * shape[-1] == fan_out * shape[-2] == math.prod(shape)


def test_a_transposed_convolution_swaps_the_fans():
    assert compute_fans((3, 5, 6, 4), "transposed") == compute_fans((3, 5, 6, 4))[::-1]


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3, 4, 5), (-1, 4)])
@pytest.mark.parametrize("kernel", ["convolution", "depthwise", "ab,bc->ac"])
def test_sizes_must_be_positive(shape, kernel):
    with pytest.raises(ValueError, match=r"`shape` must hold positive sizes.*Received: shape="):
        compute_fans(shape, kernel)


@pytest.mark.parametrize("shape", [(3.0, 4), (None, 4), ("3", 4)])
def test_sizes_must_be_whole_numbers(shape):
    with pytest.raises(TypeError, match=r"`shape` must hold whole numbers. Received: shape="):
        compute_fans(shape)


@pytest.mark.parametrize("kernel", ["conv", "", "einsum", "Depthwise", "ab,bc"])
def test_kernel_must_be_known(kernel):
    known = r'`kernel` must be "convolution", "depthwise", "transposed" or an equation'
    with pytest.raises(ValueError, match=rf"{known}.*Received: kernel={kernel!r}"):
        compute_fans((3, 3, 4, 5), kernel)


def test_kernel_must_be_a_string():
    with pytest.raises(TypeError, match=r"`kernel` must be .*Received: kernel=None \(of type None"):
        compute_fans((3, 3, 4, 5), None)


@pytest.mark.parametrize(
    "equation",
    ["ab->bc", "ab, bc->ac", "ab,bc->", "...ab,bc->ac", "...a...,ab->...b...", "a,...b->...b"],
)
def test_equations_are_those_of_einsum_dense(equation):
    with pytest.raises(ValueError, match=r'of the form "ab,bc->ac".*without spaces'):
        compute_fans((3, 4), equation)


@pytest.mark.parametrize(
    ("equation", "letter"),
    [("abc,cd->ad", "b"), ("ab,bcd->ac", "d"), ("ab,bc->acd", "d"), ("ab,bb->ab", "b")],
)
def test_equations_without_fans_are_refused(equation, letter):
    with pytest.raises(ValueError, match=rf"each letter stands once.*where '{letter}' does not"):
        compute_fans((3, 4), equation)


@pytest.mark.parametrize(
    ("shape", "kernel", "axes"),
    [
        ((7,), "depthwise", "at least 3 axes"),
        ((4, 5), "transposed", "at least 3 axes"),
        ((4, 5), "abc,cde->abde", "3 axes, 'cde'"),
        ((4, 5, 6, 7), "abc,cde->abde", "3 axes, 'cde'"),
        ((), "ab,b->a", "1 axes, 'b'"),
    ],
)
def test_shape_must_fit_the_kernel(shape, kernel, axes):
    with pytest.raises(ValueError, match=rf"`shape` must have {axes}.*Received: shape="):
        compute_fans(shape, kernel)


def test_groups_must_divide_the_outputs():
    with pytest.raises(ValueError, match=r"`groups` must divide .* of size 5. Received: groups=2"):
        compute_fans((3, 3, 4, 5), groups=2)


@pytest.mark.parametrize("groups", [0, -2])
def test_groups_must_be_positive(groups):
    with pytest.raises(ValueError, match=rf"`groups` must be a whole.*Received: groups={groups}"):
        compute_fans((3, 3, 4, 5), groups=groups)


@pytest.mark.parametrize("groups", [2.0, "2", None])
def test_groups_must_be_whole(groups):
    with pytest.raises(TypeError, match=r"`groups` must be a whole number above 0. Received:"):
        compute_fans((3, 3, 4, 4), groups=groups)


@pytest.mark.parametrize("kernel", ["depthwise", "transposed", "abcd,def->abcef"])
def test_only_convolutions_have_groups(kernel):
    with pytest.raises(ValueError, match=r'`groups` may exceed 1 only for kernel="convolution"'):
        compute_fans((3, 4, 4), kernel, groups=2)
