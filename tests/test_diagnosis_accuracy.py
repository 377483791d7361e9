"""The benchmark of the doctor: its scores are right, its halves apart, its stages fit together."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kerastricks as kt

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
page, scoring, states, tasks, bases, cases, faults, judging, recipe, recording = (
    pytest.importorskip(f"_accuracy.{name}", reason="not beside an installed wheel")
    for name in (
        "page",
        "scoring",
        "states",
        "tasks",
        "bases",
        "cases",
        "faults",
        "judging",
        "recipe",
        "recording",
    )
)
Said, Verdict = judging.Said, judging.Verdict

HIGH = Said("learning_rate_too_high", None, "critical", 3, True, "Too high.")
DEAD = Said("dying_units", "hidden_1", "warning", 5, False, "Dead.")
SICK = Verdict(
    "sick", "wine", "Adam at 1", "learning rate", (HIGH.condition,), True, "harm", 0.3, 0.9, (HIGH,)
)
WELL = Verdict("well", "wine", None, "healthy", (), True, "healthy", 0.9, 0.9)


def test_recall_asks_for_a_right_condition_and_first_for_its_place():
    second = replace(SICK, said=(replace(DEAD, root=True), replace(HIGH, root=False)))
    wrong = replace(SICK, said=(replace(DEAD, root=True),))
    silent = replace(SICK, said=())
    counted = scoring.scores([SICK, second, wrong, silent, WELL])
    assert (counted.recall.count, counted.recall.total) == (2, 4)
    assert counted.right_first.count == 1
    assert counted.alarmed.count == 3
    assert scoring.misses([SICK, second, wrong, silent, WELL]) == [wrong, silent]
    assert scoring.wrong_firsts([SICK, second, wrong, silent, WELL]) == [second]
    assert scoring.confusions([SICK, second, wrong, silent]) == {
        (HIGH.condition, DEAD.condition): 2,
        (HIGH.condition, "nothing"): 1,
    }


def test_any_of_several_right_names_will_do():
    either = replace(SICK, roots=("exploding_gradients", HIGH.condition))
    assert either.named
    assert either.right_first


def test_a_consequence_is_not_a_first_cause():
    assert replace(SICK, said=(DEAD, HIGH)).first == HIGH.condition
    assert replace(SICK, said=(DEAD,)).first is None


def test_what_is_set_aside_counts_neither_way():
    aside = [replace(SICK, counts=False), replace(WELL, counts=False, said=(HIGH,))]
    counted = scoring.scores([*aside, SICK, WELL])
    assert counted.recall.total == counted.false_alarms.total == 1
    assert counted.false_alarms.count == 0
    assert (counted.set_aside.total, counted.set_aside.count, counted.not_healthy) == (1, 1, 1)


@pytest.mark.parametrize(("metric", "counts"), [(0.56, True), (0.94, False)])
def test_a_run_that_is_harmed_counts_whatever_its_state(metric, counts):
    (case,) = (c for c in cases.cases("choose") if c.name.startswith("50 layers of ReLU"))
    unharmed = {"signal_at_start": 1.0, "first_moved": 0.2, "metric": 0.96}
    recorded = recording.Recorded(case, measured=unharmed | {"metric": metric})
    assert judging.judged(recorded, unharmed).counts is counts


def test_any_finding_in_a_healthy_run_is_a_false_alarm():
    counted = scoring.scores([WELL, replace(WELL, said=(DEAD,))])
    assert counted.false_alarms.value == 0.5
    assert counted.recall.value is None


def test_a_verdict_survives_json():
    verdict = replace(SICK, failures={"rule x": "broken"})
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_the_page_names_every_miss_and_false_alarm():
    miss = replace(SICK, name="overlooked", said=())
    alarm = replace(WELL, name="cried wolf", said=(HIGH,))
    row = {"name": "not healed", "family": "head", "sick_metric": 0.1, "metric": 0.2}
    row |= {"twin_metric": 0.9, "healed": False, "error": None}
    text = page.page({"choose": ([SICK, miss, WELL, alarm], [row], "Keras 3")})
    assert "**overlooked**" in text
    assert "**cried wolf**" in text
    assert "**not healed**: sick 0.10, treated 0.20, twin 0.90" in text
    assert "1 of 2 (0.500)" in text
    assert "| learning_rate_too_high | nothing | 1 |" in text


@pytest.mark.parametrize(
    ("measured", "healthy"),
    [
        ({}, True),
        ({"metric": 0.86}, True),
        ({"metric": 0.84}, False),
        ({"finite": 0.0}, False),
        ({"losses_finite": 0.0}, False),
        ({"validation_rise": states.RISE + 0.01}, False),
    ],
)
def test_who_is_healthy(measured, healthy):
    usual = {"metric": 0.9, "finite": 1.0, "losses_finite": 1.0, "validation_rise": 1.0}
    assert (judging.ailment(usual | measured, 0.9, None) is None) == healthy
    assert judging.ailment(usual, 0.9, "ValueError") == "ValueError"


def test_harm_begins_five_points_below_the_twin():
    assert states.HARMED.holds({"metric": 0.849}, {"metric": 0.9})
    assert not states.HARMED.holds({"metric": 0.851}, {"metric": 0.9})


def test_states_combine():
    yes, no = (states.State(str(answer), lambda *_, a=answer: a) for answer in (True, False))
    assert (yes | no).holds({}, {})
    assert not (yes & no).holds({}, {})
    assert (yes & no).text == "True, and False"


def test_the_metric_reads_labels_however_they_are_written():
    labels = np.array([0, 1, 2, 1])
    rows = np.eye(3)[[0, 1, 2, 2]]

    def accuracy(y, predictions, classes=3, **options):
        return tasks.metric(y, predictions, classes, **{"from_logits": False, **options})

    assert accuracy(labels, rows) == 0.75
    assert accuracy(np.eye(3)[labels], rows) == 0.75
    assert accuracy(labels, np.array([[0.2], [0.9], [1.7], [0.4]])) == 0.75
    yes = np.array([[0.9], [0.1], [0.8], [0.3]])
    assert accuracy(np.array([1, 0, 0, 0]), yes, 2) == 0.75
    assert accuracy(np.array([1, -1, 1, -1]), yes - 0.5, 2) == 1.0
    assert accuracy(np.array([1, 0, 1, 0]), yes - 0.5, 2, from_logits=True) == 1.0
    assert accuracy(labels, rows * math.nan) == 0.0


def test_the_metric_of_a_regression_has_no_unit():
    y = np.array([1.0, 2.0, 4.0, 5.0])
    said = y + np.array([0.5, -0.5, 0.5, -0.5])
    assert tasks.metric(y, said, 0, from_logits=False) == pytest.approx(0.9)
    assert tasks.metric(1e4 * y, 1e4 * said, 0, from_logits=False) == pytest.approx(0.9)
    assert tasks.metric(y, said + 100, 0, from_logits=False) == -1.0


def test_the_halves_share_no_data_set_and_seed():
    pairs = {
        half: {(c.recipe.data, c.recipe.seed) for c in cases.cases(half)} for half in cases.HALVES
    }
    assert set.isdisjoint(*pairs.values())
    assert {data for data, _ in pairs["choose"]} == set(tasks.DATA)


@pytest.mark.parametrize("half", cases.HALVES)
def test_there_are_enough_runs_and_each_has_its_twin(half):
    every = cases.cases(half)
    names = [case.name for case in every]
    assert len(set(names)) == len(names)
    by_name = {case.name: case for case in every}
    for case in every:
        twin = by_name[case.twin]
        assert twin.fault is None
        assert (twin.recipe.data, twin.recipe.seed) == (case.recipe.data, case.recipe.seed)
        assert (case.fault is None) == (case.twin == case.name)
    assert sum(case.fault is not None for case in every) >= 100
    assert sum(case.fault is None for case in every) >= 75


def test_every_family_and_condition_is_there():
    families = {fault.family for fault in faults.FAULTS.values()} - {"capacity"}
    assert len(families) == 10
    assert {root for fault in faults.FAULTS.values() for root in fault.roots} <= set(
        kt.diagnosis.CONDITIONS
    )
    assert {base for fault in faults.FAULTS.values() for base in fault.bases} <= set(bases.BASES)


def test_training_statistics_scale_both_parts():
    task = tasks.task_of(recipe.Recipe(data="wine", seed=1))
    np.testing.assert_allclose(task.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(task.x.std(axis=0), 1, rtol=1e-5)
    assert np.abs(task.x_validation.mean(axis=0)).max() > 1e-3
    raw = tasks.task_of(recipe.Recipe(data="wine", seed=1, inputs=("raw", 1.0)))
    assert raw.x.max() > 1000
    np.testing.assert_array_equal(raw.y, task.y)


@pytest.mark.slow
def test_the_stages_end_to_end(tmp_path):
    def run(*arguments):
        command = [sys.executable, str(BENCHMARKS / "diagnosis_accuracy.py"), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
        return result.stdout

    cache = ("--cache", str(tmp_path / "cache"))
    few = (
        "--half",
        "choose",
        "--only",
        "zero kernels, cancer",
        "raw targets, diabetes-mlp",
        *cache,
    )
    assert "[  4/4" in run("record", *few)
    said = run("judge", *few)
    assert "recall        2 of 2" in said
    assert "false alarms  0 of 2" in said
    output = tmp_path / "page.md"
    run("page", "--output", str(output), *cache)
    text = output.read_text(encoding="utf-8")
    assert "| choose | 2 of 2 (1.000) | 2 of 2 (1.000) | 0 of 2 (0.000) | not run |" in text
    assert str(tmp_path) not in text


@pytest.mark.slow
def test_a_replay_says_what_the_doctor_said():
    (case,) = (c for c in cases.cases("choose") if c.name.startswith("alpha of 1e-5, wine"))
    recorded = recording.record(case)
    assert recorded.said
    report = judging.replayed(recorded)
    assert [(f.condition, f.layer, f.severity) for f in report.findings] == recorded.said


def test_a_missing_record_is_named(tmp_path, capsys):
    import diagnosis_accuracy

    assert diagnosis_accuracy.main(["judge", "--half", "choose", "--cache", str(tmp_path)]) == 2
    assert "record" in capsys.readouterr().err
    assert diagnosis_accuracy.main(["page", "--cache", str(tmp_path)]) == 2
