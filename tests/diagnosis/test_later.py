import pickle

import pytest

from kerastricks.diagnosis.later import Later


@pytest.fixture
def numbers():
    """A tuple to be, and how often it was made."""
    made = []

    def make():
        made.append(True)
        return iter((3, 1, 2))

    return Later(make), made


def test_it_is_made_once_and_when_it_is_looked_into(numbers):
    later, made = numbers
    assert not made
    assert len(later) == 3
    assert list(later) == [3, 1, 2]
    assert made == [True]


def test_it_is_as_the_tuple_that_it_becomes(numbers):
    later, _ = numbers
    assert later == (3, 1, 2)
    assert later == Later(lambda: [3, 1, 2])
    assert later != (3, 1)
    assert later[-1] == 2
    assert later[1:] == (1, 2)
    assert hash(later) == hash((3, 1, 2))
    assert repr(later) == "(3, 1, 2)"
    assert not Later(lambda: ())


def test_it_is_pickled_as_that_tuple(numbers):
    later, _ = numbers
    assert type(pickle.loads(pickle.dumps(later))) is tuple
