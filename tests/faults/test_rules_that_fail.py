"""A rule that raises is named, and takes nothing away from what the others find."""

import numpy as np
import pytest

from kerastricks.diagnosis.data import Pool
from kerastricks.diagnosis.examination import Examination
from kerastricks.diagnosis.observation import Epoch
from kerastricks.diagnosis.rules import RULES
from kerastricks.diagnosis.timeline import Timeline


def fail(window):
    raise ZeroDivisionError("no such thing")


def examined(make, rules):
    examination = Examination(rules)
    squashed = make.layer("squashed", make.tanh, events=1.0)
    sick = [make.layer(events=0.0), squashed, make.layer("output", None)]
    dead = make.kernel(unit_gradient=np.zeros(10))
    weights = [dead, make.kernel("squashed"), make.kernel("output")]
    for step in range(40):
        examination.add(make.observation(step, layers=sick, weights=weights))
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


@pytest.mark.parametrize(
    ("owner", "method", "what"),
    [(Pool, "add", "data"), (Pool, "add_data", "data"), (Timeline, "add", "pictures")],
)
def test_rules_go_on_where_something_beside_them_raises(make, monkeypatch, owner, method, what):
    without = examined(make, RULES)
    found = {finding["condition"] for finding in without["findings"]}
    assert {"dying_units", "saturated_units"} <= found
    monkeypatch.setattr(owner, method, fail_anyhow)
    report = examined(make, RULES)
    assert report["unobserved"] == {f"the {what} of the run": "ZeroDivisionError: no such thing"}
    assert report["findings"] == without["findings"]


def fail_anyhow(self, observation):
    fail(observation)
