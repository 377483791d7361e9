"""What a journal holds of the training that goes on with a restored model."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kerastricks.diagnosis.entries import Entry, UnreadableError, fitting, read, seal
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.plan import Plan
from kerastricks.diagnosis.steps import Start


@dataclass(frozen=True)
class Past:
    """What a journal holds of the training that goes on.

    Attributes:
        path: The file.
        start: How that training started.
        step: Steps that it made.
        missing: Epochs that it came through and whose end the journal lacks.
        end: Where it ends in the file; what comes later was lost with the process.
        said: Conditions and layers that were printed, also of what was lost.
    """

    path: Path
    start: Start
    step: int
    missing: list[int]
    end: int
    said: list[list[str | None]]


def past_in(path: Path, plan: Plan, start: Start) -> tuple[Past | None, bool]:
    """What a file holds, None where the training is at its beginning.

    Args:
        path: The file.
        plan: What is observed now.
        start: Where the training stands, as its restored model tells.

    Returns:
        That, and whether the file goes back far enough to tell.

    Raises:
        UnreadableError: If the file is no journal, or one of another model.
        OSError: If it cannot be read.
    """
    if not path.is_file():
        raise UnreadableError("is no file")
    try:
        entries = read(path)
        first = next(entries, None)
        if first is None or first.kind != "begin" or first.facts.get("plan") != seal(plan):
            raise UnreadableError("is of another model, of another version, or damaged")
        return _behind(path, first, fitting(entries, plan), start)
    except (UnreadableError, OSError):
        raise
    except Exception as error:
        raise UnreadableError(f"is damaged ({in_short(error)})") from error


def said_in(path: Path) -> list[list[str | None]]:
    """Conditions and layers that were printed, each once.

    Raises:
        OSError: If the file cannot be read.
    """
    said: list[list[str | None]] = []
    for entry in read(path):
        if entry.kind == "said":
            said += [key for key in entry.facts["keys"] if key not in said]
    return said


def _behind(
    path: Path, first: Entry, entries: Iterable[Entry], now: Start
) -> tuple[Past | None, bool]:
    """Which entries the restored model has behind it, and whether the file goes back so far.

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
        if entry.kind == "state":
            if facts["updates"] > now.updates or again:
                return None, now.updates <= begun.updates and now.epoch <= begun.epoch
            updates, step = facts["updates"], facts["step"]
            ended.update(facts["ended"])
        elif entry.kind == "epoch" and facts["updates"] <= now.updates and not again:
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
    # A file may have begun in the midst of a training, whose steps it counts on.
    stands = begun.step > 0 and now.updates >= begun.updates and now.epoch >= begun.epoch
    past = Past(path, begun, made, missing, end, said)
    return (past if made > begun.step or stands else None), True
