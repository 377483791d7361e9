"""The stages over many cases: each result is a file, made once, by several processes."""

import json
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import keras

from _accuracy.cases import Case, cases
from _accuracy.faults import FAULTS
from _accuracy.judging import Verdict, judged
from _accuracy.recording import Recorded, path_of, record, stored
from _accuracy.treating import Treated, treated

RUNS_A_PROCESS = 40
"""Runs after which a process is replaced, so that memory does not pile up."""


THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
"""Set to 1 in these processes: networks so small run fastest on one thread."""


class IncompleteError(Exception):
    """A stage needs files that an earlier one has not written."""


def chosen(half: str, only: Iterable[str] = ()) -> list[Case]:
    """Cases of a half whose names contain one of the texts, with their twins; all without any."""
    wanted, every = tuple(only), cases(half)
    if not wanted:
        return list(every)
    names = {case.name for case in every if any(text in case.name for text in wanted)}
    names |= {case.twin for case in every if case.name in names}
    return [case for case in every if case.name in names]


def record_all(cache: Path, chosen_cases: list[Case], jobs: int, *, anew: bool) -> None:
    """Record what has not been recorded yet."""
    _run(partial(_record_one, cache, anew), chosen_cases, jobs)


def judge_all(cache: Path, chosen_cases: list[Case]) -> list[Verdict]:
    """Judge all records."""
    return [judged(_read(cache, case), _read_twin(cache, case).measured) for case in chosen_cases]


def treat_all(
    cache: Path, verdicts: list[Verdict], chosen_cases: list[Case], jobs: int, *, anew: bool
) -> list[Treated]:
    """Treat the sick runs that count, those where another model could help."""
    counted = {v.name for v in verdicts if v.sick and v.counts}
    sick = [c for c in chosen_cases if c.name in counted and FAULTS[c.fault].treatable]
    return _run(partial(_treat_one, cache, anew), sick, jobs)


def write_results(path: Path, key: str, rows: Iterable[dict]) -> None:
    """Write rows as JSON, with what they were computed with."""
    results = {"keras": keras.__version__, "backend": keras.backend.backend(), key: list(rows)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read_results(path: Path) -> dict | None:
    """What `write_results` wrote; None where there is nothing."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def treated_row(result: Treated) -> dict:
    """A treatment in JSON's types."""
    return {
        "name": result.case.name,
        "family": FAULTS[result.case.fault].family,
        "sick_metric": result.sick_metric,
        "metric": result.metric,
        "twin_metric": result.twin_metric,
        "healed": result.healed,
        "error": result.error,
    }


def _run(work: Callable, chosen_cases: list[Case], jobs: int) -> list:
    """Do the work on each case, telling how far it has come; results in the order of the cases."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    context = multiprocessing.get_context("spawn")
    started, results = time.perf_counter(), {}
    with context.Pool(jobs, maxtasksperchild=RUNS_A_PROCESS) as pool:
        pairs = pool.imap_unordered(partial(_with_case, work), chosen_cases)
        for count, (case, result) in enumerate(pairs, 1):
            results[case.name] = result
            aside = f"  {result.error}" if result.error else ""
            elapsed = time.perf_counter() - started
            print(
                f"[{count:3}/{len(chosen_cases)} {elapsed:4.0f} s] {case.name} "
                f"{result.seconds:.1f} s{aside}",
                flush=True,
            )
    return [results[case.name] for case in chosen_cases]


def _with_case(work: Callable, case: Case) -> tuple[Case, Any]:
    return case, work(case)


def _record_one(cache: Path, anew: bool, case: Case) -> Recorded:
    result = stored(path_of(cache, "records", case), lambda: record(case), case, anew=anew)
    # What comes back through the pipe is only looked at for how it went.
    return Recorded(case, error=result.error, seconds=result.seconds)


def _treat_one(cache: Path, anew: bool, case: Case) -> Treated:
    def make() -> Treated:
        return treated(_read(cache, case), _read_twin(cache, case).measured)

    return stored(path_of(cache, "treated", case), make, case, anew=anew)


def _read(cache: Path, case: Case) -> Recorded:
    path = path_of(cache, "records", case)
    if not path.exists():
        raise IncompleteError(f"{case.name!r} has not been recorded; run the stage `record` first")
    kept = pickle.loads(path.read_bytes())
    if kept.case != case:
        raise IncompleteError(f"{case.name!r} was recorded otherwise; run the stage `record` again")
    return kept


def _read_twin(cache: Path, case: Case) -> Recorded:
    twin = next(each for each in cases(case.half) if each.name == case.twin)
    return _read(cache, twin)
