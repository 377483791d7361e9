"""Each trick has its page, each page its sections and experiments, and the experiments run."""

import importlib.util
import inspect
import json
import re
import sys
from pathlib import Path

import keras
import pytest

import kerastricks as kt

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "tricks"
EXPERIMENTS = ROOT / "benchmarks" / "tricks"
if not PAGES.is_dir():
    pytest.skip("not beside an installed wheel", allow_module_level=True)

SECTIONS = ["When", "When not", "Formula", "In code", "The paper's number and ours", "See also"]
# These compute nothing of their own: what stands in the place of a formula.
INSTEAD_OF_FORMULA = {"replace_layers": "Rules"}

# The augmentations that papers are about; geometry and colors have a page for all of them.
NAMED_AUGMENTATIONS = [
    "AugMix",
    "AutoAugment",
    "CutMix",
    "MixUp",
    "RandAugment",
    "RandomElastic",
    "RandomErasing",
    "RandomResizedCrop",
    "TrivialAugment",
]


def page_of(name):
    """The snake_case of a public name: LeakyReLU is leaky_relu, DropBlock2D is drop_block_2d."""
    name = name.replace("ReLU", "Relu")
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


TRICKS = [
    *kt.layers.__all__,
    *kt.initializers.__all__,
    *(name for name in kt.surgery.__all__ if inspect.isfunction(getattr(kt.surgery, name))),
    *NAMED_AUGMENTATIONS,
    "FusedPipeline",
    "geometric",
    "photometric",
]
FOUND = sorted(path for path in PAGES.glob("*.md") if path.stem != "index")
MODULES = sorted(path for path in EXPERIMENTS.glob("*.py") if not path.stem.startswith("_"))


def named(value):
    return value.stem if isinstance(value, Path) else value


def text_of(path):
    return path.read_text(encoding="utf-8")


def test_page_names():
    names = ["PReLU", "LeakyReLU", "DropBlock2D", "LeCun", "MixUp", "fold_batch_norm"]
    expected = ["p_relu", "leaky_relu", "drop_block_2d", "le_cun", "mix_up", "fold_batch_norm"]
    assert [page_of(name) for name in names] == expected


@pytest.mark.every_variant
@pytest.mark.parametrize("name", TRICKS)
def test_each_trick_has_a_page_that_the_index_links(name):
    page = page_of(name)
    assert (PAGES / f"{page}.md").is_file()
    assert f"({page}.md)" in text_of(PAGES / "index.md")


@pytest.mark.every_variant
@pytest.mark.parametrize("path", FOUND, ids=named)
def test_page_has_its_sections(path):
    text = text_of(path)
    assert f"({path.name})" in text_of(PAGES / "index.md")
    assert text.startswith("# ")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    instead = INSTEAD_OF_FORMULA.get(path.stem, "Formula")
    sections = [instead if section == "Formula" else section for section in SECTIONS]
    assert re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)[1:] == sections
    code = text.partition("## In code")[2].partition("\n## ")[0]
    assert "```python\n" in code
    told = text.partition(f"## {instead}\n")[2].partition("\n## ")[0]
    assert ("$" in told) == (instead == "Formula")


@pytest.mark.every_variant
@pytest.mark.parametrize("path", FOUND, ids=named)
def test_commands_and_links_of_a_page_lead_somewhere(path):
    text = text_of(path)
    commands = re.findall(r"python (benchmarks/\S+?\.py)", text)
    assert all((ROOT / command).is_file() for command in commands)
    links = re.findall(r"\]\(((?:\.\./)*[\w/.-]+)\)", text)
    # Pages of the other rooms of the documentation are checked with the whole site.
    checked = [link for link in links if "/" not in link or "benchmarks/" in link]
    checked += [link for link in links if "examples/" in link]
    assert [link for link in checked if not (path.parent / link).is_file()] == []


def test_each_experiment_is_quoted_by_a_page():
    quoted = "".join(text_of(path) for path in FOUND)
    unused = [path.name for path in MODULES if f"benchmarks/tricks/{path.name}" not in quoted]
    assert unused == []


def seen_in(number):
    """Code and output of a notebook."""
    (path,) = (ROOT / "examples").glob(f"{number}_*.ipynb")
    cells = json.loads(text_of(path))["cells"]
    printed = [out.get("text", []) for cell in cells for out in cell.get("outputs", [])]
    return "".join(line for lines in (*(c["source"] for c in cells), *printed) for line in lines)


def test_numbers_of_a_notebook_are_those_that_it_printed():
    checked = 0
    for path in FOUND:
        for row, notebook in re.findall(r"^(\| ours.*\(notebook (\d).*)$", text_of(path), re.M):
            seen = seen_in(notebook)
            for number in re.findall(r"(?<![\w.])\d+\.\d+(?:e-\d+)?", row):
                # What was printed as a share may be quoted in percent.
                share = f"{float(number) / 100:.3f}" if float(number) >= 0.5 else number
                told = rf"(?<![\d.])({re.escape(number)}|{re.escape(share)})(?!\d)"
                assert re.search(told, seen), f"{path.name}: {number}"
                checked += 1
    assert checked > 30


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("path", MODULES, ids=named)
def test_experiment_runs_on_tiny_settings(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [str(EXPERIMENTS), *sys.path])
    spec = importlib.util.spec_from_file_location(f"tricks_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if "quick" not in inspect.signature(module.main).parameters:
        pytest.skip("prints no table")
    module.main(quick=True)
    assert "| " in capsys.readouterr().out
    keras.backend.clear_session()
