"""The notebooks: their sources run, their last cells hold, and what is kept of them is current."""

import ast
import json
from pathlib import Path

import keras
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SOURCES = sorted(EXAMPLES.glob("*.py"))

# Settings that take the place of those at the top of a source, on which its conclusion holds too.
SMALL = {
    "1_deep_sigmoid": {"EPOCHS": 4, "SEEDS": (0,), "RATES": (0.001, 0.1)},
    "2_where_to_start": {"EPOCHS": 5, "SEEDS": (0,), "NETWORKS": 1000},
    "3_batch_norm_alpha": {
        "EPOCHS": 3,
        "SEEDS": (0,),
        "SIGMOID_STEPS": 100,
        "ALPHAS": (0.001, 0.01, 0.1, 1.0),
    },
    "4_dropout": {"SEEDS": (0, 1), "SIZES": (100,), "STEPS": 200},
    "5_very_little_data": {"PER_CLASS": {"digits": (10,)}, "STEPS": 200, "SEEDS": (0,)},
    "6_visit_to_the_doctor": {"EPOCHS": 4, "SEEDS": (0,)},
    "7_very_deep": {"EPOCHS": 8, "SEEDS": (0,)},
}


def named(path):
    return path.stem


def settings(tree):
    """The source's assignments to names in capitals."""
    return {
        node.targets[0].id: node
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.isupper()
    }


@pytest.mark.slow
@pytest.mark.every_variant
@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_conclusion_holds_on_small_settings(path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(pyplot, "show", lambda: pyplot.close("all"))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = settings(tree)
    for name, value in SMALL[path.stem].items():
        found[name].value = ast.parse(repr(value), mode="eval").body
    pyplot.switch_backend("agg")
    with pyplot.rc_context():
        exec(compile(ast.fix_missing_locations(tree), path.name, "exec"), {"__name__": "__main__"})
    keras.backend.clear_session()


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_source_ends_with_its_conclusion(path):
    last = path.read_text(encoding="utf-8").split("# %%")[-1]
    assert "assert " in last


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_notebook_is_what_its_source_gave(path):
    kept = path.with_suffix(".ipynb")
    assert kept.stat().st_size < 500_000
    notebook = json.loads(kept.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    written = path.read_text(encoding="utf-8").split("# %%")[1:]
    written = [part.split("\n", 1) for part in written]
    code = [body.strip() for header, body in written if "[markdown]" not in header]
    assert ["".join(cell["source"]) for cell in cells] == code
    prose = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    text = [body.strip() for header, body in written if "[markdown]" in header]
    assert ["".join(cell["source"]) for cell in prose] == [
        "\n".join(line.removeprefix("#").removeprefix(" ") for line in part.split("\n"))
        for part in text
    ]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert any(
        "image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"]
    )
