"""The file of a run: what was written whole is read, and nothing else is."""

import errno
import json
import struct
import zlib

import numpy as np
import pytest

from kerastricks.diagnosis import journal as journals
from kerastricks.diagnosis.entries import MAGIC, UnreadableError, packed, read, seal
from kerastricks.diagnosis.journal import Journal
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.slots import WeightSlot
from kerastricks.diagnosis.steps import Start

PLAN = Plan(weights=(WeightSlot(np.zeros(3), "kernel", "layer", 0, False, None, 0),))
EPOCHS, STEPS = 4, 3
"""Each step makes one update."""


def look(step):
    numbers = np.full(PLAN.length, step, np.float32)
    numbers[:2] = np.nan, -np.inf
    return numbers


@pytest.fixture
def lost():
    return []


@pytest.fixture
def journal(tmp_path, lost):
    journal = Journal(tmp_path / "folder" / "it.journal", lost.append)
    yield journal
    journal.close()


def write(journal, epochs=EPOCHS, first=0, step=0):
    for epoch in range(first, epochs):
        for _ in range(STEPS):
            journal.append("look", look(step), step=step, told=step % 2 == 0)
            step += 1
        journal.append("told")
        journal.append("said", keys=[["overfitting", None], ["dying_units", f"layer{epoch}"]])
        logs = {"loss": float("nan"), "val_loss": None}
        journal.append("epoch", epoch=epoch, step=step, updates=step, logs=logs)


@pytest.fixture
def written(journal, lost):
    journal.begin(PLAN, Start(0, 0, learning_rate=0.5))
    write(journal)
    journal.close()
    assert lost == []
    return journal


def content(entries):
    return [(entry.kind, repr(entry.facts), entry.numbers.tobytes()) for entry in entries]


def test_what_was_written_is_read(written):
    entries = list(read(written.path))
    looks = [entry for entry in entries if entry.kind == "look"]
    assert [entry.facts["step"] for entry in looks] == list(range(EPOCHS * STEPS))
    for step, entry in enumerate(looks):
        np.testing.assert_array_equal(entry.numbers, look(step))
    (_, _, _, _, _, _, epoch, *_) = entries
    assert epoch.facts["logs"]["val_loss"] is None
    assert np.isnan(epoch.facts["logs"]["loss"])


@pytest.mark.compiling
def test_wherever_writing_was_cut_off_what_came_before_is_read(written):
    whole = written.path.read_bytes()
    entries = list(read(written.path))
    ends = [entry.end for entry in entries]
    for size in range(len(MAGIC), len(whole), 3):
        written.path.write_bytes(whole[:size])
        held = sum(end <= size for end in ends)
        assert content(read(written.path)) == content(entries[:held])


@pytest.mark.compiling
def test_whichever_byte_is_wrong_nothing_wrong_is_read(written):
    whole = written.path.read_bytes()
    entries = list(read(written.path))
    random = np.random.default_rng(0)
    for place in random.integers(len(MAGIC), len(whole), 300):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.integers(8)
        written.path.write_bytes(bytes(damaged))
        held = sum(entry.end <= place for entry in entries)
        assert content(read(written.path)) == content(entries[:held])


@pytest.mark.parametrize("epoch", range(EPOCHS + 1))
@pytest.mark.parametrize("beyond", range(STEPS))
def test_as_much_is_held_as_the_model_has_behind_it(written, epoch, beyond):
    updates = epoch * STEPS + beyond
    past = written.past(PLAN, Start(epoch, updates))
    if updates == 0:
        assert past is None
        return
    assert past.step == updates
    assert past.start == Start(0, 0, learning_rate=0.5)
    assert list(past.missing) == []
    entries = list(written.entries(past))
    seen = [entry.facts["step"] for entry in entries if entry.kind == "look"]
    assert seen == list(range(min(updates, EPOCHS * STEPS)))
    assert sum(entry.kind == "epoch" for entry in entries) == epoch
    # What was printed was printed, though the process was killed later.
    assert ["dying_units", f"layer{EPOCHS - 1}"] in past.said


def test_an_older_backup_is_gone_on_from_too(written):
    """Keras may find its newest file broken, and take the one before."""
    assert written.past(PLAN, Start(3, 3 * STEPS)).step == 3 * STEPS
    past = written.past(PLAN, Start(1, STEPS))
    written.go_on(past)
    write(written, first=1, step=STEPS)
    written.close()
    again = written.past(PLAN, Start(4, 4 * STEPS))
    steps = [e.facts["step"] for e in written.entries(again) if e.kind == "look"]
    assert steps == list(range(EPOCHS * STEPS))


def test_steps_that_make_no_update_are_counted_where_epochs_end(journal):
    """A loss scale that was too large, several steps run at once, an optimizer of one's own."""
    journal.begin(PLAN, Start(0, 0))
    for epoch in range(2):
        journal.append("look", look(epoch), step=10 * epoch, told=True)
        step = 10 * (epoch + 1)
        journal.append("epoch", epoch=epoch, step=step, updates=7 * (epoch + 1), logs={})
    journal.close()
    assert journal.past(PLAN, Start(2, 14)).step == 20
    assert journal.past(PLAN, Start(1, 7)).step == 10


def test_gathered_gradients_make_one_update(journal):
    journal.begin(PLAN, Start(0, 0, 4))
    for step in range(12):
        journal.append("look", look(step), step=step, told=True)
    journal.close()
    assert journal.past(PLAN, Start(0, 2, 4)).step == 8


def test_the_end_of_an_epoch_that_is_not_held_is_known(written):
    past = written.past(PLAN, Start(EPOCHS + 2, (EPOCHS + 2) * STEPS))
    assert list(past.missing) == [EPOCHS, EPOCHS + 1]
    assert past.step == (EPOCHS + 2) * STEPS
    written.go_on(past)
    write(written, first=EPOCHS + 2, epochs=EPOCHS + 3, step=past.step)
    written.close()
    later = written.past(PLAN, Start(EPOCHS + 3, (EPOCHS + 3) * STEPS))
    assert later.missing == [EPOCHS, EPOCHS + 1]


def test_a_model_that_was_not_restored_has_nothing_behind_it(written):
    assert written.past(PLAN, Start(0, 0)) is None
    other = Journal(written.path.with_name("other"), written.lost)
    assert other.past(PLAN, Start(3, 9)) is None


def forged(*entries):
    return MAGIC + b"".join(entries)


def entry(body, numbers=b""):
    checksum = zlib.crc32(body + numbers)
    return struct.pack("<III", len(body), len(numbers), checksum) + body + numbers


BEGIN = packed("begin", None, {"plan": seal(PLAN), **vars(Start(0, 0))})
EPOCH = {"epoch": 0, "step": 3, "updates": 3, "logs": {}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 something else",
        MAGIC,
        forged(packed("epoch", None, EPOCH)),
        forged(packed("begin", None, {"plan": "another"})),
        forged(packed("begin", None, {"plan": seal(PLAN), "colour": "red"})),
        forged(packed("begin", None, {"plan": seal(PLAN), **vars(Start(-(10**7), 0))})),
        forged(BEGIN, packed("look", look(0)[1:], {"step": 0, "told": True})),
        forged(BEGIN, packed("look", look(0), {"step": "0", "told": True})),
        forged(BEGIN, packed("epoch", None, {**EPOCH, "epoch": None})),
        forged(BEGIN, packed("dance", None, {})),
        forged(BEGIN, entry(b"no JSON")),
        forged(BEGIN, entry(b"[1]")),
        forged(BEGIN, entry(b"[" * 100_000)),
        forged(BEGIN, entry(b'{"kind": "told"}', b"123")),
    ],
)
def test_a_file_that_says_something_else_is_refused(journal, data):
    journal.path.parent.mkdir()
    journal.path.write_bytes(data)
    with pytest.raises(UnreadableError):
        journal.past(PLAN, Start(1, 3))


def test_a_length_beyond_the_file_asks_for_no_memory(journal):
    journal.path.parent.mkdir()
    journal.path.write_bytes(forged(BEGIN, struct.pack("<III", 2**31, 2**31, 0)))
    assert [entry.kind for entry in read(journal.path)] == ["begin"]


def test_a_folder_or_a_device_in_its_place_is_refused(journal):
    journal.path.mkdir(parents=True)
    with pytest.raises(UnreadableError, match="is no file"):
        journal.past(PLAN, Start(1, 3))
    journal.path.rmdir()
    journal.path.symlink_to("/dev/full")
    with pytest.raises(UnreadableError, match="is no file"):
        journal.past(PLAN, Start(1, 3))


def test_a_file_that_is_not_ours_is_kept(journal, lost):
    journal.path.parent.mkdir()
    journal.path.write_text("a diary")
    journal.remove()
    assert journal.path.read_text() == "a diary"
    journal.begin(PLAN, Start(0, 0))
    write(journal)
    journal.remove()
    assert journal.path.with_suffix(".unreadable").read_text() == "a diary"
    assert not journal.path.exists()
    assert lost == []


def test_its_folder_is_removed_when_empty(written):
    written.remove()
    assert not written.path.parent.exists()


def test_a_full_disk_is_told_once_and_leaves_what_was_whole(journal, lost, monkeypatch):
    journal.begin(PLAN, Start(0, 0))
    write(journal, epochs=1)
    whole = list(read(journal.path))

    def full(file, data):
        file.write(data[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journals, "_write", full)
    write(journal, first=1, step=STEPS)
    journal.close()
    assert lost == ["OSError: [Errno 28] No space left on device"]
    assert content(read(journal.path)) == content(whole)


def test_entries_are_json_and_plain_numbers(written):
    data = written.path.read_bytes()
    told, numbers, _ = struct.unpack_from("<III", data, len(MAGIC))
    start = len(MAGIC) + 12
    assert json.loads(data[start : start + told])["kind"] == "begin"
    assert numbers == 0


def shortened(journal, epochs=EPOCHS):
    """A file of one look, the newest, after what came before."""
    write(journal, epochs)
    step = epochs * STEPS
    journal.shorten({"number": epochs}, [(step - 1, epochs - 1)])


def kinds(journal, past):
    return [entry.kind for entry in journal.entries(past)]


def test_a_shorter_file_holds_what_followed_and_the_looks_that_are_wanted(journal, lost):
    journal.begin(PLAN, Start(0, 0, learning_rate=0.5))
    shortened(journal)
    write(journal, EPOCHS + 1, EPOCHS, EPOCHS * STEPS)
    journal.close()
    past = journal.past(PLAN, Start(EPOCHS, EPOCHS * STEPS))
    assert (past.path, past.step, past.missing) == (journal.path, EPOCHS * STEPS, [])
    assert past.start == Start(0, 0, learning_rate=0.5)
    assert ["dying_units", "layer0"] in past.said
    _, state, _, first, newest = journal.entries(past)
    assert state.facts["held"] == {"number": EPOCHS}
    assert (first.facts["step"], first.facts["within"]) == (0, False)
    assert (newest.facts["step"], newest.facts["epochs"]) == (EPOCHS * STEPS - 1, EPOCHS - 1)
    np.testing.assert_array_equal(newest.numbers, look(EPOCHS * STEPS - 1))
    later = journal.past(PLAN, Start(EPOCHS + 1, (EPOCHS + 1) * STEPS))
    assert kinds(journal, later)[5:] == [*["look"] * STEPS, "told", "said", "epoch"]
    assert lost == []


def test_the_longer_file_serves_an_earlier_backup(journal, lost):
    journal.begin(PLAN, Start(0, 0))
    shortened(journal)
    write(journal, EPOCHS + 1, EPOCHS, EPOCHS * STEPS)
    journal.close()
    past = journal.past(PLAN, Start(EPOCHS - 1, (EPOCHS - 1) * STEPS))
    assert (past.path, past.step) == (journal.older, (EPOCHS - 1) * STEPS)
    assert "state" not in kinds(journal, past)
    assert ["dying_units", f"layer{EPOCHS}"] in past.said  # printed by the one that was lost
    journal.go_on(past)
    write(journal, EPOCHS + 1, EPOCHS - 1, past.step)
    assert not journal.older.exists()
    again = journal.past(PLAN, Start(EPOCHS + 1, (EPOCHS + 1) * STEPS))
    assert kinds(journal, again).count("look") == (EPOCHS + 1) * STEPS
    assert journal.past(PLAN, Start(0, 0)) is None
    journal.remove()
    assert not journal.path.parent.exists()
    assert lost == []


def test_a_backup_from_before_the_longer_file_is_told(journal):
    journal.begin(PLAN, Start(0, 0))
    shortened(journal)
    write(journal, EPOCHS + 2, EPOCHS, EPOCHS * STEPS)
    last = (EPOCHS + 2) * STEPS
    journal.shorten({}, [(last - 1, EPOCHS + 1)])
    journal.close()
    assert journal.past(PLAN, Start(EPOCHS, EPOCHS * STEPS)).path == journal.older
    with pytest.raises(UnreadableError, match="does not go back as far"):
        journal.past(PLAN, Start(EPOCHS - 1, (EPOCHS - 1) * STEPS))
    assert journal.past(PLAN, Start(0, 0)) is None


@pytest.mark.parametrize("times", [1, 2])
def test_killed_while_files_change_places_one_is_there(journal, monkeypatch, times):
    class KilledError(BaseException):
        pass

    def killed(*paths):
        calls.append(paths)
        if len(calls) == times:
            raise KilledError
        replace(*paths)

    calls, replace = [], journals.os.replace
    journal.begin(PLAN, Start(0, 0))
    monkeypatch.setattr(journals.os, "replace", killed)
    with pytest.raises(KilledError):
        shortened(journal)
    monkeypatch.undo()
    past = journal.past(PLAN, Start(EPOCHS, EPOCHS * STEPS))
    assert kinds(journal, past).count("look") == EPOCHS * STEPS
    journal.close()
    again = Journal(journal.path, journal.lost)
    again.go_on(past)
    again.remove()
    assert not journal.path.parent.exists()


def test_no_file_is_open_while_it_changes_its_place(journal, monkeypatch):
    """On Windows it cannot."""
    opened, replace = [], journals.os.replace

    def spied(*paths):
        opened.append(journal._file)
        replace(*paths)

    monkeypatch.setattr(journals.os, "replace", spied)
    journal.begin(PLAN, Start(0, 0))
    shortened(journal)
    assert opened == [None, None]
    write(journal, EPOCHS + 1, EPOCHS, EPOCHS * STEPS)
    past = journal.past(PLAN, Start(EPOCHS + 1, (EPOCHS + 1) * STEPS))
    assert kinds(journal, past).count("look") == STEPS


def test_epochs_are_written_once(journal):
    """Each look knows all that ended before it."""
    journal.begin(PLAN, Start(0, 0))
    write(journal)
    journal.shorten({}, [({"an": "outline"}, 2), (EPOCHS * STEPS - 1, EPOCHS - 1)])
    journal.close()
    *_, outline, newest = read(journal.path)
    assert (outline.facts, newest.facts["epochs"]) == (
        {"held": {"an": "outline"}, "epochs": 2},
        EPOCHS - 1,
    )


def test_a_shorter_file_that_finds_no_room_leaves_the_longer(journal, lost, monkeypatch):
    journal.begin(PLAN, Start(0, 0))
    write(journal)
    whole = list(read(journal.path))

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journals.os, "fsync", full)
    journal.shorten({}, [(EPOCHS * STEPS - 1, EPOCHS - 1)])
    assert lost == ["OSError: [Errno 28] No space left on device"]
    assert content(read(journal.path)) == content(whole)
    assert [file.name for file in journal.path.parent.iterdir()] == [journal.path.name]


def test_a_file_is_long_when_it_has_grown_and_seen_epochs(journal, monkeypatch):
    monkeypatch.setattr(journals, "LONG", 0)
    journal.begin(PLAN, Start(0, 0))
    write(journal, 1)
    assert not journal.long
    write(journal, 2, 1, STEPS)
    assert journal.long
    journal.shorten({"much": "x" * 4000}, [(2 * STEPS - 1, 1)])
    assert not journal.long
    epoch, step = 2, 2 * STEPS
    while not journal.long:
        write(journal, epoch + 1, epoch, step)
        epoch, step = epoch + 1, step + STEPS
    assert 3 * 4000 < journal._file.tell() < 4 * 6000
