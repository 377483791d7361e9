"""Formulas as MathML, made when the site is built: pages need no script and no network for them."""

import re
import xml.etree.ElementTree as ET

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
FENCES = {"⌊": "prefix", "⌋": "postfix", "⌈": "prefix", "⌉": "postfix"}
# Operators that latex2mathml takes for names, or browsers for no operators.
RELATIONS = {"~": "\u223c", "mod": "mod"}
log = logging.getLogger(__name__)
ET.register_namespace("", NAMESPACE.strip("{}"))


def joined(parent: ET.Element) -> None:
    """Joins upright letters to names, which latex2mathml leaves as one element a letter."""
    for child in parent:
        joined(child)
    kept: list[ET.Element] = []
    for child in parent:
        upright = child.tag == f"{NAMESPACE}mi" and child.get("mathvariant") == "normal"
        if (
            upright
            and kept
            and kept[-1].get("mathvariant") == "normal"
            and parent.tag == f"{NAMESPACE}mrow"
        ):
            kept[-1].text = f"{kept[-1].text}{child.text}"
        else:
            kept.append(child)
    parent[:] = kept


def mended(math: ET.Element) -> None:
    """Gives elements the kinds that browsers space and stretch rightly."""
    joined(math)
    for element in math.iter():
        text = element.text or ""
        if element.tag == f"{NAMESPACE}mtext":
            element.text = re.sub(r"\\([_#$%&{}])", r"\1", text)
        elif text in RELATIONS:
            element.tag, element.text = f"{NAMESPACE}mo", RELATIONS[text]
            element.attrib |= {"lspace": "0.28em", "rspace": "0.28em"}
        elif element.tag == f"{NAMESPACE}mo" and len(text) > 1 and text.isalpha():
            element.tag = f"{NAMESPACE}mi"
        elif element.tag == f"{NAMESPACE}mi" and text in FENCES:
            element.tag = f"{NAMESPACE}mo"
            element.attrib |= {"form": FENCES[text], "stretchy": "true"}
        if element.tag == f"{NAMESPACE}mi" and len(text) > 1:
            element.attrib.pop("mathvariant", None)  # upright of itself
        before = None
        for child in element:
            signs = (
                before is not None
                and before.tag == f"{NAMESPACE}mo"
                and before.get("form") != "postfix"
            )
            if (
                child.text in ("\u2212", "+")
                and signs
                and before is not None
                and before.text not in (")", "]", "…")
            ):
                child.set("form", "prefix")
            before = child


def mathml(latex: str, display: str = "inline") -> str:
    r"""Returns LaTeX as a MathML element.

    Args:
        latex: The formula, without dollar signs.
        display: `"inline"` or `"block"`.

    Raises:
        Exception: What latex2mathml raises for LaTeX that it cannot read.
        ValueError: If it left a command or an alignment mark as it was.
    """
    latex = re.sub(r"\\begin\{(aligned|align\*?|split)\}", r"\\begin{array}{rl}", latex)
    latex = re.sub(r"\\end\{(aligned|align\*?|split)\}", r"\\end{array}", latex)
    math = ET.fromstring(convert(latex.strip(), display=display))
    mended(math)
    for element in math.iter():
        if element.tag != f"{NAMESPACE}mtext" and re.search(r"\\|&", element.text or ""):
            raise ValueError(f"{element.text!r} is not understood")
    return ET.tostring(math, encoding="unicode")


def rendered(node: nodes.Element, display: str) -> str:
    """Returns a node's formula as MathML, and warns where that fails."""
    try:
        return mathml(node.astext(), display)
    except Exception as error:  # latex2mathml has many
        log.warning(
            "cannot render %r: %s", node.astext(), error or type(error).__name__, location=node
        )
        return ""


def visit_inline(self, node) -> None:
    """Writes a formula within a line."""
    self.body.append(f'<span class="formula">{rendered(node, "inline")}</span>')
    raise nodes.SkipNode


def visit_block(self, node) -> None:
    """Writes a formula of its own, which scrolls when it is wider than the page."""
    self.body.append(f'<div class="formula" tabindex="0">{rendered(node, "block")}</div>\n')
    raise nodes.SkipNode


def setup(app) -> dict:
    """Connects to Sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True}
