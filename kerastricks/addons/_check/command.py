"""`python -m kerastricks.addons check`: the files, the report, the exit status."""

import argparse
import difflib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from kerastricks._printable import printable
from kerastricks.addons._check.program import Program, examined, read
from kerastricks.addons._check.use import Use

SUFFIXES = {".py", ".ipynb"}


def check(options: argparse.Namespace) -> int:
    """Lists what is used; with `--write` rewrites the safe imports first.

    Returns:
        0 when nothing is to be done, 1 when something is.
    """
    uses: list[Use] = []
    failed: list[dict[str, str]] = []
    written: list[str] = []
    differences: list[str] = []
    for path in files(options.sources):
        try:
            program = read(path)
            if options.write and program.after != program.before:
                path.write_bytes(program.after)
                written.append(str(path))
                differences.append(difference(str(path), program))
                program = examined(str(path), program.after)
        except (OSError, ValueError) as error:
            failed.append({"path": str(path), "error": str(error)})
            continue
        uses += program.uses
        failed += [{"path": str(path), "error": error} for error in program.failed]
    if options.format == "json":
        report = {"uses": [use.to_dict() for use in uses], "failed": failed, "written": written}
        report["diff"] = differences
        print(json.dumps(report, indent=2))
    else:
        _print(uses, failed, written, differences)
    return 1 if uses or failed else 0


def files(sources: list[Path]) -> Iterator[Path]:
    """The programs and notebooks: files as given, folders with all that is in them.

    Links in folders are passed by: what they lead to lies elsewhere, or is met there. So are
    pipes, whose end may never come.
    """
    for source in sources:
        if source.is_file():
            yield source
            continue
        for folder, inside, names in os.walk(source):
            inside[:] = sorted(
                name
                for name in inside
                if not name.startswith((".", "__pycache__"))
                and not (Path(folder) / name / "pyvenv.cfg").exists()
            )
            paths = (Path(folder) / n for n in sorted(names) if Path(n).suffix in SUFFIXES)
            yield from (path for path in paths if path.is_file() and not path.is_symlink())


def difference(path: str, program: Program) -> str:
    """What was rewritten, as a unified diff."""
    before, after = (
        data.decode("utf-8", "replace").splitlines(keepends=True)
        for data in (program.before, program.after)
    )
    name = printable(path)
    lines = difflib.unified_diff(before, after, name, name, n=0)
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _print(
    uses: list[Use], failed: list[dict[str, str]], written: list[str], differences: list[str]
) -> None:
    for text in differences:
        print(printable(text.replace("\r\n", "\n"), keep="\n\t"), end="")
    for use in uses:
        print(printable(use.sentence()))
    for failure in failed:
        print(printable(f"{failure['path']}: cannot be parsed: {failure['error']}"))
    counts = {kind: sum(use.kind == kind for use in uses) for kind in ("here", "keras")}
    rest = len(uses) - sum(counts.values())
    if uses:
        print(
            f"{len(uses)} uses: {counts['here']} are in kerastricks.addons, {counts['keras']} in "
            f"Keras, {rest} in neither."
        )
    elif not failed:
        print("No use of tensorflow_addons is left." if written else "Nothing to do.")
