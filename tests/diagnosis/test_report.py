import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from kerastricks.diagnosis import Finding, Report
from kerastricks.diagnosis.examination import Examination, running_order
from kerastricks.diagnosis.page import Section, write_page
from kerastricks.diagnosis.timeline import MAXIMUM_POINTS, MAXIMUM_UNITS, Timeline


@pytest.fixture
def sick(make):
    examination = Examination()
    layer = make.layer("net/<script>alert(1)</script>", activation=make.tanh, events=1.0, units=200)
    for step in range(20):
        examination.add(make.observation(step, layers=[layer, make.layer("net/dense")]))
    return examination.report({"net/lstm/*": "runs inside a loop"})


def test_a_finding_is_told_once_and_kept_up_to_date(make):
    examination = Examination()
    mild = make.layer(activation=make.tanh, events=np.r_[np.ones(6), np.zeros(4)])
    grave = make.layer(activation=make.tanh, events=1.0)
    told = [
        [f.condition for f in examination.add(make.observation(step, layers=[layer]))]
        for step, layer in enumerate([mild] * 5 + [grave] * 5)
    ]
    assert told == [[], ["saturated_units"], *[[]] * 8]
    (finding,) = examination.report({}).findings
    assert (finding.severity, finding.onset) == ("critical", 0)
    assert finding.evidence["saturated_units"] == 10


def test_a_condition_that_comes_back_keeps_its_first_onset(make):
    examination = Examination()
    bad, good = (make.layer(activation=make.tanh, events=e) for e in (1.0, 0.0))
    for step, layer in enumerate([bad] * 4 + [good] * 4 + [bad] * 4):
        examination.add(make.observation(step, layers=[layer]))
    (finding,) = examination.report({}).findings
    assert finding.onset == 0


def test_a_condition_that_has_passed_is_a_note(make):
    examination = Examination()
    bad, good = (make.layer(activation=make.tanh, events=e) for e in (1.0, 0.0))
    for step, layer in enumerate([bad] * 4 + [good] * 3):
        examination.add(make.observation(step, layers=[layer]))
    assert not examination.report({}).healthy
    examination.add(make.observation(7, layers=[good]))
    report = examination.report({})
    assert report.healthy
    assert report.findings[0].evidence["recovered_at_step"] == 4


def test_a_run_that_broke_has_not_recovered(make):
    examination = Examination()
    bad, broken = (make.layer(activation=make.tanh, events=e) for e in (1.0, np.nan))
    for step in range(20):
        layer, loss = (bad, 2.3) if step < 5 else (broken, float("nan"))
        examination.add(make.observation(step, layers=[layer], loss=loss))
    assert not examination.report({}).healthy


def test_a_rule_that_fails_is_named_and_the_others_judge(make):
    def broken(window):
        raise ZeroDivisionError("oops")

    def working(window):
        yield Finding("overfitting", None, "note", 0, "message", "remedy")

    examination = Examination({"broken": broken, "working": working})
    assert len(examination.add(make.observation())) == 1
    report = examination.report({})
    assert report.unobserved == {"rule broken": "ZeroDivisionError: oops"}
    assert report.healthy


def test_json_round_trip(sick, tmp_path):
    path = tmp_path / "report.json"
    sick.to_json(path)
    read = json.loads(path.read_text())
    assert read == sick.to_dict()
    assert read["healthy"] is False
    assert read["findings"][0]["condition"] == "saturated_units"
    assert read["observed_steps"] == list(range(20))


def test_numbers_that_json_cannot_hold_are_written_as_null(tmp_path):
    evidence = {"ratio": float("nan"), "norms": [1.0, float("inf")]}
    finding = Finding("overfitting", None, "warning", 0, "m", "r", evidence)
    Report([finding]).to_json(tmp_path / "report.json")
    (read,) = json.loads((tmp_path / "report.json").read_text())["findings"]
    assert read["evidence"] == {"ratio": None, "norms": [1.0, None]}


def test_the_summary_names_cause_remedy_and_what_was_not_seen(sick):
    text = sick.summary()
    assert str(sick) == text
    for part in (
        "saturated_units (critical)",
        "from the start",
        "Remedy:",
        "Not observed: net/lstm",
    ):
        assert part in text
    assert Report().summary() == "Nothing was observed."


@pytest.mark.parametrize("severity", [None, "note"])
def test_of_what_was_not_observed_nobody_says_that_it_is_healthy(severity, tmp_path):
    findings = [] if severity is None else [Finding("overfitting", None, severity, 0, "m", "r")]
    report = Report(findings, unobserved={"training step 0": "raised RuntimeError"})
    assert (report.healthy, report.sick, report.observed) == (False, False, False)
    assert report.to_dict()["healthy"] is False
    assert report.summary().startswith("Nothing was observed.")
    assert "Healthy" not in report.summary()
    report.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "nothing observed</span>" in page
    assert "healthy</span>" not in page
    assert "sick</span>" not in page


def test_a_finding_makes_sick_though_no_layer_was_observed(tmp_path):
    report = Report([Finding("loss_mismatch", None, "critical", 0, "m", "r")])
    assert (report.healthy, report.sick) == (False, True)
    report.to_html(tmp_path / "report.html")
    assert "sick</span>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_start_stays_in_sight_of_the_rules(make):
    def lengths(window):
        assert window[0].step == 0
        yield from ()

    examination = Examination({"lengths": lengths})
    for step in range(700):
        examination.add(make.observation(step))
    assert examination.report({}).unobserved == {}


class Outline(HTMLParser):
    """Tags that are open, and every address that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.scripts, self.addresses, self.headings = 0, [], 0

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self.headings += tag in ("h1", "h2")
        self.addresses += [
            value
            for name, value in attributes
            if name in ("src", "href", "xlink:href") and not value.startswith(("#", "data:"))
        ]


@pytest.mark.compiling
def test_the_page_is_self_contained_and_escapes_what_a_model_brings(sick, tmp_path):
    path = tmp_path / "report.html"
    section = Section("A <b>run</b>", sick, "With <i>markup</i>.")
    write_page(path, "Title & more", [section, Section("Empty", Report())], table=[["<u>"], ["x"]])
    text = path.read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(text)
    assert (outline.scripts, outline.addresses, outline.headings) == (0, [], 3)
    assert "alert(1)&lt;/script&gt;" in text
    assert not re.search(r"<(b|i|u)>", text)
    assert "nothing observed" in text
    assert text.count("<svg") == 5


def test_a_report_of_one_look_has_pictures_of_depth_and_none_of_time(make, tmp_path):
    examination = Examination()
    layer = make.layer("net/dense", activation=make.tanh)
    examination.add(make.observation(0, layers=[layer, make.layer("net/head")]))
    examination.report({}).to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert page.count("step 0") == 2  # once in each legend
    assert "One step observed." in page


def test_root_causes_of_one_condition_are_told_together():
    layers = [Finding("dying_units", f"dense_{i}", "warning", i, f"m{i}", "r") for i in range(3)]
    grave = Finding("dying_units", "dense_3", "critical", 3, "the gravest", "r")
    effect = Finding("vanishing_gradients", "dense_0", "warning", 5, "m", "r", caused_by=layers[1])
    summary = Report(findings=[*layers, grave, effect]).summary()
    assert "1. dying_units (critical) in 4 layers (dense_0 … dense_3), from the start" in summary
    assert "the gravest" in summary
    assert "explains vanishing_gradients" in summary
    assert "2." not in summary


@pytest.mark.compiling
def test_a_notebook_shows_the_report_in_a_style_of_its_own(sick):
    shown = sick._repr_html_()
    assert "<html" not in shown
    assert "<body" not in shown
    assert "<script" not in shown.replace("&lt;script", "")
    assert sick.root_causes[0].condition in shown
    style = re.search("<style>(.*?)</style>", shown, re.DOTALL).group(1)
    # All rules lie within one class, so that none reaches the notebook's own elements.
    rules = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL).strip()
    assert rules.startswith(".kerastricks {")
    depths = [rules[: i + 1].count("{") - rules[: i + 1].count("}") for i in range(len(rules) - 1)]
    assert min(depths[rules.index("{") :]) >= 1


def test_a_notebook_without_the_extra_shows_the_text(sick, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    shown = sick._repr_html_()
    assert shown.startswith("<pre>")
    assert "&lt;script&gt;" in shown


@pytest.mark.compiling
def test_a_missing_folder_is_the_callers_error(sick, tmp_path):
    with pytest.raises(FileNotFoundError):
        sick.to_html(tmp_path / "nowhere" / "report.html")


def test_the_timeline_stays_small_and_keeps_both_ends(make):
    timeline = Timeline()
    for step in range(3 * MAXIMUM_POINTS):
        timeline.add(make.observation(step, layers=[make.layer(units=500)]))
    steps = [moment.step for moment in timeline.moments]
    assert len(steps) <= MAXIMUM_POINTS
    assert steps[0] == 0
    assert steps[-1] == 3 * MAXIMUM_POINTS - 1
    assert steps == sorted(steps)
    assert timeline.moments[-1].units["hidden"].shape == (MAXIMUM_UNITS,)


def test_a_layer_without_output_stands_behind_the_one_before_it_however_deep_the_network():
    """Whose 10,000 layers a search for each would take minutes to order."""
    names = [f"block_{i}" for i in range(10_000)]
    weights = [name for i in names[1::3] for name in (f"{i}/cell", f"{i}/cell", i, f"{i}/gate")]
    seen = SimpleNamespace(
        layers=[SimpleNamespace(path=name) for name in names],
        weights=[SimpleNamespace(layer=name) for name in ["first", *weights]],
    )
    order = [*running_order(seen, running_order(seen, {}))]
    places = {name: place for place, name in enumerate(order)}
    assert len(order) == len(places) == 10_000 + 1 + 2 * len(names[1::3])
    assert order[:5] == ["first", "block_1/cell", "block_0", "block_1", "block_1/gate"]
    assert sorted(names, key=places.get) == names
    assert all(places[f"{name}/gate"] == places[name] + 1 for name in names[1::3])


def test_layers_are_named_in_the_order_in_which_they_run(make, tmp_path):
    kernels = [make.kernel(name) for name in ("dense", "cell", "dense_1", "output")]
    layers = [make.layer(name) for name in ("dense", "relu", "dense_1", "relu_1", "output")]
    examination = Examination({})
    examination.add(make.observation(0, layers=layers, weights=kernels))
    depth = examination.report({}).depth
    assert [*depth] == ["dense", "cell", "relu", "dense_1", "relu_1", "output"]
    # What runs backwards is explained from the output on.
    backwards = [
        Finding("vanishing_gradients", name, "critical", 0, f"of {name}", "r")
        for name in ("output", "relu_1", "dense")
    ]
    report = Report(backwards, depth=depth)
    told = "vanishing_gradients (critical) in 3 layers (dense … output), from the start"
    assert f"1. {told}\n   of output\n" in report.summary()
    report.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert told in page
    assert page.index("<code>dense") < page.index("<code>relu_1") < page.index("<code>output")
    root = Finding("learning_rate_too_high", None, "critical", 0, "m", "r")
    effects = [replace(finding, caused_by=root) for finding in backwards]
    assert f"- explains {told}" in Report([root, *effects], depth=depth).summary()
