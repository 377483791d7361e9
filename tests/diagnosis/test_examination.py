import ast
from dataclasses import replace
from pathlib import Path

import pytest

from kerastricks.diagnosis import Epoch, Finding, rules
from kerastricks.diagnosis.examination import (
    JUDGED_WHEN_AN_EPOCH_ENDS,
    JUDGED_WHEN_CLOSING,
    RECOVERED_LOOKS,
    Examination,
)
from kerastricks.diagnosis.timeline import MAXIMUM_POINTS


def finding(condition="stale_batch_statistics", severity="warning"):
    return Finding(condition, "hidden", severity, 0, "message", "remedy")


def when(holds, condition="stale_batch_statistics"):
    def rule(window):
        return [finding(condition)] if holds(window[-1]) else []

    return {condition: rule}


def test_a_rule_that_waits_for_the_end_is_asked_when_it_comes(make):
    examination = Examination(when(lambda last: last.closing))
    assert not any(examination.add(seen) for seen in make.window(5))
    (found,) = examination.close(over=True)
    assert found.condition == "stale_batch_statistics"
    assert examination.close(over=True) == []
    assert not examination.report({}).healthy


def test_what_was_true_at_one_closing_and_not_at_the_next_has_passed(make):
    sick = True
    examination = Examination(when(lambda last: last.closing and sick))
    for step in range(5):
        examination.add(make.observation(step))
    examination.close(over=True)
    for step in range(5, 30):  # in between nobody asks
        examination.add(make.observation(step))
    assert not examination.report({}).healthy
    sick = False
    examination.close(over=True)
    report = examination.report({})
    assert report.healthy
    assert report.findings[0].evidence["recovered_at_step"] == 29
    sick = True
    examination.close(over=True)
    assert not examination.report({}).healthy


@pytest.mark.parametrize(
    ("condition", "passes"), [("constant_output", True), ("non_finite", False)]
)
def test_a_state_passes_and_an_event_does_not(make, condition, passes):
    examination = Examination(when(lambda last: last.step < 5, condition))
    for step in range(5 + RECOVERED_LOOKS):
        assert not examination.report({}).healthy
        examination.add(make.observation(step))
    report = examination.report({})
    assert report.sick != passes
    assert ("Recovered by step 5" in report.findings[0].message) == passes


def test_epochs_are_seen_by_the_rules_as_they_end(make):
    seen = []

    def rule(window):
        seen.append([epoch.step for epoch in window[-1].epochs])
        return []

    examination = Examination({"overfitting": rule})
    examination.add(make.observation(0))
    examination.end_epoch(Epoch(step=10, loss=1.0, validation_loss=2.0))
    examination.add(make.observation(10))
    examination.end_epoch(Epoch(step=20, loss=0.5))
    assert seen == [[], [10], [10], [10, 20]]


@pytest.mark.parametrize(
    ("attribute", "conditions"),
    [("epochs", JUDGED_WHEN_AN_EPOCH_ENDS), ("closing", JUDGED_WHEN_CLOSING)],
)
def test_what_a_rule_reads_decides_when_it_is_asked_again(attribute, conditions):
    readers = {
        path.stem
        for path in Path(rules.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == attribute
    }
    assert readers == set(conditions)


def test_nothing_is_judged_before_anything_was_seen():
    examination = Examination(when(lambda _: True))
    assert examination.close(over=True) == []
    assert examination.end_epoch(Epoch(step=3, loss=1.0)) == []


def test_the_end_of_an_epoch_is_no_look_of_its_own(make):
    """A condition has passed after looks without it, not after epochs."""
    sick = True
    condition = "dying_units"
    examination = Examination(when(lambda _: sick, condition))
    examination.add(make.observation(0))
    sick = False
    for step in range(1, 9):
        examination.end_epoch(Epoch(step=step, loss=1.0))
    assert not examination.report({}).healthy


def test_the_first_observation_stays_in_sight(make):
    def rule(window):
        assert window[0].at_start
        return []

    examination = Examination({"dying_units": rule})
    for seen in make.window(600):
        examination.add(replace(seen, at_start=seen.step == 0))
    assert examination.report({}).unobserved == {}


@pytest.mark.parametrize(
    ("condition", "remedy"),
    [("dying_units", "start otherwise"), ("stale_batch_statistics", "go on otherwise")],
)
def test_a_finding_keeps_the_remedy_of_its_beginning(make, condition, remedy):
    """But for what is judged of the end, about which a message of the end speaks."""

    def rule(window):
        step = window[-1].step
        text = "start otherwise" if step == 0 else "go on otherwise"
        yield replace(finding(condition), onset=step, message=f"at {step}", remedy=text)

    examination = Examination({condition: rule})
    for seen in make.window(3):
        examination.add(seen)
    (found,) = examination.report({}).findings
    assert (found.onset, found.message, found.remedy) == (0, "at 2", remedy)


def test_a_note_that_becomes_more_is_told_with_its_own_onset(make):
    severities = ["note", "note", "critical", "critical"]

    def rule(window):
        step = window[-1].step
        found = finding("unreachable_targets", severities[step])
        return [replace(found, onset=step if step >= 2 else 0)]

    examination = Examination({"unreachable_targets": rule})
    told = [[f.severity for f in examination.add(make.observation(s))] for s in range(4)]
    assert told == [["note"], [], ["critical"], []]
    assert examination.report({}).findings[0].onset == 2


def test_the_timeline_of_a_long_run_is_thinned_from_its_older_end(make):
    examination = Examination({})
    for seen in make.window(2000):
        examination.note(seen)
    steps = [moment.step for moment in examination.report({}).timeline.moments]
    assert steps[0] == 0
    assert steps == sorted(set(steps))
    assert len(steps) <= MAXIMUM_POINTS
    newest = MAXIMUM_POINTS // 2
    assert steps[-newest:] == list(range(2000 - newest, 2000))


def test_dead_activations_of_their_own_explain_the_constant_output_behind_them(make):
    """Which have no weights, and stand between the layers that have."""
    conditions = {"relu": "dying_units", "output": "constant_output"}

    def rule(window):
        return [Finding(conditions[name], name, "critical", 0, "m", "r") for name in conditions]

    examination = Examination({"both": rule})
    kernels = [make.kernel(name) for name in ("dense", "output")]
    layers = [make.layer(name) for name in ("dense", "relu", "output")]
    examination.add(make.observation(0, layers=layers, weights=kernels))
    (root,) = examination.report({}).root_causes
    assert (root.condition, root.layer) == ("dying_units", "relu")


def test_the_order_of_layers_is_that_of_the_looks_that_are_recalled(make):
    """Whatever an earlier version has kept of it."""
    layers = [make.layer(name) for name in ("dense", "relu", "output")]
    seen = make.observation(0, layers=layers, weights=[make.kernel("dense"), make.kernel("output")])
    first = Examination({})
    first.add(seen)
    later = Examination({})
    later.restore({**first.remembered(), "_depth": {"dense": 0, "output": 1, "relu": 2}})
    later.recall(seen, 0, within=True)
    assert [*later.report({}).depth] == ["dense", "relu", "output"]
