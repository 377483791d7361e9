"""The page: what was measured, and every miss, as Markdown."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from _accuracy import states
from _accuracy.faults import FAULTS
from _accuracy.judging import Verdict
from _accuracy.scoring import (
    TARGETS,
    Share,
    by_condition,
    by_family,
    confusions,
    false_alarms,
    misses,
    scores,
    share,
    wrong_firsts,
)

INTRODUCTION = Path(__file__).with_name("introduction.md")
"""How the page begins; what is in braces is filled in."""


def page(halves: dict[str, tuple[list[Verdict], list[dict] | None, str]]) -> str:
    """The page.

    Args:
        halves: By name of the half: its verdicts, its treatments where there are such, and what
            they were computed with.
    """
    introduction = INTRODUCTION.read_text(encoding="utf-8")
    limits = {"points": 100 * states.HARM, "rise": states.RISE}
    parts = [introduction.format(**limits), _headline(halves)]
    for name, (verdicts, treatments, _) in halves.items():
        parts.append(_half(name, verdicts, treatments))
    parts.append(_states())
    return "\n".join(parts)


def summary(verdicts: Sequence[Verdict]) -> str:
    """The headline numbers of one half as text."""
    counted = scores(verdicts)
    lines = [
        f"recall        {counted.recall}  target {TARGETS['recall']}",
        f"right first   {counted.right_first}  target {TARGETS['right_first']}",
        f"any finding   {counted.alarmed}",
        f"false alarms  {counted.false_alarms}  target at most {TARGETS['false_alarms']}",
        f"set aside     {counted.set_aside.total} sick runs whose fault did not take",
        f"not healthy   {counted.not_healthy} healthy runs, by measurement",
        f"rules failed  in {sum(bool(rule_failures(v)) for v in verdicts)} runs",
    ]
    return "\n".join(lines)


def rule_failures(verdict: Verdict) -> dict[str, str]:
    """Rules that broke in judging a run."""
    return {place: why for place, why in verdict.failures.items() if place.startswith("rule ")}


def details(verdicts: Sequence[Verdict]) -> str:
    """Every miss, wrong first cause, false alarm and run set aside, as lists."""
    sections = (
        ("Misses", [_sick_line(v) for v in misses(verdicts)]),
        ("Another cause first", [_sick_line(v) for v in wrong_firsts(verdicts)]),
        ("False alarms", [_healthy_line(v) for v in false_alarms(verdicts)]),
        (
            "Faults that did not take",
            [_sick_line(v) for v in verdicts if v.sick and not v.counts],
        ),
        (
            "Healthy runs that are not, by measurement",
            [_healthy_line(v) for v in verdicts if not v.sick and not v.counts],
        ),
    )
    return "\n".join(
        f"#### {title} ({len(lines)})\n\n" + ("\n".join(lines) or "None.") + "\n"
        for title, lines in sections
    )


def healed_of(treatments: Iterable[dict]) -> Share:
    """Treated runs that reach their twin."""
    return share(row["healed"] for row in treatments)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [head, *rows]]
    lines.insert(1, "|" + "---|" * len(head))
    return "\n".join(lines) + "\n"


def _headline(halves: dict[str, tuple[list[Verdict], list[dict] | None, str]]) -> str:
    rows = []
    for name, (verdicts, treatments, _) in halves.items():
        counted = scores(verdicts)
        healed = "not run" if treatments is None else str(healed_of(treatments))
        rows.append(
            (
                name,
                str(counted.recall),
                str(counted.right_first),
                str(counted.false_alarms),
                healed,
            )
        )
    targets = (
        "target",
        f"at least {TARGETS['recall']}",
        f"at least {TARGETS['right_first']}",
        f"at most {TARGETS['false_alarms']}",
        f"at least {TARGETS['treated']}",
    )
    head = ("half", "recall", "right first", "false alarms", "healed by `treat`")
    origins = "; ".join(f"{name}: {origin}" for name, (_, _, origin) in halves.items())
    return f"{_table(head, [*rows, targets])}\nComputed with {origins}.\n"


def _half(name: str, verdicts: list[Verdict], treatments: list[dict] | None) -> str:
    counted = scores(verdicts)
    parts = [
        f"## The half `{name}`\n",
        f"{counted.recall.total} sick runs and {counted.false_alarms.total} healthy ones count; "
        f"{counted.set_aside.total} sick ones are set aside because the fault did not take, "
        f"{counted.set_aside.count} of them with a finding, and {counted.not_healthy} healthy ones "
        f"because they are not, by measurement. Of the sick runs that count, {counted.alarmed} got "
        "a finding, right or not.\n",
        "### By family\n",
        _groups("family", by_family(verdicts), treatments),
        "### By condition\n",
        _groups("condition", by_condition(verdicts), None),
        "### Confusions\n",
        _table(
            ("cause", "named first instead", "runs"),
            ((cause, said, str(n)) for (cause, said), n in confusions(verdicts).most_common()),
        ),
        "### One by one\n",
        details(verdicts),
    ]
    if treatments is not None:
        failed = [row for row in treatments if not row["healed"]]
        lines = "\n".join(_treated_line(row) for row in failed) or "None."
        parts.append(f"#### Not healed by `treat` ({len(failed)})\n\n{lines}\n")
    return "\n".join(parts)


def _groups(title: str, groups: dict[str, list[Verdict]], treatments: list[dict] | None) -> str:
    rows = []
    for name, verdicts in groups.items():
        counted = scores(verdicts)
        row = [
            name,
            str(counted.recall.total),
            str(counted.set_aside.total),
            str(counted.recall.count),
            str(counted.right_first.count),
        ]
        if treatments is not None:
            healed = healed_of(row for row in treatments if row["family"] == name)
            row.append(f"{healed.count} of {healed.total}")
        rows.append(row)
    head = [title, "sick runs", "set aside", "named", "named first"]
    return _table(head + ["healed"] * (treatments is not None), rows)


def _sick_line(verdict: Verdict) -> str:
    if verdict.error:
        return f"- **{verdict.name}**: `fit` raised {verdict.error}"
    return (
        f"- **{verdict.name}** ({verdict.metric:.2f}, twin {verdict.twin_metric:.2f}); "
        f"right: {' or '.join(verdict.roots)}; said: {_said(verdict)}"
    )


def _healthy_line(verdict: Verdict) -> str:
    aside = "" if verdict.counts else f" {verdict.state};"
    return (
        f"- **{verdict.name}** ({verdict.metric:.2f}, linear {verdict.twin_metric:.2f});{aside} "
        f"said: {_said(verdict)}"
    )


def _said(verdict: Verdict) -> str:
    if not verdict.said:
        return "nothing"
    roots = [said for said in verdict.said if said.root] or list(verdict.said)
    named = list(dict.fromkeys(said.condition for said in roots))
    first = roots[0]
    place = f" in {first.layer}" if first.layer else ""
    rest = f"; also {', '.join(named[1:])}" if len(named) > 1 else ""
    return f"{first.condition}{place} since step {first.onset} ({first.message}){rest}"


def _treated_line(row: dict) -> str:
    what = row["error"] or f"{row['metric']:.2f}"
    return (
        f"- **{row['name']}**: sick {row['sick_metric']:.2f}, treated {what}, "
        f"twin {row['twin_metric']:.2f}"
    )


def _states() -> str:
    rows = [
        (name, fault.family, " or ".join(fault.roots), fault.state.text)
        for name, fault in FAULTS.items()
    ]
    head = ("fault", "family", "right conditions", "state")
    return "## The faults\n\n" + _table(head, rows)
