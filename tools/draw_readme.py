"""Make the pictures anew with which README.md, docs/index, docs/start and docs/augmentation begin.

python tools/draw_readme.py [demo] [start] [augmentation]

Those of the first two are of reports that `kerastricks.demo` and the program of docs/start.md
write; headless Chromium takes them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import keras
import matplotlib
import numpy as np
from draw_conditions import BLOCK, standalone
from PIL import Image, ImageChops
from sklearn.datasets import load_sample_image

import kerastricks as kt
from kerastricks import demo
from kerastricks.__main__ import main as command_line
from kerastricks.diagnosis.figures import units_over_time
from kerastricks.diagnosis.page import Section, write_page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120
WIDTH, TALLEST = 1080, 4000
"""Pixels of the browser's window; what is empty below the page is cut off."""
SICK = "Sick: ReLU, steps too large"
"""The network of the demo that README.md and docs/index.md show."""
LEFT_OUT_OF_DEMO = ".pair, .caption, figure.wide ~ figure"
"""Elements of the report that the picture leaves out: all figures but that of the units."""
LEFT_OUT_OF_START = ".caption, .pair ~ figure"
"""All figures behind those of the layers."""
PHOTOGRAPH = 192, 128
"""Its width and height in the sheet of augmentations, pixels."""
GAP = 2
ROWS = (
    (
        kt.augment.RandomFlip("horizontal"),
        kt.augment.RandomRotation(degrees=20),
        kt.augment.RandomZoom(scale=(0.8, 1.25)),
        kt.augment.RandomPerspective(0.3),
    ),
    (
        kt.augment.RandomBrightness(0.3),
        kt.augment.RandomContrast(0.4),
        kt.augment.RandomSaturation(0.5),
        kt.augment.RandomHue(0.1),
    ),
    (kt.augment.RandAugment(magnitude=0.5),),
    (kt.augment.RandomElastic(displacement=0.06), kt.augment.RandomErasing()),
)
"""The pipelines of the sheet, as docs/augmentation.md names them below it."""


def browser() -> str:
    """The browser that takes the pictures.

    Raises:
        FileNotFoundError: If there is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise FileNotFoundError(
            f"Chromium takes the pictures of reports, and none of {', '.join(BROWSERS)} is on PATH."
            " Install it, or draw `augmentation` alone."
        )
    return found


def take_picture(page: Path, left_out: str, target: Path) -> None:
    """Take a picture of a report of one run, without its title.

    Args:
        page: The HTML file; it is changed.
        left_out: Selectors of what else is left out.
        target: The PNG file.

    Raises:
        FileNotFoundError: If there is no browser.
        RuntimeError: If the browser takes none.
    """
    style = (
        "main {padding: 12px} main.kerastricks section {margin: 0}"
        f"h1, h1 ~ p, {left_out} {{display: none !important}}"
    )
    html = page.read_text(encoding="utf-8")
    page.write_text(html.replace("</head>", f"<style>{style}</style></head>"), encoding="utf-8")
    taken = page.with_suffix(".png")
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--window-size={WIDTH},{TALLEST}", f"--screenshot={taken}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if not taken.exists():
        raise RuntimeError(f"{command[0]} took no picture of {page}:\n{done.stderr}")
    with Image.open(taken) as picture:
        cut = without_empty_rows(picture.convert("RGB"))
    cut.save(target, optimize=True)


def without_empty_rows(picture: Image.Image) -> Image.Image:
    """A page without the rows below it, as much of them left as there are above it."""
    empty = Image.new("RGB", picture.size, picture.getpixel((0, picture.height - 1)))
    box = ImageChops.difference(picture, empty).getbbox()
    if box is None:
        return picture
    return picture.crop((0, 0, picture.width, min(box[3] + box[1], picture.height)))


def draw_demo() -> None:
    """Draw the demo's network whose units die: its report, and the picture of its units."""
    seen: list[Section] = []

    def keep(path: str, title: str, sections: list[Section], **parts: object) -> None:
        del path, title, parts
        seen.extend(sections)

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        with patch.object(demo, "write_page", keep):
            if command_line(["demo", "--output", str(page)]) != 0:
                raise RuntimeError("The doctor was wrong about a network of the demo.")
        (sick,) = (section for section in seen if section.title == SICK)
        write_page(page, "Demo", [sick])
        take_picture(page, LEFT_OUT_OF_DEMO, IMAGES / "readme" / "report.png")
    units = standalone(units_over_time(sick.report.timeline))
    (IMAGES / "dying-units.svg").write_text(units, encoding="utf-8")


def program(page: str, last: str) -> str:
    """A page's program, up to the block that has a certain call in it.

    Args:
        page: The page's text.
        last: What the last block contains.

    Raises:
        ValueError: If no block contains it.
    """
    blocks = [code for language, code in BLOCK.findall(page) if language == "python"]
    for end, code in enumerate(blocks, 1):
        if last in code:
            return "\n".join(blocks[:end])
    raise ValueError(f"No program of the page has {last!r} in it.")


def draw_start() -> None:
    """Draw the report that the program of docs/start.md writes."""
    code = program((DOCS / "start.md").read_text(encoding="utf-8"), '.to_html("report.html")')
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        exec(compile(code, "start.md", "exec"), {"__name__": "__main__"})
        page = Path(folder) / "report.html"
        take_picture(page, LEFT_OUT_OF_START, IMAGES / "readme" / "start-report.png")


def draw_augmentation() -> None:
    """Draw a photograph and its augmentations, a row for each pipeline."""
    photograph = Image.fromarray(load_sample_image("china.jpg")).resize(PHOTOGRAPH)
    image = np.asarray(photograph)
    rows = [kt.augment.Pipeline(row, seed=0).preview(image, draws=3) for row in ROWS]
    height = sum(row.height + GAP for row in rows) - GAP
    sheet = Image.new("RGB", (rows[0].width, height), "white")
    for number, row in enumerate(rows):
        sheet.paste(row, (0, number * (row.height + GAP)))
    sheet.save(IMAGES / "augmentation.jpg", quality=90, optimize=True)


PICTURES: dict[str, Callable[[], None]] = {
    "demo": draw_demo,
    "start": draw_start,
    "augmentation": draw_augmentation,
}


def main(names: list[str]) -> None:
    """Draw the pictures of these names, or all."""
    if unknown := sorted({*names} - {*PICTURES}):
        sys.exit(f"No pictures are called {', '.join(unknown)}. There are: {', '.join(PICTURES)}")
    os.environ["COLUMNS"] = "100"
    matplotlib.use("Agg")
    for name in names or PICTURES:
        keras.backend.clear_session()  # layers are counted anew, as in a program of its own
        PICTURES[name]()
        print(name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
