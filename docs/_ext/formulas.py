r"""Formulas as the docstrings write them, `stddev = sqrt(2 / (1 + negative_slope^2))`, into LaTeX.

The notation is that of the docstrings, plain text that reads well in a terminal:

- Names of one letter, of Greek letters and with a short index are symbols: `x`, `sigma`, `x_in`,
  `z1`, `beta_2`. Other names stand upright, with their underscores: `moving_mean`.
- `*` and a space multiply, `@` multiplies matrices (then `*` is elementwise), `/` is a fraction,
  `//` one rounded down, `^` and `**` are powers, `v[i]` is an index, `E[x]` an expectation, `f'(x)`
  a derivative, `|x|` an absolute value.
- `=`, `~`, `<=`, `<-` and so on are relations, `...` is an ellipsis.
- Words beside each other, or beside a symbol, are words: `0 otherwise`, `sum of the neighbors`.
- `name="value"`, `"value"` and what is between backticks is code.
- Two spaces or more set cells apart, unless an operator is next to them. Cells that begin below
  each other are a column; others follow at a distance. A line that begins with an operator goes on
  with the one before.

A block of lines is a formula if each line can be read so and one of them has an operator or a
relation; whatever else is indented (programs, diagrams, tables of words) is not, and `translate`
returns None.
"""

import re

from formula_layout import array, groups_of, rows_of
from formula_reader import Reader
from formula_tokens import OPERATORS, RELATIONS, SYMBOLS, NotAFormulaError, Token, tokens_of

# What makes a formula of a few words of prose.
TELLS = re.compile(r"\^|(?<=[\w)])\*\*|\bsqrt\(|\b(E|Var)\[")


def in_prose(text: str) -> str | None:
    """Translates a few words of prose if they are a formula beyond doubt.

    That is one with a power, a root or an expectation, in which each longer name is next to an
    operator or within brackets.
    """
    if not TELLS.search(text):
        return None
    try:
        tokens = tokens_of(" ".join(text.split()))
        latex = Reader(tokens).cell()
    except NotAFormulaError:
        return None
    first = tokens[0]
    article = first.text == "a" and tokens[1].spaced and tokens[1].kind != "sign"
    if article or first.text in RELATIONS:
        return None
    depth = 0
    for n, token in enumerate(tokens):
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        longer = token.kind == "name" and len(token.text) > 1 and token.text not in SYMBOLS
        before = tokens[n - 1].text if n else ""
        after = tokens[n + 1] if n + 1 < len(tokens) else Token("end", "", False)
        signs = {*OPERATORS, *RELATIONS}
        fast = after.text in ("(", "[") and not after.spaced
        alone = depth == 0 and before not in signs and after.text not in signs and not fast
        if token.kind not in ("number", "name", "sign") or (longer and alone):
            return None
        if depth == 0 and token.text in (",", ";", ":"):
            return None
    return latex


def prose(text: str) -> list[tuple[str, str | None]]:
    """Cuts prose into pieces, and gives the LaTeX of those that are formulas.

    Args:
        text: Prose without code.
    """
    words = list(re.finditer(r"\S+", text)) if TELLS.search(text) else []
    pieces: list[tuple[str, str | None]] = []
    n = done = 0
    while n < len(words):
        for last in reversed(range(n, min(n + 30, len(words)))):
            start, end = words[n].start(), words[last].end()
            span = text[start:end].rstrip(".,:;")
            while span.startswith("(") and span.count("(") > span.count(")"):
                start, span = start + 1, span[1:]
            while span.endswith(")") and span.count(")") > span.count("("):
                span = span[:-1].rstrip(".,:;")
            if span and (latex := in_prose(span)) is not None:
                pieces += [(text[done:start], None), (span, latex)]
                done = start + len(span)
                n = last
                break
        n += 1
    return [*pieces, (text[done:], None)]


def translate(lines: list[str]) -> list[str] | None:
    """Translates a block of formulas.

    Args:
        lines: The lines of the block, the leftmost of them without indentation.

    Returns:
        LaTeX for each group of lines between empty ones, or None if the block is no formula.
    """
    latex = []
    try:
        tokens = [t for line in lines for t in tokens_of(line.strip())]
        operators = {*OPERATORS, *RELATIONS}
        if not any(t.kind in ("sign", "name") and t.text in operators for t in tokens):
            return None
        for group in groups_of(lines):
            latex.append(array(rows_of(group), matrices=" @ " in "\n".join(group)))
    except NotAFormulaError:
        return None
    return latex
