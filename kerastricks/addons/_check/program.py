"""Looks at one file: a program, or a notebook's cells in turn."""

import codecs
import json
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst import metadata

from kerastricks.addons._check.find import Finder
from kerastricks.addons._check.rewrite import Rewriter, safe_roots
from kerastricks.addons._check.use import Use


@dataclass(frozen=True)
class Program:
    """What a file uses, and what it would be with its safe imports rewritten.

    Attributes:
        uses: What it uses of TensorFlow Addons, in order.
        before: The bytes of the file.
        after: The bytes with the imports rewritten; the same where none is safe.
    """

    uses: tuple[Use, ...]
    before: bytes
    after: bytes


def read(path: Path) -> Program:
    """Looks at a `.py` or `.ipynb` file.

    Raises:
        ValueError: When it cannot be parsed.
        OSError: When it cannot be read.
    """
    source = path.read_bytes()
    if b"tensorflow_addons" not in source:
        return Program((), source, source)
    try:
        if path.suffix == ".ipynb":
            return Program(tuple(_notebook(str(path), source)), source, source)
        return examined(str(path), source)
    except cst.ParserSyntaxError as error:
        raise ValueError(f"line {error.raw_line}: {error.message}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, LookupError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def examined(path: str, source: bytes) -> Program:
    """Looks at a program's source.

    Example:
        >>> program = examined("a.py", b"import tensorflow_addons as tfa  # old")
        >>> program.after
        b'import kerastricks.addons as tfa  # old'
    """
    mark = codecs.BOM_UTF8 if source.startswith(codecs.BOM_UTF8) else b""
    wrapper = metadata.MetadataWrapper(cst.parse_module(source[len(mark) :]))
    finder = Finder(path)
    wrapper.visit(finder)
    if mark + wrapper.module.bytes != source:
        # What cannot be written back unchanged is left as it is.
        return Program(tuple(finder.uses), source, source)
    changed = wrapper.module.visit(Rewriter(safe_roots(finder.uses)))
    return Program(tuple(finder.uses), source, mark + changed.bytes)


def _notebook(path: str, source: bytes) -> list[Use]:
    book = json.loads(source)
    cells = book.get("cells", []) if isinstance(book, dict) else []
    uses: list[Use] = []
    earlier = ""
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        code = _plain("".join(cell.get("source", [])))
        finder = Finder(path, number)
        # A cell sees what those before it have imported.
        wrapper = metadata.MetadataWrapper(cst.parse_module(earlier + code))
        wrapper.visit(finder)
        skipped = earlier.count("\n")
        for use in finder.uses:
            if use.line > skipped:
                place = {**vars(use), "line": use.line - skipped}
                uses.append(Use(**place))
        earlier += code.rstrip("\n") + "\n"
    return uses


def _plain(code: str) -> str:
    """A cell without the lines that only notebooks know."""
    if code.lstrip().startswith("%%"):
        return ""
    lines = code.split("\n")
    return "\n".join(
        line if not line.lstrip().startswith(("%", "!", "?")) else _passed(line) for line in lines
    )


def _passed(line: str) -> str:
    return line[: len(line) - len(line.lstrip())] + "pass"
