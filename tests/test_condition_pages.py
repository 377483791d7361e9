"""The catalog of conditions: what its pages say of the rules is what the rules do."""

import ast
import importlib
import math
import re
from pathlib import Path

import pytest

from kerastricks.diagnosis.causes import _EXPLAINS
from kerastricks.diagnosis.conditions import CONDITIONS
from kerastricks.diagnosis.finding import SEVERITIES

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "conditions"
IMAGES = ROOT / "docs" / "images" / "conditions"
RULES = "kerastricks.diagnosis.rules"
SECTIONS = [
    "What it means",
    "Sick and healthy",
    "What the doctor measures",
    "Healthy range",
    "The message",
    "Causes and consequences",
    "Remedy",
    "Limits",
    "References",
]
MOST_BYTES = 150_000
LITERAL = 20
"""Letters of its own that a text in a rule must have to be told from others."""

pytestmark = pytest.mark.skipif(not PAGES.is_dir(), reason="not beside an installed wheel")
each_condition = pytest.mark.parametrize("condition", CONDITIONS)


def page_of(condition):
    return (PAGES / f"{condition}.md").read_text(encoding="utf-8")


def section(page, title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)[1]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def numbers_of(module):
    """The public numbers that a module names, its own and those that it imports."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int | float)
    }


def sources_of(condition):
    """The files that the texts of a condition's findings stand in."""
    rules = Path(importlib.import_module(f"{RULES}.{condition}").__file__).parent
    beside = rules.glob("_mismatches/*.py") if condition == "loss_mismatch" else []
    answers = [rules / "_answers.py"] if condition == "poor_initialization" else []
    return [rules / f"{condition}.py", *beside, *answers]


def pattern_of(node):
    """A regular expression for what an expression in the source gives; wild where not known."""
    match node:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(map(pattern_of, parts))
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return pattern_of(left) + pattern_of(right)
        case ast.IfExp(body=body, orelse=orelse):
            return f"(?:{pattern_of(body)}|{pattern_of(orelse)})"
    return ".*?"


def texts_in(node):
    """Expressions that give a text, the outermost of each."""
    if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from texts_in(child)


def templates_of(condition):
    """Patterns of what a rule can say."""
    for path in sources_of(condition):
        for node in texts_in(ast.parse(path.read_text(encoding="utf-8"))):
            pattern = pattern_of(node)
            if len(re.sub(r"\.\*\?|[^a-zA-Z]", "", pattern)) >= LITERAL:
                yield pattern


def printed_on(condition):
    """Condition, severity, message and remedy of what the page shows; None without a remedy."""
    text = " ".join(blocks(section(page_of(condition), "The message"), "text")[0].split())
    told = re.fullmatch(
        r"(?:TrainingDoctor:|\d+\.) (\w+) \((\w+)\) in .+?, (?:from the start|since step \d+)\.? "
        r"(.+?)(?: Remedy: (.+?))?(?: It (?:follows from|explains) .+)?",
        text,
    )
    assert told, text
    return told.groups()


def test_every_condition_has_its_page_and_the_index_leads_to_it():
    assert {path.stem for path in PAGES.glob("*.md")} == {*CONDITIONS, "index"}
    index = (PAGES / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \|", index, re.MULTILINE)
    assert all(name == target for name, target in rows)
    assert sorted(name for name, _ in rows) == sorted(CONDITIONS)


@pytest.mark.parametrize("condition", [*CONDITIONS, "causes"])
def test_pictures_are_there_and_small_enough_for_a_page(condition):
    picture = IMAGES / f"{condition}.svg"
    assert 1000 < picture.stat().st_size <= MOST_BYTES
    shown = page_of("index" if condition == "causes" else condition)
    assert re.search(rf"!\[[^\]]{{30,}}\]\(\.\./images/conditions/{condition}\.svg\)", shown)


@each_condition
def test_pages_have_the_same_sections_in_the_same_order(condition):
    page = page_of(condition)
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS
    assert len(re.findall(r"^# ", re.sub(r"(?s)```.*?```", "", page), re.MULTILINE)) == 1
    assert blocks(section(page, "Remedy"), "python")
    assert f"rules/{condition}.py`" in section(page, "What the doctor measures")


@each_condition
def test_thresholds_are_those_of_the_rule(condition):
    table = section(page_of(condition), "What the doctor measures")
    told = dict(re.findall(r"^\| `([\w.]+)` \| (\S+) \|", table, re.MULTILINE))
    own = numbers_of(importlib.import_module(f"{RULES}.{condition}"))
    assert {name for name in told if "." not in name} == own.keys()
    for name, value in told.items():
        module, _, constant = name.rpartition(".")
        known = numbers_of(importlib.import_module(f"{RULES}.{module}")) if module else own
        assert math.isclose(float(value), known[constant], rel_tol=0.01), name


@each_condition
def test_causes_and_effects_are_those_by_which_findings_are_ordered(condition):
    text = section(page_of(condition), "Causes and consequences")
    before, after = re.search(
        r"\*\*Explained by\*\*(.+?)^- \*\*Explains\*\*(.+?)(?:\n\n|\Z)",
        text,
        re.DOTALL | re.MULTILINE,
    ).groups()
    causes = {cause for cause, effects in _EXPLAINS.items() if condition in effects}
    effects = set(_EXPLAINS.get(condition, {}))
    assert set(re.findall(r"\((\w+)\.md\)", before)) == causes - {condition}
    assert set(re.findall(r"\((\w+)\.md\)", after)) == effects - {condition}
    spreads = condition in effects and condition != "non_finite"
    assert ("in other layers" in after) == spreads


@each_condition
def test_what_is_shown_is_what_the_rule_says(condition):
    name, severity, message, remedy = printed_on(condition)
    assert name == condition
    assert severity in SEVERITIES
    templates = list(templates_of(condition))
    assert any(re.search(template, message) for template in templates), message
    if remedy is not None:
        assert any(re.search(template, remedy) for template in templates), remedy


def test_a_text_that_no_rule_says_fits_none():
    wrong = "56 of 64 rectifier units are asleep and get no gradient: they fired on none."
    assert not any(re.search(template, wrong) for template in templates_of("dying_units"))


@each_condition
def test_counts_of_the_benchmark_are_those_of_its_page(condition):
    accuracy = (ROOT / "docs" / "diagnosis-accuracy.md").read_text(encoding="utf-8")
    counts = re.findall(rf"^\| {condition} \| (\d+) \| \d+ \| (\d+) \|", accuracy, re.MULTILINE)
    limits = section(page_of(condition), "Limits")
    assert "](../diagnosis-accuracy.md)" in limits + page_of("index")
    if counts:
        told = re.findall(r"(\d+) of (\d+)\b", " ".join(limits.split())[:250])
        assert told[:2] == [(named, runs) for runs, named in counts]


@pytest.mark.slow
@each_condition
def test_the_code_of_a_page_prints_what_the_page_shows(condition, monkeypatch):
    for folder in ("tools", "benchmarks"):
        monkeypatch.syspath_prepend(ROOT / folder)
    draw_conditions = importlib.import_module("draw_conditions")
    page = page_of(condition)
    ran = draw_conditions.run(condition, page)
    assert in_words(draw_conditions.filled(ran, page)) == in_words(page)


def in_words(page):
    """The text of a page without its numbers, and without where lines and columns of tables end."""
    return re.sub(r"[\s─-╿]+", "", re.sub(r"\d[\d.e+-]*", "#", page))
