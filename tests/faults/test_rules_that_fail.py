"""A rule that raises is named, and takes nothing away from what the others find."""

import pytest

from kerastricks.diagnosis.examination import Examination
from kerastricks.diagnosis.observation import Epoch
from kerastricks.diagnosis.rules import RULES


def fail(window):
    raise ZeroDivisionError("no such thing")


def examined(make, rules):
    examination = Examination(rules)
    silent = [make.layer(events=0.0), make.layer("output", None)]
    for step in range(40):
        examination.add(make.observation(step, layers=silent))
    examination.end_epoch(Epoch(40, 2.3, 2.3))
    examination.close(over=True, made=40)
    return examination.report({}).to_dict()


@pytest.mark.every_variant
@pytest.mark.parametrize("name", RULES)
def test_the_others_go_on(make, name):
    report = examined(make, {**RULES, name: fail})
    without = examined(make, {rule: judge for rule, judge in RULES.items() if rule != name})
    assert report["unobserved"] == {f"rule {name}": "ZeroDivisionError: no such thing"}
    assert report["findings"] == without["findings"]


def test_where_all_raise_all_are_named(make):
    report = examined(make, dict.fromkeys(RULES, fail))
    assert set(report["unobserved"]) == {f"rule {name}" for name in RULES}
    assert report["findings"] == []
