"""The notebooks: their sources run, their last cells hold, and what is kept of them is current."""

import ast
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SOURCES = sorted(EXAMPLES.glob("*.py"))
LECTURE = EXAMPLES.parent / "docs" / "lecture.md"

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
    "8_from_tensorflow_addons": {"EPOCHS": 4, "SEEDS": (0,)},
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


def run(path, small, monkeypatch, conclude=True):
    """Executes a source where it lies, as Jupyter does, with other settings."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(pyplot, "show", lambda: pyplot.close("all"))
    monkeypatch.chdir(EXAMPLES)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = settings(tree)
    for name, value in small.items():
        found[name].value = ast.parse(repr(value), mode="eval").body
    if not conclude:
        tree.body = [node for node in tree.body if not isinstance(node, ast.Assert)]
    pyplot.switch_backend("agg")
    with pyplot.rc_context():
        exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), {"__name__": "__main__"})
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.every_variant
@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_conclusion_holds_on_small_settings(path, monkeypatch):
    run(path, SMALL[path.stem], monkeypatch)


def cifar10():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 32, 32, 3)).astype("uint8")
    return (images, np.arange(300)[:, None] % 10), None


def cats_and_dogs(folder):
    """Noise in the folders of the real archive, one file of it damaged."""
    rng = np.random.default_rng(0)
    for animal in ("Cat", "Dog"):
        (folder / "PetImages" / animal).mkdir(parents=True)
        for number in range(150):
            path = folder / "PetImages" / animal / f"{number}.jpg"
            keras.utils.save_img(path, rng.integers(0, 256, (20, 30, 3)), scale=False)
    path.write_bytes(b"damaged")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not SOURCES, reason="the sources are not here")
@pytest.mark.parametrize("dataset", ["cifar10", "cats_vs_dogs"])
def test_very_little_data_takes_photographs_by_one_constant(dataset, monkeypatch, tmp_path):
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", cifar10)
    monkeypatch.setattr(keras.utils, "get_file", lambda **_: str(cats_and_dogs(tmp_path)))
    small = {"DATASET": dataset, "PER_CLASS": {dataset: (4,)}, "STEPS": 5, "SEEDS": (0,)}
    run(EXAMPLES / "5_very_little_data.py", small, monkeypatch, conclude=False)


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
    printed = "".join("".join(out.get("text", "")) for cell in cells for out in cell["outputs"])
    assert "WARNING" not in printed
    assert any(
        "image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"]
    )


@pytest.mark.skipif(not LECTURE.exists(), reason="the documentation is not here")
def test_lecture_names_sections_and_figures_that_are_there():
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in LECTURE.read_text(encoding="utf-8").splitlines()
        if re.match(r"\|[^|]*\| \d, ", line)
    ]
    assert len(rows) > 40
    for _, place, figure, _ in rows:
        number, section = re.fullmatch(r'(\d), "(.+)"', place).groups()
        (path,) = EXAMPLES.glob(f"{number}_*.ipynb")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        prose = "".join("".join(c["source"]) + "\n" for c in cells if c["cell_type"] == "markdown")
        assert f"\n## {section}\n" in f"\n{prose}".replace('"', ""), place
        pictures = sum(
            "image/png" in o.get("data", {}) for c in cells for o in c.get("outputs", [])
        )
        assert not figure or 1 <= int(figure) <= pictures, place
