"""Run the code of docs/conditions/ and keep what the doctor printed, and its pictures.

python tools/draw_conditions.py [CONDITION ...]

The code on a page trains a sick network, `sick`, and a healthy one, `healthy`. The doctor has to
name the condition on the one, and to find nothing on the other. What it printed about the condition
goes into the page's first block of text, what later code printed into the next one.
"""

import io
import os
import re
import sys
import textwrap
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import keras  # noqa: E402
from _accuracy.recording import Keeper  # noqa: E402
from cause_graph import cause_graph  # noqa: E402
from condition_pictures import PICTURES  # noqa: E402

import kerastricks as kt  # noqa: E402
from kerastricks.diagnosis.drawing import svg  # noqa: E402
from kerastricks.diagnosis.observation import Observation  # noqa: E402

PAGES = ROOT / "docs" / "conditions"
IMAGES = ROOT / "docs" / "images" / "conditions"
MOST_BYTES = 150_000
WIDTH = 100
"""Characters in a line of what was printed."""
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass
class Run:
    """What came of a page's code.

    Attributes:
        condition: The condition that the page is about.
        names: What the code has defined.
        printed: What each block of code printed.
        sick: Observations of the sick network's training, oldest first.
        healthy: The same of the healthy one.
    """

    condition: str
    names: dict[str, Any] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    sick: list[Observation] = field(default_factory=list)
    healthy: list[Observation] = field(default_factory=list)


def run(condition: str, page: str) -> Run:
    """Run a page's code, with doctors that keep what they see.

    Args:
        condition: The condition that the page is about.
        page: The text of the page.

    Raises:
        RuntimeError: If the doctor is wrong about one of the two networks.
    """
    ran = Run(condition)
    seen: list[list[Any]] = []

    class TrainingDoctor(kt.callbacks.TrainingDoctor):  # its name is printed
        def __init__(self, **options: Any):
            seen.append([])
            self.kept = seen[-1]
            super().__init__(**options)

        def _new_examination(self) -> Any:
            return Keeper(self.kept)

    keras.backend.clear_session()
    with (
        patch.object(kt.callbacks, "TrainingDoctor", TrainingDoctor),
        patch.dict(os.environ, COLUMNS=str(WIDTH)),
    ):
        for language, code in BLOCK.findall(page):
            if language == "python":
                out = io.StringIO()
                with redirect_stdout(out):
                    exec(compile(code, f"{condition}.md", "exec"), ran.names)
                ran.printed.append(out.getvalue())
    ran.sick, ran.healthy = (
        [each[0] for name, each, _ in events if name in ("add", "note")] for events in seen[:2]
    )
    named = [finding.condition for finding in ran.names["report"].findings]
    if condition not in named:
        raise RuntimeError(f"Not named: {condition}. Found: {named}")
    if ran.names["clean"].findings:
        raise RuntimeError(f"Something found on the healthy network: {ran.names['clean']}")
    return ran


def told(condition: str, printed: str) -> str:
    """What was printed about a condition, as the doctor prints or a report lists it."""
    paragraphs = re.split(r"\n\n|\n(?=\d+\. )", printed.strip())
    start = re.compile(rf"(TrainingDoctor:|\d+\.) {condition} \(")
    found = next(each for each in paragraphs if start.match(each))
    return "\n".join(
        textwrap.fill(line, WIDTH, subsequent_indent="  " + " " * (len(line) - len(line.lstrip())))
        for line in found.splitlines()
    )


def filled(ran: Run, page: str) -> str:
    """The page with what was printed in its blocks of text."""
    later = "\n".join(line.rstrip() for line in "".join(ran.printed[1:]).strip().splitlines())
    texts = iter([told(ran.condition, ran.printed[0]), later])

    def replaced(match: re.Match[str]) -> str:
        return match[0] if match[1] == "python" else f"```text\n{next(texts)}\n```"

    return BLOCK.sub(replaced, page)


def standalone(drawn: str) -> str:
    """A report's picture as a file of its own, on white, whatever page it lies on."""
    own = drawn.replace("<style>.kerastricks svg *{", '<style type="text/css">*{')
    return own.replace("<svg ", '<svg style="background:#fff" ', 1)


def write_picture(name: str, draw: Any, width: float, height: float) -> None:
    """Draw a picture into docs/images/conditions.

    Args:
        name: Its name, without an ending.
        draw: What draws on a figure and its axes.
        width: Inches.
        height: Inches.

    Raises:
        RuntimeError: If the file is too large for a page.
    """
    text = standalone(svg(draw, width=width, height=height))
    if len(text) > MOST_BYTES:
        raise RuntimeError(f"{name}.svg has {len(text)} bytes")
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / f"{name}.svg").write_text(text, encoding="utf-8")


def main(conditions: list[str]) -> None:
    """Renew the pages of these conditions, or of all."""
    for condition in conditions or kt.diagnosis.CONDITIONS:
        path = PAGES / f"{condition}.md"
        page = path.read_text(encoding="utf-8")
        ran = run(condition, page)
        path.write_text(filled(ran, page), encoding="utf-8")
        write_picture(condition, partial(PICTURES[condition], ran), 9.0, 3.2)
        print(condition)
    write_picture("causes", cause_graph, 9.0, 6.0)


if __name__ == "__main__":
    main(sys.argv[1:])
