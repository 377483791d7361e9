"""Counts over verdicts: pure functions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from _accuracy.judging import Verdict

TARGETS = {"recall": 0.95, "right_first": 0.85, "false_alarms": 0.02, "treated": 0.95}
"""At least; at most for false alarms."""


@dataclass(frozen=True)
class Share:
    """So many of so many.

    Attributes:
        count: How many.
        total: Of how many.
    """

    count: int
    total: int

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.count / self.total if self.total else None

    def __str__(self) -> str:
        """Count, total, share."""
        if not self.total:
            return "none"
        return f"{self.count} of {self.total} ({self.count / self.total:.3f})"


@dataclass(frozen=True)
class Scores:
    """What a set of verdicts comes to.

    Attributes:
        recall: Sick runs that count, with a right condition among the findings.
        right_first: Sick runs that count, with a right condition as the first root cause.
        alarmed: Sick runs that count, with any finding at all.
        false_alarms: Healthy runs that count, with any finding.
        set_aside: Sick runs whose fault did not take, with any finding all the same.
        not_healthy: Healthy runs that are not, by measurement.
    """

    recall: Share
    right_first: Share
    alarmed: Share
    false_alarms: Share
    set_aside: Share
    not_healthy: int


def scores(verdicts: Iterable[Verdict]) -> Scores:
    """Count."""
    verdicts = list(verdicts)
    sick = [v for v in verdicts if v.sick and v.counts]
    healthy = [v for v in verdicts if not v.sick and v.counts]
    return Scores(
        recall=share(v.named for v in sick),
        right_first=share(v.right_first for v in sick),
        alarmed=share(bool(v.said) for v in sick),
        false_alarms=share(bool(v.said) for v in healthy),
        set_aside=share(bool(v.said) for v in verdicts if v.sick and not v.counts),
        not_healthy=sum(not v.sick and not v.counts for v in verdicts),
    )


def share(answers: Iterable[bool]) -> Share:
    """How many are true."""
    answers = list(answers)
    return Share(sum(answers), len(answers))


def by_family(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Sick runs by the family of their fault, in the order of appearance."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.sick:
            groups.setdefault(verdict.family, []).append(verdict)
    return groups


def by_condition(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Sick runs by the condition that names their cause, by the likeliest where there are more."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.sick:
            groups.setdefault(verdict.roots[0], []).append(verdict)
    return dict(sorted(groups.items()))


def confusions(verdicts: Iterable[Verdict]) -> Counter[tuple[str, str]]:
    """How often which cause was taken for which, for sick runs that count and were misjudged."""
    return Counter(
        (" or ".join(v.roots), v.first or "nothing")
        for v in verdicts
        if v.sick and v.counts and not v.right_first
    )


def misses(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Sick runs that count, without a right condition among the findings."""
    return [v for v in verdicts if v.sick and v.counts and not v.named]


def wrong_firsts(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Sick runs that count, with a right condition found but not first."""
    return [v for v in verdicts if v.sick and v.counts and v.named and not v.right_first]


def false_alarms(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Healthy runs that count, with a finding."""
    return [v for v in verdicts if not v.sick and v.counts and v.said]
