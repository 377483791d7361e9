"""How right the doctor is: injected faults, healthy look-alikes, and what it says of them.

    python benchmarks/diagnosis_accuracy.py record --half choose --jobs 2
    python benchmarks/diagnosis_accuracy.py judge --half choose
    python benchmarks/diagnosis_accuracy.py treat --half choose --jobs 2
    python benchmarks/diagnosis_accuracy.py page

`record` trains networks on the data sets that come with scikit-learn and keeps what the doctor was
given; `judge` holds the rules of today against it, without training; `treat` fits the treated
model of each sick run; `page` writes docs/diagnosis-accuracy.md from what `judge` and `treat`
found. Thresholds are chosen on the half `choose`; look at the half `frozen` when they stand.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from _accuracy.cases import HALVES
from _accuracy.judging import Verdict
from _accuracy.page import details, healed_of, page, summary
from _accuracy.stages import (
    IncompleteError,
    chosen,
    judge_all,
    read_results,
    record_all,
    treat_all,
    treated_row,
    write_results,
)

CACHE = Path(tempfile.gettempdir()) / "kerastricks-diagnosis-accuracy"
PAGE = Path(__file__).parent.parent / "docs" / "diagnosis-accuracy.md"


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    stages = parser.add_subparsers(dest="stage", required=True)
    for name, text in (
        ("record", "train, and keep what the doctor was given"),
        ("judge", "hold the rules against the records"),
        ("treat", "fit the treated models of the sick runs"),
        ("page", "write the page"),
    ):
        stage = stages.add_parser(name, help=text, description=text)
        stage.add_argument("--cache", type=Path, default=CACHE, help="default: %(default)s")
        if name == "page":
            stage.add_argument("--output", type=Path, default=PAGE, help="file to write")
            continue
        stage.add_argument("--half", choices=HALVES, required=True)
        stage.add_argument(
            "--only", nargs="+", default=(), help="runs whose names contain one of these, and twins"
        )
        if name != "judge":
            stage.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
            stage.add_argument("--anew", action="store_true", help="do not keep earlier results")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one stage.

    Returns:
        0, or 2 when an earlier stage is missing.
    """
    options = parser().parse_args(arguments)
    try:
        STAGES[options.stage](options)
    except IncompleteError as missing:
        print(missing, file=sys.stderr)
        return 2
    return 0


def _record(options: argparse.Namespace) -> None:
    cases = chosen(options.half, options.only)
    record_all(options.cache, cases, options.jobs, anew=options.anew)


def _judge(options: argparse.Namespace) -> None:
    verdicts = judge_all(options.cache, chosen(options.half, options.only))
    path = options.cache / f"verdicts-{options.half}.json"
    write_results(path, "verdicts", (verdict.to_dict() for verdict in verdicts))
    print(f"{summary(verdicts)}\n\n{details(verdicts)}\nWritten: {path}")


def _treat(options: argparse.Namespace) -> None:
    cases = chosen(options.half, options.only)
    judged = read_results(options.cache / f"verdicts-{options.half}.json")
    if judged is None:
        raise IncompleteError(f"{options.half!r} has not been judged; run the stage `judge` first")
    verdicts = [Verdict.from_dict(row) for row in judged["verdicts"]]
    results = treat_all(options.cache, verdicts, cases, options.jobs, anew=options.anew)
    rows = [treated_row(result) for result in results]
    write_results(options.cache / f"treated-{options.half}.json", "treated", rows)
    print(f"healed {healed_of(rows)}")


def _page(options: argparse.Namespace) -> None:
    halves = {}
    for half in HALVES:
        judged = read_results(options.cache / f"verdicts-{half}.json")
        if judged is None:
            continue
        treated = read_results(options.cache / f"treated-{half}.json")
        verdicts = [Verdict.from_dict(row) for row in judged["verdicts"]]
        origin = f"Keras {judged['keras']} on {judged['backend']}"
        halves[half] = (verdicts, treated and treated["treated"], origin)
    if not halves:
        raise IncompleteError(f"nothing was judged in {options.cache}; run the stage `judge` first")
    options.output.write_text(page(halves), encoding="utf-8")
    print(f"Written: {options.output}")


STAGES = {"record": _record, "judge": _judge, "treat": _treat, "page": _page}

if __name__ == "__main__":
    sys.exit(main())
