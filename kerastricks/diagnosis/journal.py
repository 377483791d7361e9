"""What a run saw, entry by entry in a file: a run that was killed is gone through again from it.

Kept are the numbers that the steps carried out, and what happened between them. What follows from
these (findings, pictures, pooled data) is worked out again by the same code.
"""

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kerastricks._version import __version__
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.plan import Numbers, Plan
from kerastricks.diagnosis.steps import Start

MAGIC = b"kerastricks journal 1\n"
_HEAD = struct.Struct("<III")
"""Before each entry: the length of its facts, that of its numbers, a checksum of both."""

_FACTS: dict[str, dict[str, type]] = {
    "look": {"step": int, "told": bool},
    "told": {},
    "closing": {"made": int},
    "epoch": {"epoch": int, "step": int, "updates": int, "logs": dict},
    "said": {"keys": list},
}


class UnreadableError(ValueError):
    """A file that is no journal, or one of another model."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Attributes:
        kind: `"begin"`, `"look"`, `"told"`, `"closing"`, `"epoch"` or `"said"`.
        facts: What is known of it, in JSON's types.
        numbers: What a look is read from; empty for all else.
        end: Where the entry ends in the file.
    """

    kind: str
    facts: dict[str, Any]
    numbers: Numbers
    end: int


@dataclass(frozen=True)
class Past:
    """What a journal holds of the training that goes on.

    Attributes:
        start: How that training started.
        step: Steps that it made.
        missing: Epochs that it came through and whose end the journal lacks.
        end: Where it ends in the file; what comes later was lost with the process.
        said: Conditions and layers that were printed, also of what was lost.
    """

    start: Start
    step: int
    missing: list[int]
    end: int
    said: list[list[str | None]]


class Journal:
    """The file of one observer's run.

    A fault of the file is none of the training: it is told once, and nothing more is written.

    Args:
        path: The file; its folder is made where it does not exist.
        lost: Called with the reason when the file can no longer be written.
        again: Called with each entry that is no look, when a run is gone through again.

    Attributes:
        replaying: True while a run is gone through again: what was told is not told again.
    """

    def __init__(
        self,
        path: Path,
        lost: Callable[[str], None],
        again: Callable[[Entry], None] = lambda entry: None,
    ):
        self.path = path
        self.again = again
        self.replaying = False
        self.lost = lost
        self._file: BinaryIO | None = None

    def past(self, plan: Plan, start: Start) -> Past | None:
        """Find what is held of a training that goes on.

        Args:
            plan: What is observed now.
            start: Where the training stands, as its restored model tells.

        Returns:
            None where the training is at its beginning.

        Raises:
            UnreadableError: If the file is no journal, or one of another model.
            OSError: If it cannot be read.
        """
        if not os.path.lexists(self.path):
            return None
        if not self.path.is_file():
            raise UnreadableError("is no file")
        try:
            entries = read(self.path)
            first = next(entries, None)
            if first is None or first.kind != "begin" or first.facts.get("plan") != seal(plan):
                raise UnreadableError("is of another model, of another version, or damaged")
            return _past(first, _fitting(entries, plan), start)
        except (UnreadableError, OSError):
            raise
        except Exception as error:
            raise UnreadableError(f"is damaged ({in_short(error)})") from error

    def entries(self, past: Past) -> Iterator[Entry]:
        """What happened, oldest first."""
        return (entry for entry in read(self.path) if entry.end <= past.end)

    @contextmanager
    def replay(self) -> Iterator[None]:
        """Mark what is seen as seen before."""
        self.replaying = True
        try:
            yield
        finally:
            self.replaying = False

    def begin(self, plan: Plan, start: Start) -> None:
        """Write a new file; one that is no journal is kept beside it."""

        def written() -> None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(self.path) and not _is_ours(self.path):
                os.replace(self.path, self.path.with_suffix(".unreadable"))
            self._file = open(self.path, "wb", buffering=0)  # noqa: SIM115
            _write(self._file, MAGIC)

        self._attempt(written)
        self.append("begin", plan=seal(plan), **vars(start))

    def go_on(self, past: Past) -> None:
        """Write on where a training goes on; what came later happens anew."""

        def cut() -> None:
            self._file = open(self.path, "r+b", buffering=0)  # noqa: SIM115
            self._file.truncate(past.end)
            self._file.seek(past.end)

        self._attempt(cut)
        self.append("said", keys=past.said)
        self.again(Entry("said", {"keys": past.said}, np.empty(0, "float32"), 0))

    def append(self, kind: str, numbers: Numbers | None = None, **facts: Any) -> None:
        """Write one entry, which is in the system's hands afterwards; an epoch's on the disk."""
        file = self._file
        if file is None:
            return

        def written() -> None:
            _write(file, packed(kind, numbers, facts))
            if kind == "epoch":
                os.fsync(file.fileno())

        self._attempt(written)

    def close(self) -> None:
        """Write no more."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # of a disk that is full: told when it was written
                file.close()

    def remove(self) -> None:
        """Remove the file, and its folder if that is empty: the training has come to its end."""
        self.close()

        def removed() -> None:
            if os.path.lexists(self.path) and _is_ours(self.path):
                self.path.unlink()
                with suppress(OSError):  # of a folder that holds more, or is a volume
                    self.path.parent.rmdir()

        self._attempt(removed)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self.close()
            self.lost(in_short(error))


def seal(plan: Plan) -> str:
    """What tells journals of different models apart, in which numbers lie differently."""
    slots = [(type(s).__name__, s.path, s.length) for s in (*plan.forward, *plan.weights)]
    return f"{__version__} {zlib.crc32(repr(slots).encode()):08x}"


def packed(kind: str, numbers: Numbers | None, facts: dict[str, Any]) -> bytes:
    """An entry as it is written."""
    told = json.dumps({"kind": kind, **facts}).encode()
    raw = b"" if numbers is None else np.asarray(numbers, "<f4").tobytes()
    return _HEAD.pack(len(told), len(raw), zlib.crc32(told + raw)) + told + raw


def read(path: Path) -> Iterator[Entry]:
    """The entries of a file, up to the first that is not whole.

    Raises:
        UnreadableError: If it is no journal.
        OSError: If it cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UnreadableError("is no journal of kerastricks")
        size = os.fstat(file.fileno()).st_size
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            told, raw, checksum = _HEAD.unpack(head)
            if told + raw > size - file.tell():
                return
            body = file.read(told + raw)
            if zlib.crc32(body) != checksum:
                return
            facts = json.loads(body[:told])
            numbers = np.frombuffer(body[told:], "<f4").astype(np.float32)
            yield Entry(facts.pop("kind"), facts, numbers, file.tell())


def _fitting(entries: Iterator[Entry], plan: Plan) -> Iterator[Entry]:
    """Entries that say what their kinds say.

    Raises:
        UnreadableError: If one does not.
    """
    for entry in entries:
        facts = entry.facts
        types = {name: type(value) for name, value in facts.items()}
        numbers = plan.length if entry.kind == "look" else 0
        if types != _FACTS.get(entry.kind) or len(entry.numbers) != numbers:
            raise UnreadableError(f"is damaged, or of another model: {entry.kind!r}, {facts}")
        yield entry


def _past(first: Entry, entries: Iterable[Entry], now: Start) -> Past | None:
    """Which entries the restored model has behind it.

    Those up to the end of the last epoch before the one that begins now; then the looks at the
    steps whose updates it has seen beyond that.
    """
    facts = {name: value for name, value in first.facts.items() if name != "plan"}
    begun = Start(**facts)
    if begun.epoch < 0:
        raise UnreadableError("is damaged")
    updates, step = begun.updates, begun.step
    end, unbroken = first.end, True
    said: list[list[str | None]] = []
    ended: set[int] = set()
    for entry in entries:
        facts = entry.facts
        # Restored in the middle of an epoch, Keras may count epochs from an earlier one.
        again = facts.get("epoch", 0) >= now.epoch and now.updates <= begun.updates
        if entry.kind == "epoch" and facts["updates"] <= now.updates and not again:
            updates, step, unbroken = facts["updates"], facts["step"], True
            ended.add(facts["epoch"])
        elif entry.kind == "epoch":
            unbroken = False
        elif entry.kind == "said":
            said += [key for key in facts["keys"] if key not in said]
        elif entry.kind == "look":
            unbroken &= facts["step"] < step + (now.updates - updates) * now.steps_per_update
        if unbroken:
            end = entry.end
    made = step + max(0, now.updates - updates) * now.steps_per_update
    missing = [epoch for epoch in range(begun.epoch, now.epoch) if epoch not in ended]
    return Past(begun, made, missing, end, said) if made > begun.step else None


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
