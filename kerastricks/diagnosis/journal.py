"""What a run saw, entry by entry in a file: a run that was killed is gone through again from it.

Kept are the numbers that the steps carried out, and what happened between them. What follows from
these (findings, pictures, pooled data) is worked out again by the same code. A file that has grown
long gives way, at the end of an epoch, to one that begins with what followed by then, and with the
looks that rules still look back on. The long one is kept until that one is long too: the model
may be restored from an earlier epoch.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kerastricks.diagnosis.entries import (
    MAGIC,
    WITH_NUMBERS,
    Entry,
    UnreadableError,
    packed,
    read,
    seal,
)
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.past import Past, past_in, said_in
from kerastricks.diagnosis.plan import Numbers, Plan
from kerastricks.diagnosis.steps import Start

LONG = 4 * 2**20
"""Bytes from which on a file may give way to another."""
TIMES = 3
"""How many times as long as it began a file must have become for that."""
EPOCHS_KEPT = 2
"""Epochs that it must hold: `BackupAndRestore` may find its newest file broken."""


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
        self.older = path.with_suffix(".older")
        self.newer = path.with_suffix(".new")
        self.again = again
        self.replaying = False
        self.lost = lost
        self._file: BinaryIO | None = None
        self._began_with = 0
        self._epochs = 0

    @property
    def long(self) -> bool:
        """True when it is time for a shorter file, at the end of an epoch."""
        if self._file is None or self._epochs < EPOCHS_KEPT:
            return False
        return self._file.tell() > max(LONG, TIMES * self._began_with)

    def past(self, plan: Plan, start: Start) -> Past | None:
        """Find what is held of a training that goes on.

        Args:
            plan: What is observed now.
            start: Where the training stands, as its restored model tells.

        Returns:
            None where the training is at its beginning.

        Raises:
            UnreadableError: If the file is no journal, or one of another model, or the model was
                restored from long before where it begins.
            OSError: If it cannot be read.
        """
        # Killed between two renamings, the older alone is there.
        paths = [path for path in (self.path, self.older) if os.path.lexists(path)]
        said: list[list[str | None]] = []
        for path in paths:
            past, goes_back = past_in(path, plan, start)
            if goes_back and past is not None:
                return replace(past, said=past.said + [key for key in said if key not in past.said])
            if goes_back:
                return None
            said += said_in(path)
        if paths:
            raise UnreadableError("does not go back as far as the model that was restored")
        return None

    def entries(self, past: Past) -> Iterator[Entry]:
        """What happened, oldest first."""
        return (entry for entry in read(past.path) if entry.end <= past.end)

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
            _removed(self.older)
            _removed(self.newer)
            self._file = open(self.path, "wb", buffering=0)  # noqa: SIM115
            self._began_with = self._epochs = 0
            _write(self._file, MAGIC)

        self._attempt(written)
        self.append("begin", plan=seal(plan), **vars(start))

    def go_on(self, past: Past) -> None:
        """Write on where a training goes on; what came later happens anew."""

        def cut() -> None:
            if past.path != self.path:
                os.replace(past.path, self.path)
            # What it began with is not known; no shorter file is due before it has seen epochs.
            self._began_with = self._epochs = 0
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
                self._epochs += 1
                os.fsync(file.fileno())

        self._attempt(written)

    def shorten(self, held: Any, looks: Sequence[tuple[Any, int]]) -> None:
        """Go on in a file that begins with what has followed from this one.

        Args:
            held: What has followed, in JSON's types.
            looks: What rules look back on, oldest first: the step of a look, or, of an outline,
                itself in JSON's types; and how many epochs had ended by then.
        """

        def written() -> None:
            with open(self.newer, "wb", buffering=0) as file:
                for data in self._shorter(held, looks):
                    _write(file, data)
                os.fsync(file.fileno())
                self._began_with, self._epochs = file.tell(), 0
            self.close()  # on Windows no file changes its place while it is open
            os.replace(self.path, self.older)
            os.replace(self.newer, self.path)
            self._file = open(self.path, "r+b", buffering=0)  # noqa: SIM115
            self._file.seek(0, os.SEEK_END)

        self._attempt(written)
        with suppress(OSError):  # what there was no room for
            self.newer.unlink(missing_ok=True)

    def _shorter(self, held: Any, looks: Sequence[tuple[Any, int]]) -> Iterator[bytes]:
        """The parts of the file that takes this one's place."""
        begin, first, epoch = None, None, {}
        ended: list[int] = []
        numbers: dict[int, Numbers] = {}
        wanted = {look for look, _ in looks if isinstance(look, int)}
        for entry in read(self.path):
            facts = entry.facts
            if entry.kind == "begin":
                begin = facts
            elif entry.kind in WITH_NUMBERS:
                first = first or entry
                if facts["step"] in wanted:
                    numbers[facts["step"]] = entry.numbers
            elif entry.kind == "epoch":
                epoch = facts
                ended.append(facts["epoch"])
            elif entry.kind == "state":
                ended += facts["ended"]
        assert begin is not None
        assert first is not None
        where = {name: epoch[name] for name in ("epoch", "step", "updates")}
        yield MAGIC + packed("begin", None, begin)
        yield packed("state", None, {**where, "ended": ended, "held": held})
        yield packed("said", None, {"keys": said_in(self.path)})
        if first.facts["step"] not in wanted:
            facts = {"step": first.facts["step"], "epochs": 0, "within": False}
            yield packed("seen", first.numbers, facts)
        for look, epochs in looks:
            if isinstance(look, int):
                facts = {"step": look, "epochs": epochs, "within": True}
                yield packed("seen", numbers[look], facts)
            else:
                yield packed("outline", None, {"held": look, "epochs": epochs})

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
            gone = [_removed(each) for each in (self.path, self.older, self.newer)]
            if any(gone):
                with suppress(OSError):  # of a folder that holds more, or is a volume
                    self.path.parent.rmdir()

        self._attempt(removed)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self.close()
            self.lost(in_short(error))


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _removed(path: Path) -> bool:
    ours = os.path.lexists(path) and _is_ours(path)
    if ours:
        path.unlink()
    return ours


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
