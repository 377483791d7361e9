"""The parts of `tools/draw_readme.py` that need neither a browser nor a training."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
if not (ROOT / "tools").is_dir():
    pytest.skip("not beside an installed wheel", allow_module_level=True)

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def drawing():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module("draw_readme")
    finally:
        sys.path.remove(str(ROOT / "tools"))


def test_without_a_browser_it_is_said_what_is_missing(drawing, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=r"chromium, .* is on PATH"):
        drawing.browser()


def test_rows_below_a_page_are_cut_off(drawing):
    page = Image.new("RGB", (20, 100), "white")
    page.paste("black", (5, 4, 15, 30))
    assert drawing.without_empty_rows(page).size == (20, 34)  # 4 above, 4 below
    assert drawing.without_empty_rows(Image.new("RGB", (20, 10))).size == (20, 10)


def test_the_program_of_the_start_ends_with_its_report(drawing):
    page = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
    code = drawing.program(page, '.to_html("report.html")')
    compile(code, "start.md", "exec")
    assert "model.fit(" in code
    assert "kt.surgery.treat" not in code
    with pytest.raises(ValueError, match="nowhere"):
        drawing.program(page, "nowhere")


def test_the_network_that_is_shown_is_one_of_the_demo(drawing):
    assert drawing.SICK in [case.name for case in drawing.demo.CASES]
