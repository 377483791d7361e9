r"""Formulas as the docstrings write them, `stddev = sqrt(2 / (1 + negative_slope^2))`, into LaTeX.

The notation is that of the docstrings, plain text that reads well in a terminal:

- Names of one letter, of Greek letters and with a short index are symbols: `x`, `sigma`, `x_in`,
  `z1`, `beta_2`. Other names stand upright, with their underscores: `moving_mean`.
- `*` and a space multiply, `@` multiplies matrices (then `*` is elementwise), `/` is a fraction,
  `//` one rounded down, `^` and `**` are powers, `v[i]` is an index, `E[x]` an expectation, `f'(x)`
  a derivative, `|x|` an absolute value.
- `=`, `~`, `<=`, `<-` and so on are relations, `...` is an ellipsis.
- Words beside each other, or beside a symbol, are words: `0 otherwise`, `sum of the neighbours`.
- `name="value"`, `"value"` and what is between backticks is code.
- Two spaces or more set cells apart, unless an operator is next to them. Cells that begin below
  each other are a column; others follow at a distance. A line that begins with an operator goes on
  with the one before.

A block of lines is a formula if each line can be read so and one of them has an operator or a
relation; whatever else is indented (programs, diagrams, tables of words) is not, and `translate`
returns None.
"""

import re
from dataclasses import dataclass, field

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
BETWEEN = {
    "sqrt": (r"\sqrt{", "}"),
    "abs": (r"\left|", r"\right|"),
    "floor": (r"\left\lfloor ", r"\right\rfloor "),
}
CALLIGRAPHIC = {"N": r"\mathcal{N}", "U": r"\mathcal{U}"}
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


@dataclass
class Part:
    """A piece of LaTeX, and what has to be known to put it beside others."""

    latex: str
    bare: str | None = None  # the same without its parentheses
    words: bool = False
    big: bool = False  # a sum or product, which a power takes in brackets


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


@dataclass
class Reader:
    """Reads the tokens of one cell by recursive descent."""

    tokens: list[Token]
    matrices: bool = False
    at: int = 0
    small: int = 0  # within exponents and indices, where fractions are written in one line
    bars: int = 0

    def peek(self, ahead: int = 0) -> Token:
        """Returns the token to come, or one of no kind behind the last."""
        n = self.at + ahead
        return self.tokens[n] if n < len(self.tokens) else Token("end", "", True)

    def take(self, text: str | None = None) -> Token:
        """Returns the token to come and goes behind it."""
        token = self.peek()
        if token.kind == "end" or (text is not None and token.text != text):
            raise NotAFormulaError(f"{token.text!r} where {text!r} should be")
        self.at += 1
        return token

    def cell(self) -> str:
        """Reads a whole cell."""
        latex = self.items()
        if self.peek().text == ":" and self.peek(1).kind == "end":
            self.take()
            latex += "{:}"
        if self.peek().kind != "end":
            raise NotAFormulaError(f"{self.peek().text!r} is left")
        return latex

    def items(self) -> str:
        """Reads statements between commas and semicolons."""
        latex = [] if self.peek().text in (")", "]", "}") else [self.statement()]
        while self.peek().text in (",", ";"):
            mark = self.take().text
            ends = self.peek().kind == "end"
            latex.append(f"{mark}" if ends else rf"{mark}\ {self.statement()}")
        return "".join(latex)

    def statement(self) -> str:
        """Reads sums with relations between them."""
        if self.peek().kind in ("code", "setting") and self.peek(1).text == ":":
            label = self.product().latex
            self.take(":")
            return rf"{label}{{:}}" + (
                "" if self.peek().kind == "end" else rf"\ {self.statement()}"
            )
        latex = "" if self.peek().text in RELATIONS else self.sum().latex
        while self.peek().text in RELATIONS:
            sign = RELATIONS[self.take().text]
            latex += rf" {sign} {self.sum().latex}"
        return latex.strip()

    def sum(self) -> Part:
        """Reads products with plus and minus between them."""
        sign = self.take().text if self.peek().text in ("+", "-") else ""
        first = self.product()
        latex, alone = sign + first.latex, not sign
        while self.peek().text in ("+", "-"):
            sign = self.take().text
            latex += f" {sign} {self.product().latex}"
            alone = False
        return Part(latex, first.bare if alone else None)

    def product(self) -> Part:
        """Reads factors.

        `/` divides what is on its left, back to the last words, by the one factor on its right.
        """
        said, left = "", self.factor()
        while True:
            sign = self.peek()
            if sign.text in ("/", "//"):
                self.take()
                left = self.fraction(left, self.signed_factor(), sign.text)
            elif sign.text in ("*", "@", "mod"):
                self.take()
                right = self.signed_factor()
                left = Part(f"{left.latex} {self.between(sign.text)} {right.latex}")
            elif self.starts_factor(sign):
                right = self.factor()
                if left.words or right.words:
                    said, left = rf"{said}{left.latex}\ ", right
                else:
                    left = Part(rf"{left.latex}\,{right.latex}")
            else:
                return Part(said + left.latex, None if said else left.bare)

    def between(self, sign: str) -> str:
        """Returns the sign of a product."""
        if sign == "mod":
            return r"\bmod"
        if not self.matrices:
            return r"\cdot"
        return r"\odot" if sign == "*" else r"\,"

    def fraction(self, above: Part, below: Part, sign: str) -> Part:
        """Returns one part over another."""
        if self.small:
            latex = f"{above.latex}/{below.latex}"
        else:
            latex = rf"\frac{{{above.bare or above.latex}}}{{{below.bare or below.latex}}}"
        return Part(latex if sign == "/" else rf"\left\lfloor {latex}\right\rfloor ")

    def starts_factor(self, token: Token) -> bool:
        """Whether a factor begins here, after a space that multiplies."""
        if token.text == "|":
            return not self.bars
        return token.kind in ("number", "name", "word", "code", "setting") or (
            token.text in ("(", "[", "{", "...")
        )

    def signed_factor(self) -> Part:
        """Reads a factor behind an operator, where it may have a sign."""
        if self.peek().text == "-":
            self.take()
            return Part("-" + self.factor().latex)
        return self.factor()

    def factor(self) -> Part:
        """Reads a name, a number or a group, with its indices, arguments and powers."""
        part = self.atom()
        while True:
            token = self.peek()
            if token.text in ("^", "**"):
                self.take()
                base = self.brackets("(", ")", part.latex) if part.big else part.latex
                part = Part(f"{base}^{{{self.exponent()}}}")
            elif token.text == "[" and not token.spaced:
                part = self.index(part)
            elif token.text == "'" and not token.spaced:
                self.take()
                part = Part(part.latex + "'")
            elif token.text == "(" and not token.spaced:
                part = Part(part.latex + self.group("(", ")"))
            else:
                return part

    def exponent(self) -> str:
        """Reads what is behind `^`."""
        self.small += 1
        sign = self.take().text if self.peek().text == "-" else ""
        part = self.atom()
        if self.peek().text == "'" and not self.peek().spaced:
            self.take()
            part = Part(part.latex + "'")
        self.small -= 1
        return sign + (part.bare or part.latex)

    def index(self, part: Part) -> Part:
        """Reads `[...]` behind a name: a subscript when it is simple, brackets when not."""
        if part.latex in ("E", r"\mathrm{Var}"):
            head = r"\mathbb{E}" if part.latex == "E" else part.latex
            return Part(head + self.group("[", "]"))
        start = self.at
        self.small += 1
        inside = self.group("[", "]")
        self.small -= 1
        simple = all(
            t.kind in ("number", "name") or t.text in (",", "+", "-", "...", "'")
            for t in self.tokens[start + 1 : self.at - 1]
        )
        if simple and "_{" not in part.latex:
            inner = inside.removeprefix(r"\left[").removesuffix(r"\right]").replace(r"\ ", "")
            return Part(rf"{part.latex}_{{{inner}}}")
        return Part(part.latex + inside)

    def group(self, opening: str, closing: str) -> str:
        """Reads a group and keeps its brackets."""
        return self.brackets(opening, closing, self.inside(opening, closing))

    def inside(self, opening: str, closing: str) -> str:
        """Reads what is between brackets."""
        self.take(opening)
        bars, self.bars = self.bars, 0
        latex = self.items()
        self.bars = bars
        self.take(closing)
        return latex

    def brackets(self, opening: str, closing: str, latex: str) -> str:
        """Puts brackets around LaTeX."""
        brace = {"{": r"\{", "}": r"\}"}
        return rf"\left{brace.get(opening, opening)}{latex}\right{brace.get(closing, closing)}"

    def atom(self) -> Part:
        """Reads the smallest piece."""
        token = self.peek()
        if token.kind == "number":
            return Part(self.take().text)
        if token.kind == "word":
            return self.words()
        if token.kind in ("code", "setting"):
            return Part(rf"\texttt{{{escaped(self.take().text.strip('`'))}}}", words=True)
        if token.kind == "name":
            return self.named()
        if token.text == "...":
            self.take()
            return Part(r"\dots ")
        if token.text == "(":
            inside = self.inside("(", ")")
            return Part(self.brackets("(", ")", inside), bare=inside)
        if token.text in ("[", "{"):
            return Part(self.group(token.text, "]" if token.text == "[" else "}"))
        if token.text == "|":
            self.take()
            self.bars += 1
            inside = self.sum().latex
            self.bars -= 1
            self.take("|")
            return Part(rf"\left|{inside}\right|")
        raise NotAFormulaError(f"{token.text!r} begins nothing")

    def words(self) -> Part:
        """Reads words in a row as one text."""
        found = [self.take().text]
        while self.peek().kind == "word":
            found.append(self.take().text)
        return Part(rf"\text{{{' '.join(found)}}}", words=True)

    def named(self) -> Part:
        """Reads a name, and the arguments of the functions that have a form of their own."""
        text = self.take().text
        call = self.peek().text == "(" and not self.peek().spaced
        if call and text in BETWEEN:
            left, right = BETWEEN[text]
            return Part(f"{left}{self.inside('(', ')')}{right}")
        if text in FUNCTIONS:
            latex = rf"\{text}"
            return Part(latex + self.group("(", ")")) if call else Part(latex)
        base, _, index = text.partition("_")
        if base in BIG and index and len(index) == 1:
            return Part(rf"{BIG[base]}_{{{index}}}")
        if call and text in ("sum", "prod"):
            return self.big(BIG[text])
        if text in ("max", "min"):
            return Part(BIG[text])
        if call:
            return Part(CALLIGRAPHIC.get(text) or name(text))
        if self.peek().text == "{" and not self.peek().spaced:
            return Part(CALLIGRAPHIC.get(text, name(text)) + self.group("{", "}"))
        return Part(name(text))

    def big(self, sign: str) -> Part:
        """Reads `sum(x)` and `prod(x, l = 1 ... L)`."""
        self.take("(")
        inner = self.sum()
        limits = ""
        if self.peek().text == ",":
            self.take()
            index = self.take().text
            self.take("=")
            low = self.product_until_dots()
            limits = rf"_{{{index} = {low}}}^{{{self.sum().latex}}}"
        self.take(")")
        single = not re.search(r" [-+] ", inner.latex)
        latex = inner.latex if single else rf"\left({inner.latex}\right)"
        return Part(rf"{sign}{limits} {latex}", big=True)

    def product_until_dots(self) -> str:
        """Reads the lower limit of `1 ... L`."""
        latex = self.factor().latex
        self.take("...")
        return latex


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
