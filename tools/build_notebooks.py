"""Run the percent-format sources in examples/ and keep them as notebooks with their pictures.

python tools/build_notebooks.py [SOURCE.py ...]
"""

import os
import re
import sys
from pathlib import Path
from time import perf_counter

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
MOST_BYTES = 500_000
SECONDS_PER_CELL = 600
# What jupytext or the kernel add of this machine is left out: a notebook changes only when its
# source or its results do.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def build(source: Path) -> Path:
    """Run one source and write the notebook beside it.

    Args:
        source: A percent-format Python file.

    Returns:
        The notebook's path.

    Raises:
        ValueError: If the notebook warns, names a path of this machine, or is too large.
        nbclient.exceptions.CellExecutionError: If a cell raises; then no notebook is written.
    """
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.source = cell.source.strip("\n")
    NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(source.parent)}},
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        _clean(cell, source)
    text = nbformat.writes(notebook, version=4) + "\n"
    for place in (str(ROOT), str(Path.home()), sys.prefix):
        if f"{place}/" in text:
            raise ValueError(f"{source.name} shows a path of this machine, below {place}.")
    if len(text) > MOST_BYTES:
        raise ValueError(
            f"{source.name} becomes {len(text)} bytes, more than {MOST_BYTES}. Draw fewer points, "
            "or smaller figures."
        )
    target = source.with_suffix(".ipynb")
    target.write_text(text, encoding="utf-8")
    return target


def _clean(cell: nbformat.NotebookNode, source: Path) -> None:
    cell.metadata = nbformat.from_dict(
        {key: value for key, value in cell.metadata.items() if key == "tags"}
    )
    for output in cell.get("outputs", []):
        # Python's, and TensorFlow's own, which it prints in a notebook.
        sign = {"stderr": r"\w*Warning: ", "stdout": r"^WARNING:"}.get(output.get("name"))
        if sign and re.search(sign, output.text, re.MULTILINE):
            raise ValueError(f"{source.name} warns:\n{output.text}")
        if "metadata" in output:
            output.metadata = nbformat.from_dict({})
    # What is left there are TensorFlow's notices, with the time and the process in them.
    if cell.cell_type == "code":
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]


def main(arguments: list[str]) -> None:
    """Build the sources named, or all of them."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sources = [Path(argument).resolve() for argument in arguments] or sorted(EXAMPLES.glob("*.py"))
    for source in sources:
        started = perf_counter()
        target = build(source)
        seconds, size = perf_counter() - started, target.stat().st_size
        print(f"{target.name}: {seconds:.0f} seconds, {size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
