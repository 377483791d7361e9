"""`python -m kerastricks`: the commands."""

import argparse
import sys
from collections.abc import Sequence

from kerastricks._version import __version__


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m kerastricks",
        description="Tricks that make deep networks train, and a doctor that watches training.",
    )
    top.add_argument("--version", action="version", version=f"kerastricks {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="make two networks sick, let the doctor find it, and make them healthy",
        description=(
            "Trains four networks of the same depth on the 1,797 handwritten digits that ship "
            "with scikit-learn: a deep sigmoid network with a too small start, a deep ReLU "
            "network that loses its units, and a healthy counterpart of each, built from "
            "kerastricks' parts. A TrainingDoctor watches all four. Prints a table and writes "
            "a page with pictures. Takes about a minute on two CPU cores; nothing is downloaded."
        ),
        epilog=(
            "Exit status: 0 when the doctor was right about all four networks, 1 when it was not, "
            "2 for unusable arguments."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument(
        "--output", default="kerastricks-report.html", metavar="FILE", help="where the page goes"
    )
    demo.add_argument(
        "--epochs", type=_positive, default=15, metavar="N", help="passes over the data"
    )
    demo.add_argument("--seed", type=_seed, default=0, metavar="N", help="seed of all randomness")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        from kerastricks.demo import demo
    except ModuleNotFoundError as error:
        command.error(f"the demo needs {error.name}. Run: pip install 'kerastricks[demo]'")
    return demo(output=options.output, epochs=options.epochs, seed=options.seed)


def _positive(text: str) -> int:
    return _whole(text, 1, 10**6)


def _seed(text: str) -> int:
    return _whole(text, 0, 2**31 - 1)


def _whole(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"a whole number from {low} to {high}, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
