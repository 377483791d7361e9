"""What formulas of docstrings are made of: signs, names and words. `formulas` has the notation."""

import re
from dataclasses import dataclass

GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "chi",
    "psi",
    "omega",
]
SYMBOLS = {
    **{name: rf"\{name}" for name in GREEK},
    "epsilon": r"\varepsilon",
    "eps": r"\varepsilon",
    "phi": r"\varphi",
    "inf": r"\infty",
}
FUNCTIONS = {"exp", "ln", "log", "sin", "cos", "tan", "tanh", "arccos"}
BIG = {"sum": r"\sum", "prod": r"\prod", "max": r"\max", "min": r"\min"}
RELATIONS = {
    "=": "=",
    "~": r"\sim",
    "<": "<",
    ">": ">",
    "<=": r"\le",
    ">=": r"\ge",
    "!=": r"\ne",
    "<-": r"\leftarrow",
    "->": r"\to",
}
# A relation at which lines that follow each other are aligned.
ALIGNED = {"=", "~", "<-"}
# Indices that are an index behind a name of any length.
INDICES = {"in": r"\mathrm{in}", "out": r"\mathrm{out}", "inf": r"\infty"}

TOKEN = re.compile(
    r"""(?P<setting>[A-Za-z_]\w*=(?:"[^"]*"|True|False|None|-?\d[\d.]*)(?!\w))
    |(?P<code>`[^`]+`|"[^"]*")
    |(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)
    |(?P<word>[A-Za-z]{2,}(?:'s|(?:-[A-Za-z]{2,})+|\.$)(?!\w))
    |(?P<name>[A-Za-z]\w*)
    |(?P<sign>\.\.\.|\*\*|//|<=|>=|!=|<-|->|[-+*/@^=<>~()\[\]{}|,;:'])
    """,
    re.VERBOSE,
)
OPERATORS = {"+", "-", "*", "/", "//", "@", "mod", "^", "**"}


class NotAFormulaError(ValueError):
    """What is read is written in another notation."""


@dataclass
class Token:
    """A piece of a cell: its kind, its text, and whether a space is in front."""

    kind: str
    text: str
    spaced: bool


def escaped(text: str) -> str:
    """Returns text for LaTeX's upright and typewriter letters."""
    return re.sub(r"([_#$%&{}])", r"\\\1", text)


def tokens_of(text: str) -> list[Token]:
    """Cuts a cell into tokens."""
    found, at = [], 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        match = TOKEN.match(text, at)
        if match is None:
            raise NotAFormulaError(f"{text[at:]!r}")
        found.append(Token(str(match.lastgroup), match[0], at > 0 and text[at - 1] == " "))
        at = match.end()
    return mark_words(found)


def mark_words(tokens: list[Token]) -> list[Token]:
    """Tells words from names: words stand beside each other, with nothing but a space between."""

    def plain(token: Token) -> bool:
        return (
            token.kind == "name"
            and token.text.isalpha()
            and len(token.text) > 1
            and token.text not in SYMBOLS
            and token.text not in FUNCTIONS
            and token.text != "mod"
        )

    def beside(token: Token, other: Token) -> bool:
        return other.spaced and token.kind in ("name", "word", "number", "code")

    def called(n: int) -> bool:
        """A name with something fast behind it, as in `f(x)`, `x^2` and `w[i]`."""
        behind = tokens[n + 1] if n + 1 < len(tokens) else None
        return (
            behind is not None and not behind.spaced and behind.text in ("(", "[", "^", "**", "'")
        )

    marked = list(tokens)
    for n, token in enumerate(tokens):
        before = tokens[n - 1] if n else None
        after = tokens[n + 1] if n + 1 < len(tokens) else None
        if not plain(token) or called(n):
            continue
        if (
            (
                before is not None
                and before.text not in ("mod", *FUNCTIONS)
                and beside(before, token)
            )
            or (before is not None and before.text in (")", "]", "|", "'") and token.spaced)
            or (after is not None and after.text != "mod" and beside(after, after))
        ):
            marked[n] = Token("word", token.text, token.spaced)
    # "one draw a value": an article.
    for before, token, after in zip(marked, marked[1:], marked[2:], strict=False):
        if token.text == "a" and before.kind == after.kind == "word":
            token.kind = "word"
    return marked


def name(text: str) -> str:
    """Returns a name as LaTeX."""
    if text in SYMBOLS:
        return SYMBOLS[text]
    if len(text) == 1:
        return text
    base, _, index = text.partition("_")
    if base.isalpha() and base not in BIG and index and "_" not in index:
        if index == "hat" and len(base) == 1:
            return rf"\hat{{{base}}}"
        if index == "star" and len(base) == 1:
            return rf"{base}^{{*}}"
        if len(base) == 1 or base in SYMBOLS or len(index) == 1 or index in INDICES:
            short = len(index) == 1 or index in SYMBOLS
            below = INDICES.get(index) or (
                name(index) if short else rf"\mathrm{{{escaped(index)}}}"
            )
            return rf"{name(base)}_{{{below}}}"
    if match := re.fullmatch(r"([A-Za-z]+)(\d+)", text):
        return rf"{name(match[1])}_{{{match[2]}}}"
    return rf"\mathrm{{{escaped(text)}}}"
