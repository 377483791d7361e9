"""Docstrings, Google style with Markdown's backticks, as the reStructuredText that autodoc reads.

Inline code, formulas and examples are turned into their counterparts; what else reStructuredText
would read as a mark is escaped. Sections with a list of names (`Args`, `Raises`, ...) are left to
napoleon.
"""

import re
from collections.abc import Iterator

from formulas import prose, translate

LISTS = ("Args", "Attributes", "Call arguments", "Raises", "Returns", "Yields")
TITLES = re.compile(r"(Example|Examples|Reference|References|Differs from [^:]+ in):$")
LEADS = re.compile(r"(Conventions|Differs from [^:`]+? in|Warning): (?=\S)")


def escaped(text: str) -> str:
    """Escapes what reStructuredText would read as a mark."""
    return re.sub(r"([\\*|]|_(?!\w))", r"\\\1", text)


def inline(text: str) -> str:
    """Turns prose with code between backticks into reStructuredText."""
    pieces = []
    for n, piece in enumerate(text.split("`")):
        if n % 2 == 0:
            # Behind code there is to be a sign or a space.
            joined = r"\ " if n and piece[:1].isalnum() else ""
            pieces.append(joined)
            # A role may stand anywhere between escaped spaces, which do not show.
            pieces += [
                escaped(words) if latex is None else rf"\ :math:`{latex}`\ "
                for words, latex in prose(piece)
            ]
        else:
            pieces.append(f"``{piece}``")
    return "".join(pieces)


def paragraph(text: str) -> str:
    """Turns a paragraph, and sets its first words apart where they name what it is about."""
    match = LEADS.match(text)
    return f"**{match[1]}:** {inline(text[match.end() :])}" if match else inline(text)


def dedented(lines: list[str]) -> list[str]:
    """Takes the common indentation away."""
    least = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[least:] for line in lines]


def block(lines: list[str]) -> list[str]:
    """Returns an indented block as formulas, or as code when it is none."""
    lines = dedented(lines)
    if (formulas := translate(lines)) is not None:
        return [line for latex in formulas for line in (".. math::", "", f"   {latex}", "")]
    try:
        compile("\n".join(lines), "docstring", "exec")
        language = "python"
    except SyntaxError:
        language = "text"
    return [f".. code-block:: {language}", "", *(f"   {line}".rstrip() for line in lines), ""]


class Lines:
    """The lines of a docstring, read from the first to the last."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.lines)

    @property
    def next(self) -> str:
        """The line to come."""
        return self.lines[self.at]

    def take(self) -> str:
        """Returns the line to come and goes behind it."""
        self.at += 1
        return self.lines[self.at - 1]

    def indented(self) -> list[str]:
        """Takes the indented lines to come, and the empty ones among them."""
        end = last = self.at
        while end < len(self.lines) and (
            self.lines[end].startswith("    ") or not self.lines[end].strip()
        ):
            end += 1
            last = end if self.lines[end - 1].strip() else last
        taken, self.at = self.lines[self.at : last], last
        return taken

    def paragraph(self) -> list[str]:
        """Takes the lines up to the next empty one."""
        taken = [self.take()]
        while self and self.next.strip():
            taken.append(self.take())
        return taken


def converted(lines: list[str]) -> Iterator[str]:
    """Yields a docstring's lines as reStructuredText for napoleon and autodoc.

    Args:
        lines: The lines, without common indentation.
    """
    text = Lines(lines)
    while text:
        if not text.next.strip():
            yield text.take()
        elif text.next.startswith(">>>"):
            yield from [*text.paragraph(), ""]
        elif text.next.startswith("    "):
            yield from block(text.indented())
        elif match := TITLES.match(text.next):
            text.take()
            yield from [f".. rubric:: {match[1]}", ""]
            if text and text.next.startswith("    "):
                yield from converted(dedented(text.indented()))
        elif text.next.removesuffix(":") in LISTS and text.next.endswith(":"):
            yield text.take()
            yield from inline("\n".join(text.indented())).split("\n")
            yield ""
        else:
            yield from paragraph("\n".join(text.paragraph())).split("\n")


def process(app, what, name, obj, options, lines) -> None:
    """Handles `autodoc-process-docstring`, before napoleon does."""
    lines[:] = list(converted(lines))
    if what == "property":
        # Napoleon takes what is before a colon in the first line for a type.
        lines.insert(0, "")


def setup(app) -> dict:
    """Connects to Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"version": "1", "parallel_read_safe": True}
