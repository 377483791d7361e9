"""The documentation: its programs run, its formulas are translated, its links and names hold."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import kerastricks as kt

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.append(str(DOCS / "_ext"))
# `make docs` copies these from elsewhere, or writes them.
MADE = ("api", "examples", "project")
PAGES = [
    *sorted(ROOT.glob("README.md")),
    *(path for path in sorted(DOCS.rglob("*.md")) if path.relative_to(DOCS).parts[0] not in MADE),
]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Those of conditions are run by tests/test_condition_pages.py, which looks at what they print too.
PROGRAMS = [path for path in PAGES if path.parent.name != "conditions"]
# They train; these do hardly.
QUICK = ("README.md", "augmentation.md", "keras.md", "pytorch.md")

# A test run on an installed wheel has no docs beside it.
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="no docs/ here")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="pages speak of TensorFlow")
@pytest.mark.every_variant
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            marks=() if page.name in QUICK else pytest.mark.slow,
            id=page.relative_to(ROOT).as_posix(),
        )
        for page in PROGRAMS
    ],
)
def test_programs_of_a_page_run(page, tmp_path, monkeypatch):
    text = page.read_text(encoding="utf-8")
    programs = list(FENCE.finditer(text))
    if not programs:
        pytest.skip("no programs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    space = {"__name__": "__main__"}
    for program in programs:
        lines = text[: program.start(1)].count("\n")
        code = compile("\n" * lines + program[1], str(page), "exec")
        exec(code, space)


def test_each_use_takes_ten_lines_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lengths = [len([line for line in code.split("\n") if line]) for code in FENCE.findall(text)]
    assert len(lengths) == 3
    assert max(lengths) <= 10


FORMULAS = {
    "stddev = sqrt(2 / ((1 + negative_slope^2) * fan_in))": (
        r"\mathrm{stddev} = \sqrt{\frac{2}{\left(1 + \mathrm{negative\_slope}^{2}\right) \cdot "
        r"\mathrm{fan}_{\mathrm{in}}}}"
    ),
    "y = a b / c * d": r"y = \frac{a\,b}{c} \cdot d",
    "y = a / b / c": r"y = \frac{\frac{a}{b}}{c}",
    "y = (a + b) / (c - d)": r"y = \frac{a + b}{c - d}",
    "y = (a + b) c / d": r"y = \frac{\left(a + b\right)\,c}{d}",
    "y = 2^(1-N) - 4^-N": r"y = 2^{1 - N} - 4^{-N}",
    "y = g**2": r"y = g^{2}",
    "y = -x / 2": r"y = -\frac{x}{2}",
    "y = x // 2": r"y = \left\lfloor \frac{x}{2}\right\rfloor",
    "y = x^(a / b)": r"y = x^{a/b}",
    "x_in = x_out - t_x W": r"x_{\mathrm{in}} = x_{\mathrm{out}} - t_{x}\,W",
    "m_hat = m / (1 - beta_1**t)": r"\hat{m} = \frac{m}{1 - \beta_{1}^{t}}",
    "q_star = sigma": r"q^{*} = \sigma",
    "gain = E[f'(z1)^2]": r"\mathrm{gain} = \mathbb{E}\left[f'\left(z_{1}\right)^{2}\right]",
    "z ~ N(0, 1)": r"z \sim \mathcal{N}\left(0,\ 1\right)",
    "W <- W / |v W|": r"W \leftarrow \frac{W}{\left|v\,W\right|}",
    "w[l] = w[l - 1]": r"w_{l} = w_{l - 1}",
    "w[i] = v[2 * i]": r"w_{i} = v\left[2 \cdot i\right]",
    "y = sum_t y_t / T": r"y = \frac{\sum_{t}\,y_{t}}{T}",
    "p = prod(1 - q_l, l = 1 ... L-1)": r"p = \prod_{l = 1}^{L - 1} \left(1 - q_{l}\right)",
    "y = max(x, 0) + min(x, 0)": r"y = \max\left(x,\ 0\right) + \min\left(x,\ 0\right)",
    "x = abs(y) >= 0": r"x = \left|y\right| \ge 0",
    "y = x0 * (x @ W)": r"y = x_{0} \odot \left(x \, W\right)",
    "y = x mod 2": r"y = x \bmod 2",
    "s = sum(w)^2 / sum(w^2)": r"s = \frac{\left(\sum w\right)^{2}}{\sum w^{2}}",
    "a ~ U{0, ..., n}": r"a \sim \mathcal{U}\left\{0,\ \dots,\ n\right\}",
    "t = inputs applied to v / |v|": (r"t = \text{inputs applied to}\ \frac{v}{\left|v\right|}"),
    "y = 0 where one of them is 0": r"y = 0\ \text{where one of them is}\ 0",
    'y = x    (scaling="classic")': (r'y = x\quad \left(\texttt{scaling="classic"}\right)'),
    'scaling="classic":  y = x * keep': (
        r'\texttt{scaling="classic"}{:}\quad y = x \cdot \mathrm{keep}'
    ),
}


@pytest.mark.parametrize("text", FORMULAS)
def test_formula(text):
    (latex,) = pytest.importorskip("formulas").translate([text])
    assert latex.strip() == FORMULAS[text]


def test_lines_of_formulas_are_aligned_at_relations_and_columns():
    translate = pytest.importorskip("formulas").translate
    assert translate(["f(x) = x         if x >= 0", "f(x) = a * x     if x <  0"]) == [
        r"\begin{array}{rll} f\left(x\right) & = x & \text{if}\ x \ge 0 \\ "
        r"f\left(x\right) & = a \cdot x & \text{if}\ x < 0 \end{array}"
    ]
    # A gap before an operator is there for the looks of the plain text.
    assert translate(["scale   = a", "bias    = b + c"]) == [
        r"\begin{array}{rl} \mathrm{scale} & = a \\ \mathrm{bias} & = b + c \end{array}"
    ]


def test_a_line_that_begins_with_an_operator_goes_on_with_the_one_before():
    translate = pytest.importorskip("formulas").translate
    assert translate(["y = (a + b", "     + c) / d"]) == translate(["y = (a + b + c) / d"])


def test_an_empty_line_parts_formulas():
    translate = pytest.importorskip("formulas").translate
    assert translate(["y = a", "", "z = b"]) == ["y = a", "z = b"]


@pytest.mark.parametrize(
    ("text", "formulas"),
    {
        "start left (at 1 - (1 - gamma)^(k^2), which": ["1 - (1 - gamma)^(k^2)"],
        "has (1 - alpha)^t of it": ["(1 - alpha)^t"],
        "drawn from N(0, stddev^2), except one": ["N(0, stddev^2)"],
        "w^2 s + b for a sum\nsqrt(1 - w^2). Where": ["w^2 s + b", "sqrt(1 - w^2)"],
        "E[x^2] = Var(x) + m^2, which": ["E[x^2] = Var(x) + m^2"],
        "a 2^16 of it": ["2^16"],
        "alpha is 1 - momentum, n / (n - 1)": [],
        "rate - 1 is a rate": [],
    }.items(),
)
def test_formula_in_prose(text, formulas):
    pieces = pytest.importorskip("formulas").prose(text)
    assert "".join(words for words, _ in pieces) == text
    assert [words for words, latex in pieces if latex is not None] == formulas


@pytest.mark.parametrize(
    "text",
    [
        "model.compile(optimizer)",
        "rules = {which: replacement}",
        "class A(B): ...",
        "RandomFlip(mode='horizontal', probability=0.5)",
        "fit(*args)",
        "a plain sentence, of words",
        "y = (a + b",
        "y = a +",
    ],
)
def test_what_is_written_otherwise_is_no_formula(text):
    assert pytest.importorskip("formulas").translate([text]) is None


# Of words, and so no formulas.
TABLES = {"compute_fans", "replace_layers", "treat"}


def members(room):
    for name in room.__all__:
        member = getattr(room, name)
        if inspect.ismodule(member):
            yield from members(member)
        elif callable(member):
            yield name, member
            for method, value in vars(member).items() if isinstance(member, type) else ():
                if not method.startswith("_") and inspect.isroutine(value):
                    yield method, getattr(member, method)


@pytest.mark.compiling
def test_each_indented_block_of_a_docstring_is_a_formula_or_a_program_or_a_table():
    block = pytest.importorskip("docstrings").converted
    seen = 0
    for name, member in members(kt):
        lines = list(block((inspect.getdoc(member) or "").split("\n")))
        seen += lines.count(".. math::")
        assert (".. code-block:: text" in lines) == (name in TABLES), name
    assert seen > 80


def test_mathml_has_a_row_for_each_line_of_a_formula():
    mathml = pytest.importorskip("mathml").mathml
    converted = pytest.importorskip("docstrings").converted
    for name, member in members(kt):
        for line in converted((inspect.getdoc(member) or "").split("\n")):
            if r"\begin{array}" in line:
                made = mathml(line.strip(), "block")
                assert made.count("<mtr>") == line.count(r" \\ ") + 1, name


def test_docstrings_become_restructured_text():
    converted = pytest.importorskip("docstrings").converted
    text = """One `line` of **kwargs and x_.

    y = a * b

Args:
    rate: A share, `0` to
        `1`.

Example:
>>> 1 * 1
1

Reference:
    He et al. (2015), eq. 10.

Differs from the paper in: nothing | much."""
    assert "\n".join(converted(text.split("\n"))) == (
        "One ``line`` of \\*\\*kwargs and x\\_.\n\n.. math::\n\n   y = a \\cdot b\n\n\n"
        "Args:\n    rate: A share, ``0`` to\n        ``1``.\n\n\n"
        ".. rubric:: Example\n\n>>> 1 * 1\n1\n\n\n"
        ".. rubric:: Reference\n\nHe et al. (2015), eq. 10.\n\n"
        "**Differs from the paper in:** nothing \\| much."
    )


def test_links_out_of_docs_lead_to_the_copies():
    turned = pytest.importorskip("repository").turned
    pages = {"examples/1_a.ipynb": "examples/1_a.ipynb", "CHANGELOG.md": "project/CHANGELOG.md"}

    def target(link, page):
        return re.search(r"\((.*)\)", turned(f"[a]({link})", page, pages))[1]

    assert target("../examples/1_a.ipynb", "lecture.md") == "examples/1_a.ipynb"
    assert target("../../examples/1_a.ipynb#b", "tricks/he.md") == "../examples/1_a.ipynb#b"
    assert target("../docs/tricks/he.md", "examples/1_a.ipynb") == "../tricks/he.md"
    assert target("docs/lecture.md", "project/CHANGELOG.md") == "../lecture.md"
    assert target("../../CHANGELOG.md", "tricks/he.md") == "../project/CHANGELOG.md"
    assert target("../README.md", "lecture.md") == "index.md"
    assert target("../../benchmarks/layers.py", "tricks/he.md") == "../../benchmarks/layers.py"
    assert target("lsuv.md", "tricks/he.md") == "lsuv.md"
    assert target("https://keras.io/a", "lecture.md") == "https://keras.io/a"
    assert target("#a", "lecture.md") == "#a"


def test_names_are_single_elements_of_mathml():
    mathml = pytest.importorskip("mathml").mathml
    assert "<mi>negative_slope</mi>" in mathml(r"\mathrm{negative\_slope}^{2}")
    assert 'form="prefix">⌊</mo>' in mathml(r"\lfloor x \rfloor").replace(' stretchy="true"', "")
    with pytest.raises(ValueError, match="not understood"):
        mathml(r"\nosuchcommand x")


def test_the_site_misses_undocumented_and_absent_names():
    reference = pytest.importorskip("reference")
    rooms = reference.all_rooms()
    described = {f"{room.module.__name__}.{name}" for room in rooms for name in room.names}
    assert reference.missing(described, rooms) == []
    described.remove("kerastricks.layers.Dropout")
    assert reference.missing(described, rooms) == [
        "kerastricks.layers.Dropout is not in the reference"
    ]
    written = reference.pages()
    assert {"layers.rst", "layers/Dropout.rst", "addons/image/rotate.rst", "checkup.rst"} <= {
        *written
    }


def test_the_site_misses_a_docstring(monkeypatch):
    reference = pytest.importorskip("reference")
    monkeypatch.setattr(kt.layers.Dropout, "__doc__", None)
    monkeypatch.setattr(kt.surgery.treat, "__doc__", None)
    lacks = [line for room in reference.all_rooms() for line in reference.undocumented(room)]
    assert sorted(lacks) == ["Dropout", "treat"]


@pytest.fixture(scope="module")
def warnings_of(tmp_path_factory):
    """Builds a page with the site's settings, and returns what is said about it."""
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")

    def build(text):
        folder = tmp_path_factory.mktemp("site")
        (folder / "index.md").write_text(text, encoding="utf-8")
        (folder / "other.md").write_text("---\norphan: true\n---\n# Other\n\n## A part\n")
        # Without those that write into docs/.
        extensions = "extensions=sphinx.ext.autodoc,myst_nb,links,mathml,names"
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", str(DOCS), "-D", extensions]
        command += [str(folder), str(folder / "built")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in done.stderr.split("\n") if "WARNING:" in line]
        lines = [line for line in lines if "absl" not in line]
        return done.returncode, lines

    return build


def test_the_site_builds_a_sound_page(warnings_of):
    text = "# A page\n\n[a](other.md), [b](other.md#a-part), $a_1$, `kt.layers.Dropout(0.5)`\n"
    assert warnings_of(text) == (0, [])


def test_the_site_does_not_build_with_broken_links_names_and_formulas(warnings_of):
    status, lines = warnings_of(
        "# A page\n\n[a](none.md)\n\n[b](other.md#none)\n\n[c](#none)\n\n`kt.layers.Nothing`\n\n"
        "$\\nosuchcommand$\n\n<a href='none.html'>d</a>\n"
    )
    assert status == 1
    for said in (
        "target not found: 'none.md'",
        "local id not found in doc 'other': 'none'",
        "target not found: 'none'",
        "there is no kt.layers.Nothing",
        "nosuchcommand' is not understood",
        "none.html is no file of the site",
        "other.html#none is no place of that page",
    ):
        assert any(said in line for line in lines), said
