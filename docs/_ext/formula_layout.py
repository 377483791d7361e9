"""Lines of formulas below each other: what is a column, and where they are aligned."""

import re
from dataclasses import dataclass, field

from formula_reader import Reader
from formula_tokens import ALIGNED, RELATIONS, TOKEN, tokens_of


@dataclass
class Row:
    """A line of a block: where its cells start, and what they say."""

    cells: list[tuple[int, str]] = field(default_factory=list)


def operator_starts(text: str) -> bool:
    """Whether a line or cell begins with an operator between two operands."""
    return bool(re.match(r"(\*\*|//|<=|>=|!=|<-|[-+*/@=<>~])( |$)", text))


def operator_ends(text: str) -> bool:
    """Whether a cell ends with an operator between two operands."""
    return bool(re.search(r"(^| )(\*\*|//|<=|>=|!=|<-|[-+*/@=<>~])$", text))


def cells_of(line: str) -> list[tuple[int, str]]:
    """Cuts a line at gaps of two spaces or more, but not within brackets nor beside an operator."""
    cells: list[tuple[int, str]] = []
    depth, quoted = 0, ""
    start = at = len(line) - len(line.lstrip())
    while at <= len(line):
        sign = line[at : at + 1]
        if sign in ('"', "`"):
            quoted = "" if quoted == sign else quoted or sign
        elif not quoted:
            depth += (sign in "([{") - (sign in ")]}") if sign else 0
        gap = re.compile(r"  +|$").match(line, at)
        if gap and (at == len(line) or (not quoted and depth <= 0)):
            text = line[start:at]
            if cells and (operator_starts(text) or operator_ends(cells[-1][1])):
                cells[-1] = (cells[-1][0], f"{cells[-1][1]} {text}")
            elif text:
                cells.append((start, text))
            start = at = gap.end()
            if gap.end() == len(line):
                break
            continue
        at += 1
    return cells


def rows_of(lines: list[str]) -> list[Row]:
    """Cuts lines into cells, and joins those that go on with the ones before."""
    rows: list[Row] = []
    for line in lines:
        if rows and line.startswith(" ") and operator_starts(line.strip()):
            start, text = rows[-1].cells[-1]
            rows[-1].cells[-1] = (start, f"{text} {line.strip()}")
        else:
            rows.append(Row(cells_of(line)))
    return rows


def columns_of(rows: list[Row]) -> list[int]:
    """Returns where columns start: at the margin, and where two lines or more start a cell."""
    starts = [start for row in rows for start, _ in row.cells]
    return sorted({0} | {start for start in starts if starts.count(start) > 1})


def split_at_relation(text: str) -> tuple[str, str] | None:
    """Cuts a cell in front of its first relation at which lines can be aligned."""
    depth, bars = 0, 0
    for match in TOKEN.finditer(text):
        sign = match[0]
        if match.lastgroup == "word":
            return None
        depth += (sign in ("(", "[", "{")) - (sign in (")", "]", "}"))
        if depth == 0 and not bars and sign in ALIGNED and match.lastgroup == "sign":
            return text[: match.start()].strip(), text[match.start() :].strip()
        if match.lastgroup == "sign" and sign in RELATIONS and depth == 0:
            return None
    return None


def table_of(rows: list[Row]) -> list[list[list[str]]]:
    """Puts cells into columns, several into one where they have none of their own."""
    columns = columns_of(rows)
    table = []
    for row in rows:
        line: list[list[str]] = [[] for _ in columns]
        for n, (start, text) in enumerate(row.cells):
            at = max(k for k, column in enumerate(columns) if column <= start)
            indented = n == 0 and start not in columns
            line[at] += ["", text] if indented else [text]
        table.append(line)
    return table


def array(rows: list[Row], matrices: bool) -> str:
    """Returns rows as LaTeX: one below the other, aligned where they have columns or relations."""

    def latex(texts: list[str]) -> str:
        return r"\quad ".join(
            Reader(tokens_of(text), matrices).cell() if text else "" for text in texts
        )

    letters = ""
    lines: list[list[str]] = [[] for _ in rows]
    for column in zip(*table_of(rows), strict=True):
        splits = [split_at_relation(texts[0]) for texts in column if texts]
        aligned = len(splits) > 1 and all(splits)
        letters += "rl" if aligned else "l"
        for line, texts in zip(lines, column, strict=True):
            split = split_at_relation(texts[0]) if texts else None
            if aligned and split:
                line += [latex([split[0]]), latex([split[1], *texts[1:]])]
            else:
                line += ["", ""] if aligned else [latex(texts)]
    if len(lines) == 1:
        return r"\quad ".join(cell for cell in lines[0] if cell)
    # An empty cell is written: latex2mathml drops a last row that ends with nothing.
    inner = r" \\ ".join(" & ".join(cell or "{}" for cell in line) for line in lines)
    return rf"\begin{{array}}{{{letters}}} {inner} \end{{array}}"


def groups_of(lines: list[str]) -> list[list[str]]:
    """Cuts a block at its empty lines."""
    groups: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]
