"""One cell of a formula, read by recursive descent and written as LaTeX."""

import re
from dataclasses import dataclass

from formula_tokens import (
    BIG,
    FUNCTIONS,
    RELATIONS,
    NotAFormulaError,
    Token,
    escaped,
    name,
)

BETWEEN = {
    "sqrt": (r"\sqrt{", "}"),
    "abs": (r"\left|", r"\right|"),
    "floor": (r"\left\lfloor ", r"\right\rfloor "),
}
CALLIGRAPHIC = {"N": r"\mathcal{N}", "U": r"\mathcal{U}"}


@dataclass
class Part:
    """A piece of LaTeX, and what has to be known to put it beside others."""

    latex: str
    bare: str | None = None  # the same without its parentheses
    words: bool = False
    big: bool = False  # a sum or product, which a power takes in brackets


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
