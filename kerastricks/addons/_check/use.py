"""One use of TensorFlow Addons in a program, and what to do about it."""

from dataclasses import asdict, dataclass
from typing import Any

from kerastricks.addons._fates import COVERED, FATES, ROOT, look_up

OLD = "tensorflow_addons"


@dataclass(frozen=True, order=True)
class Use:
    """A place where a program names something of TensorFlow Addons.

    Attributes:
        path: The file.
        line: The line, from 1; in a notebook, of the cell.
        column: The column, from 1.
        cell: The cell of a notebook, from 1; 0 in a file of Python.
        written: The words of the program.
        name: What they stand for below `tensorflow_addons`; empty for the package itself.
        root: The name in the program by which it is reached, `"tfa"` mostly; empty in imports of
            names.
        imported: Whether it is an import.
    """

    path: str
    line: int
    column: int
    cell: int
    written: str
    name: str
    root: str = ""
    imported: bool = False

    @property
    def kind(self) -> str:
        """Where the name went: "here", "keras", "nothing", or "unknown" for no public name."""
        if self.name == "" or self.name in COVERED:
            return "here"
        if self.name in FATES:
            return "nothing"
        found = look_up(self.name)
        return "unknown" if found is None else found.fate.kind

    @property
    def replacement(self) -> str:
        """What to write instead; empty where there is nothing."""
        if self.kind == "here" and (self.name == "" or self.name in COVERED):
            return f"{ROOT}.{self.name}".rstrip(".")
        found = look_up(self.name)
        if found is None or not found.fate.use:
            return ""
        return ".".join(filter(None, (found.fate.use, found.rest)))

    @property
    def note(self) -> str:
        """What differs, or why there is nothing and what to do."""
        if self.kind == "unknown":
            return "This is no public name of TensorFlow Addons 0.23; copy what you need of it."
        if self.name in FATES:
            if self.kind == "here":
                return ""
            return "No such package is here; docs/addons.md tells what to use for each name of it."
        found = look_up(self.name)
        return "" if found is None else found.fate.note

    @property
    def unchanged(self) -> bool:
        """Whether the words hold as they are once the package is imported from here."""
        return self.replacement == f"{ROOT}.{self.name}".rstrip(".")

    def sentence(self) -> str:
        """One line: where, what, and what to do."""
        cell = f"cell {self.cell}:" if self.cell else ""
        place = f"{self.path}:{cell}{self.line}:{self.column}"
        said = "unknown." if self.kind == "unknown" else "nothing takes its place."
        if self.replacement:
            said = f"{self.replacement}:" if self.note else self.replacement
        return f"{place}: {self.written} -> {said} {self.note}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain values."""
        own = {key: value for key, value in asdict(self).items() if key != "root"}
        derived = {"kind": self.kind, "replacement": self.replacement, "note": self.note}
        return {**own, **derived}
