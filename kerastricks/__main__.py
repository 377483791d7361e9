"""`python -m kerastricks`: the commands."""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastricks._printable import in_one_line
from kerastricks._untrusted import check_archive
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
    demo.set_defaults(run=_demo)
    checkup = commands.add_parser(
        "checkup",
        help="examine a compiled model on one batch, before it is trained",
        description=(
            "Looks for what is wrong from the start: unscaled inputs, targets that the output "
            "cannot reach, a loss that does not fit, a start that loses the signal, units that "
            "are copies of each other. Nothing is trained, and the file is not changed."
        ),
        epilog=(
            "Exit status: 0 when the model is healthy, 1 when it is sick, 2 for unusable files and "
            "for a model of which nothing can be observed."
        ),
    )
    checkup.add_argument("model", metavar="MODEL", help="a .keras file, saved compiled")
    checkup.add_argument(
        "data", metavar="DATA", help="an .npz file with the arrays x (inputs) and y (targets)"
    )
    checkup.add_argument("--json", action="store_true", help="print the report as JSON")
    checkup.set_defaults(run=_checkup)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        status: int = options.run(options)
    except _UsageError as error:
        command.error(in_one_line(error))
    return status


class _UsageError(Exception):
    """Something that the user gave cannot be used."""


def _demo(options: argparse.Namespace) -> int:
    try:
        from kerastricks.demo import demo
    except ModuleNotFoundError as error:
        raise _UsageError(
            f"the demo needs {error.name}. Run: pip install 'kerastricks[demo]'"
        ) from error
    return demo(output=options.output, epochs=options.epochs, seed=options.seed)


def _checkup(options: argparse.Namespace) -> int:
    import keras

    import kerastricks as kt

    x, y = _arrays(options.data)
    try:
        check_archive(options.model)
        with warnings.catch_warnings():
            # That of an optimizer without steps nothing could be loaded is no news.
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(options.model, safe_mode=True)
    except Exception as error:  # Keras raises what it likes
        raise _UsageError(f"{options.model} cannot be opened as a model: {error}") from error
    try:
        report = kt.checkup(model, x, y)
    except Exception as error:
        raise _UsageError(f"the model does not run on this data: {error}") from error
    if not report.observed and not report.sick:
        reasons = "; ".join(f"{place}: {reason}" for place, reason in report.unobserved.items())
        raise _UsageError(f"nothing of this model can be observed: {reasons or 'no reason known'}")
    print(json.dumps(report.to_dict(), indent=2) if options.json else report.summary())
    return 0 if report.healthy else 1


def _arrays(path: str) -> tuple[Any, Any]:
    try:
        # Opened here, since numpy leaves a broken archive open.
        with open(path, "rb") as file, np.load(file) as arrays:
            return arrays["x"], arrays["y"]
    except KeyError as error:
        raise _UsageError(
            f"{path} must hold the arrays x and y. Write it with np.savez(path, x=x, y=y)."
        ) from error
    except Exception as error:  # numpy, zipfile and zlib each raise their own
        raise _UsageError(f"{path} cannot be read as an .npz file: {error}") from error


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
