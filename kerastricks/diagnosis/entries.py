"""The entries of a journal: how they are written, and read as far as they are whole."""

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastricks._version import __version__
from kerastricks.diagnosis.plan import Numbers, Plan

MAGIC = b"kerastricks journal 1\n"
_HEAD = struct.Struct("<III")
"""Before each entry: the length of its facts, that of its numbers, a checksum of both."""

_FACTS: dict[str, dict[str, type]] = {
    "look": {"step": int, "told": bool},
    "told": {},
    "closing": {"made": int},
    "epoch": {"epoch": int, "step": int, "updates": int, "logs": dict},
    "said": {"keys": list},
    "state": {"epoch": int, "step": int, "updates": int, "ended": list, "held": dict},
    "seen": {"step": int, "epochs": int, "within": bool},
    "outline": {"held": dict, "epochs": int},
}
WITH_NUMBERS = ("look", "seen")
_BEYOND = 1 << 62
"""More steps than any training makes."""


class UnreadableError(ValueError):
    """A file that is no journal, or one of another model."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Attributes:
        kind: `"begin"`, `"look"`, `"told"`, `"closing"`, `"epoch"` or `"said"`; where a file takes
            the place of a longer one, `"state"`, then `"seen"` or `"outline"` for each look.
        facts: What is known of it, in JSON's types.
        numbers: What a look is read from; empty for all else.
        end: Where the entry ends in the file.
    """

    kind: str
    facts: dict[str, Any]
    numbers: Numbers
    end: int


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


def fitting(entries: Iterator[Entry], plan: Plan) -> Iterator[Entry]:
    """Entries that say what their kinds say.

    Raises:
        UnreadableError: If one does not.
    """
    for entry in entries:
        facts = entry.facts
        types = {name: type(value) for name, value in facts.items()}
        numbers = plan.length if entry.kind in WITH_NUMBERS else 0
        counts = [value for value in facts.values() if type(value) is int]
        sound = all(0 <= count < _BEYOND for count in counts)
        if types != _FACTS.get(entry.kind) or len(entry.numbers) != numbers or not sound:
            raise UnreadableError(f"is damaged, or of another model: {entry.kind!r}, {facts}")
        yield entry
