import numpy as np
import pytest
from scipy import stats

from kerastricks.augment.threefry import SampleKeys, signed, threefry_2x32

# Random123 1.14, tests/kat_vectors, "threefry2x32 20": counter, key, result.
KNOWN_ANSWERS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def words(tensor, values):
    return tensor(np.array(values, "uint32").view("int32"))


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_published_known_answers(ops, tensor, to_numpy, counter, key, expected):
    result = threefry_2x32(
        ops,
        tuple(words(tensor, [word]) for word in key),
        tuple(words(tensor, [word]) for word in counter),
    )
    assert tuple(int(to_numpy(word).view("uint32")[0]) for word in result) == expected


def test_equals_the_function_under_jax_random(ops, tensor, to_numpy):
    random = pytest.importorskip("jax.extend.random")
    drawn = np.random.default_rng(1).integers(0, 2**32, 2 + 2 * 100, dtype="uint32")
    key, counter = drawn[:2], drawn[2:]
    expected = np.asarray(random.threefry_2x32(key, counter))
    result = threefry_2x32(
        ops,
        (words(tensor, key[:1]), words(tensor, key[1:])),
        (words(tensor, counter[:100]), words(tensor, counter[100:])),
    )
    result = np.concatenate([to_numpy(word).view("uint32") for word in result])
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("word", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_signed_keeps_the_bits(word):
    assert np.int32(signed(word)).view("uint32") == word


def keys(tensor, seed=0, epoch=0, positions=range(4000)):
    return SampleKeys(seed, tensor(np.int32(epoch)), tensor(np.array(positions, "int32")))


def test_numbers_are_uniform_and_independent(ops, tensor, to_numpy):
    drawn = to_numpy(keys(tensor).uniform(ops, 0, 3))
    other = to_numpy(keys(tensor).uniform(ops, 1, 1))
    assert drawn.shape == (4000, 3)
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() < 1
    columns = [*drawn.T, other[:, 0]]
    for column in columns:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
        lagged = np.corrcoef(column[1:], column[:-1])[0, 1]
        assert abs(lagged) < 4 / np.sqrt(4000)
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 4 / np.sqrt(4000)


def test_a_number_depends_on_every_part_of_its_name_and_on_nothing_else(ops, tensor, to_numpy):
    def draw(transform=0, count=2, **name):
        return to_numpy(keys(tensor, **name).uniform(ops, transform, count))

    base = draw(positions=[5])
    np.testing.assert_array_equal(draw(positions=[3, 5, 9])[1:2], base)
    np.testing.assert_array_equal(draw(positions=[5], count=5)[:, :2], base)
    for other in (
        draw(positions=[6]),
        draw(positions=[5], epoch=1),
        draw(positions=[5], seed=1),
        draw(positions=[5], seed=2**32 - 1),
        draw(positions=[5], transform=1),
    ):
        assert (other != base).all()
