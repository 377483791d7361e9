"""Looks at one file: a program, or a notebook's cells in turn."""

import codecs
import json
import re
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
        failed: Which cells of a notebook cannot be parsed, and why.
    """

    uses: tuple[Use, ...]
    before: bytes
    after: bytes
    failed: tuple[str, ...] = ()


MAGIC = re.compile(r"\s*+(?:%%?[A-Za-z]|!(?!=)|\?|[\w, ]++=\s*(?:%[A-Za-z]|!)|[\w.]++\?\??\s*$)")
"""A line that only notebooks know: `%matplotlib inline`, `!ls`, `names = !ls`, `help?`.

What has matched is not tried anew (`*+`): of long lines of spaces that takes minutes.
"""
OF_PYTHON = re.compile(r"\s*%%(?:capture|prun|time|timeit)\b")
"""What stands above a cell whose rest is Python."""


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
            return _notebook(str(path), source)
        return examined(str(path), source)
    except cst.ParserSyntaxError as error:
        raise ValueError(f"line {error.raw_line}: {error.message}") from error
    # A SyntaxError is that of a declared encoding which nobody knows.
    except (LookupError, RecursionError, SyntaxError, UnicodeError, ValueError) as error:
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


def _notebook(path: str, source: bytes) -> Program:
    book = json.loads(source)
    cells = book.get("cells", []) if isinstance(book, dict) else None
    if not isinstance(cells, list):
        raise ValueError("a notebook is to have a list of cells")
    uses: list[Use] = []
    failed: list[str] = []
    earlier = ""
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        lines = cell.get("source", [])
        if not isinstance(lines, str | list) or not all(isinstance(line, str) for line in lines):
            failed.append(f"cell {number}: its source is no text")
            continue
        code = _plain("".join(lines))
        skipped = earlier.count("\n")
        finder = Finder(path, number)
        try:
            # A cell sees what those before it have imported.
            wrapper = metadata.MetadataWrapper(cst.parse_module(earlier + code))
        except cst.ParserSyntaxError as error:
            failed.append(f"cell {number}, line {error.raw_line - skipped}: {error.message}")
            continue
        wrapper.visit(finder)
        for use in finder.uses:
            if use.line > skipped:
                place = {**vars(use), "line": use.line - skipped}
                uses.append(Use(**place))
        earlier += code.rstrip("\n") + "\n"
    return Program(tuple(uses), source, source, tuple(failed))


def _plain(code: str) -> str:
    r"""A cell without the lines that only notebooks know.

    Example:
        >>> _plain("names = !ls \\\n  -l\nx = (1\n  % 2)")
        'pass\npass\nx = (1\n  % 2)'
    """
    if code.lstrip().startswith("%%") and not OF_PYTHON.match(code):
        return ""
    lines: list[str] = []
    goes_on = False
    indent = ""
    for line in code.split("\n"):
        if not goes_on and not MAGIC.match(line):
            lines.append(line)
            continue
        if not goes_on:
            indent = line[: len(line) - len(line.lstrip())]
        goes_on = line.endswith("\\")
        lines.append(indent + "pass")
    return "\n".join(lines)
