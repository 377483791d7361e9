"""What several workers give is put in order within bounds, or an error says what is missing."""

import gc
import itertools
import threading
import time

import pytest

pytest.importorskip("tensorflow")
order = pytest.importorskip("kerastricks.augment.placement.order")
reader = pytest.importorskip("kerastricks.augment.placement.reader")


def dealt(shares, count):
    """Elements as a client reads them: in turn, though each time round another is first."""
    for start in range(0, count, shares):
        numbers = list(range(start, min(start + shares, count)))
        yield from ((n, str(n)) for n in numbers[start % 2 :] + numbers[: start % 2])


@pytest.mark.parametrize("shares", [1, 2, 5])
def test_what_comes_in_turn_comes_out_in_order(shares):
    assert list(order.in_order(dealt(shares, 23), shares)) == [str(n) for n in range(23)]


def test_a_missing_share_is_an_error_before_much_has_gathered():
    read = 0

    def without_number_one():
        nonlocal read
        for number in itertools.chain([0], itertools.count(2)):
            read += 1
            yield number, number

    pauses = []
    elements = order.in_order(without_number_one(), shares=3, pause=pauses.append)
    told = r"24 elements wait for number 1, which no worker makes: one of 3 shares was lost"
    with pytest.raises(order.ShareLostError, match=told):
        list(elements)
    assert read == 25
    assert len(pauses) == 20


def test_a_worker_that_begins_late_is_waited_for():
    pauses = []
    early = [(number, number) for number in range(1, 16, 2)]
    late = [(number, number) for number in range(0, 16, 2)]
    assert list(order.in_order(early + late, 2, pause=pauses.append)) == list(range(16))
    assert pauses


def test_a_worker_that_joins_repeats_what_was_there():
    joined = threading.Event()
    elements = [(0, "a"), (1, "b"), (0, "again"), (2, "c"), (3, "d"), (2, "again")]
    assert list(order.in_order(elements[:2], 2, joined)) == ["a", "b"]
    assert not joined.is_set()
    assert list(order.in_order(elements, 2, joined)) == ["a", "b", "c", "d"]
    assert joined.is_set()


def test_reading_ahead_reads_one_ahead():
    read = []

    def source():
        for number in range(100):
            read.append(number)
            yield number

    ahead = order.Ahead(source, patience=30)
    assert [ahead.take() for _ in range(3)] == [0, 1, 2]
    assert ahead.peek() == ahead.peek() == 3
    time.sleep(0.1)
    assert len(read) <= 6
    ahead.close()


def test_waiting_has_a_limit():
    hold = threading.Event()

    def source():
        yield 0
        hold.wait(30)

    ahead = order.Ahead(source, patience=0.1)
    assert ahead.take() == 0
    with pytest.raises(TimeoutError, match=r"Nothing came within 0\.1 seconds"):
        ahead.take()
    hold.set()


def test_what_is_raised_there_is_raised_here():
    def source():
        yield 0
        raise ValueError("a damaged file")

    ahead = order.Ahead(source, patience=30)
    assert ahead.take() == 0
    for _ in range(2):
        with pytest.raises(ValueError, match="a damaged file"):
            ahead.take()


@pytest.mark.compiling
def test_the_thread_ends_with_its_owner():
    before = set(threading.enumerate())
    ahead = order.Ahead(itertools.count, patience=30)
    assert ahead.take() == 0
    (thread,) = set(threading.enumerate()) - before
    del ahead
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


class Workers:
    """Stand in for a service: epochs of `length` elements (epoch, number), of two workers."""

    def __init__(self, monkeypatch, length, fail_at=None):
        self.begun, self.fail_at = [], fail_at
        self.length = length
        monkeypatch.setattr(reader, "distributed", lambda service, shares: (2, shares(2)))
        monkeypatch.setattr(reader, "PATIENCE", 0.3)

    def deal(self, place, workers):
        self.begun.append(place)
        return self.elements(*place)

    def elements(self, first, number):
        row = itertools.count()
        for epoch in itertools.count(first):
            for n in range(number if epoch == first else 0, self.length):
                if (epoch, n) == self.fail_at:
                    self.fail_at = None
                    time.sleep(1)
                yield next(row), epoch, n, [10 * epoch + n]


@pytest.fixture
def epoch():
    """Read an epoch as the data set does."""

    def epoch(made, number, start=0, stop=None):
        found = []
        for n in itertools.count(start):
            if n == stop or not made.is_there(number, n):
                return found
            found += made.element(number, n)
        return None

    return epoch


@pytest.mark.parametrize("known", [True, False])
def test_workers_go_on_from_epoch_to_epoch(monkeypatch, epoch, known):
    workers = Workers(monkeypatch, 3)
    made = reader.Reader("grpc://here", workers.deal, 3 if known else -2)
    assert [epoch(made, n) for n in range(3)] == [[0, 1, 2], [10, 11, 12], [20, 21, 22]]
    # `fit` counts the batches of the first epoch, and leaves a later one at its end.
    assert epoch(made, 3, stop=3) == [30, 31, 32]
    assert epoch(made, 4) == [40, 41, 42]
    assert workers.begun == [(0, 0)]


@pytest.mark.parametrize("known", [True, False])
def test_they_begin_anew_where_something_else_is_asked_for(monkeypatch, epoch, known):
    workers = Workers(monkeypatch, 3)
    made = reader.Reader("grpc://here", workers.deal, 3 if known else -2)
    assert epoch(made, 0, stop=1) == [0]
    assert epoch(made, 1) == [10, 11, 12]
    assert epoch(made, 5, start=2) == [52]
    assert epoch(made, 0, start=1) == [1, 2]
    assert workers.begun[:3] == [(0, 0), (1, 0), (5, 2)]


def test_iterations_side_by_side_do_not_disturb_each_other(monkeypatch):
    workers = Workers(monkeypatch, 4)
    made = reader.Reader("grpc://here", workers.deal, 4)
    for n in range(4):
        assert made.element(0, n) + made.element(1, n) == [n, 10 + n]
    assert workers.begun == [(0, 0), (1, 0)]


def test_where_a_share_was_lost_another_row_is_begun(monkeypatch, epoch):
    workers = Workers(monkeypatch, 3)
    monkeypatch.setattr(order, "_PAUSE", 0)
    deal = workers.deal

    def lossy(place, count):
        made = deal(place, count)
        return (e for e in made if e[0] % 2) if len(workers.begun) < 3 else made

    made = reader.Reader("grpc://here", lossy, 3)
    assert epoch(made, 0) == [0, 1, 2]
    assert workers.begun == [(0, 0)] * 3

    def lost(place, count):
        return (e for e in deal(place, count) if e[0] % 2)

    with pytest.raises(RuntimeError, match=r"Element 0 of epoch 0 did .* one of 2 shares was lost"):
        epoch(reader.Reader("grpc://here", lost, 3), 0)


@pytest.mark.compiling
def test_a_lost_element_is_named_and_can_be_asked_for_again(monkeypatch, epoch):
    workers = Workers(monkeypatch, 3, fail_at=(1, 1))
    made = reader.Reader("grpc://here", workers.deal, 3)
    assert epoch(made, 0) == [0, 1, 2]
    told = r"Element 1 of epoch 1 did not come back from the data service at grpc://here: Nothing"
    with pytest.raises(RuntimeError, match=told):
        epoch(made, 1)
    assert epoch(made, 1, start=1) == [11, 12]
    assert workers.begun == [(0, 0), (1, 1)]
