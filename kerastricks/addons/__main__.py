"""`python -m kerastricks.addons`: what to change in programs that use TensorFlow Addons."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kerastricks.addons._fates import markdown


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m kerastricks.addons",
        description="Moves programs from TensorFlow Addons to kerastricks.addons.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="list each use of TensorFlow Addons, and what to write instead",
        description=(
            "Lists each use of tensorflow_addons in programs and notebooks, by whatever name it "
            "is imported, and what to write instead. What is reached by getattr, importlib or "
            "text is not seen."
        ),
        epilog=(
            "Exit status: 0 when there is nothing to do, 1 when something is left (a use, a file "
            "that cannot be parsed), 2 for unusable arguments."
        ),
    )
    check.add_argument("sources", nargs="+", type=_source, metavar="SOURCE", help="file or folder")
    check.add_argument("--format", choices=("text", "json"), default="text")
    check.add_argument(
        "--write",
        action="store_true",
        help="rewrite the imports that need no other change, in programs; shows the difference",
    )
    check.set_defaults(run=_check)
    table = commands.add_parser("table", help="print what became of each name, as Markdown")
    table.set_defaults(run=_table)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        status: int = options.run(options)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "libcst":
            raise
        command.error("check needs libcst. Run: pip install 'kerastricks[addons]'")
    return status


def _source(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text} does not exist")
    return path


def _check(options: argparse.Namespace) -> int:
    from kerastricks.addons._check import check

    return check(options)


def _table(options: argparse.Namespace) -> int:
    print(markdown(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
