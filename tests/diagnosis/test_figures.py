import math
import re

import numpy as np
import pytest

from kerastricks.diagnosis import Finding, Report
from kerastricks.diagnosis.drawing import LONGEST, marks_of, short
from kerastricks.diagnosis.figures import (
    MAXIMUM_ROW_NAMES,
    loss_over_time,
    units_over_time,
    updates_over_time,
)
from kerastricks.diagnosis.later import Later
from kerastricks.diagnosis.rules._learning import SMALL_START
from kerastricks.diagnosis.timeline import MAXIMUM_POINTS, Timeline


@pytest.fixture
def course(make):
    """Makes a timeline of looks at steps 0, 1, 2, ..., each with the kernels given for it."""

    def course(*looks):
        timeline = Timeline()
        for step, weights in enumerate(looks):
            timeline.add(make.observation(step, weights=weights))
        return timeline

    return course


def named(svg):
    """What is written in a picture, in order."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_long_names_that_differ_at_either_end_are_told_apart():
    names = [f"{start}{'x' * 60}{end}" for start in "ab" for end in ("_1", "_2")]
    shown = [short(f"model/{name}") for name in names]
    assert len(set(shown)) == 4
    assert {len(name) for name in shown} == {LONGEST}
    assert short("y" * LONGEST) == "y" * LONGEST


def test_an_update_is_told_relative_to_its_kernel_in_the_order_of_the_forward_pass(make, course):
    weights = [
        make.kernel("z", norm=4.0, update=0.02),
        make.kernel("a", norm=2.0, update=math.nan),
        make.kernel("b", norm=0.0, units=25, update=0.3),
        make.kernel("b", kernel=False, path="b/bias"),
    ]
    (moment,) = course(weights).moments
    assert list(moment.update) == ["z/kernel", "a/kernel", "b/kernel"]
    assert moment.update["z/kernel"] == pytest.approx(0.005)
    assert math.isnan(moment.update["a/kernel"])
    # No kernel is of no size: it is judged, and drawn, as one of a small start.
    assert moment.update["b/kernel"] == pytest.approx(0.3 / (SMALL_START * math.sqrt(25)))


def test_kernels_of_one_layer_are_told_apart(make, course):
    kernels = [
        make.kernel("net/cell", path="net/cell/kernel", update=0.1),
        make.kernel("net/cell", path="net/cell/recurrent_kernel", update=0.2),
        make.kernel("net/head"),
    ]
    timeline = course(kernels, kernels)
    assert timeline.moments[0].update["net/cell/recurrent_kernel"] == pytest.approx(0.2 / 3)
    rows = [
        text
        for text in named(updates_over_time(timeline, []))
        if "kernel" in text or "head" in text
    ]
    assert rows[:3] == ["cell/kernel", "cell/recurrent_kernel", "head"]


@pytest.mark.parametrize("update", [0.0, 1e-12, 1e-3, 1e9, math.inf, math.nan])
def test_any_update_can_be_drawn(make, course, update):
    weights = [make.kernel(update=update), make.kernel("output")]
    assert updates_over_time(course(weights, [make.kernel()], weights), []).startswith("<svg")


def test_the_scale_names_what_the_rules_call_usual_small_and_large(make, course):
    texts = named(updates_over_time(course(*[[make.kernel()]] * 3), []))
    assert {"5e-05 small", "0.001 usual", "0.05 large", "1 overwritten"} <= set(texts)


def test_a_deep_network_has_as_many_names_as_fit(make, course):
    weights = [make.kernel(f"layer_{i}") for i in range(3 * MAXIMUM_ROW_NAMES)]
    texts = [t for t in named(updates_over_time(course(weights, weights), [])) if "layer" in t]
    assert texts == [f"layer_{i}" for i in range(0, 3 * MAXIMUM_ROW_NAMES, 3)]


@pytest.mark.compiling
def test_pictures_of_a_deep_network_are_no_taller_than_a_page(make):
    heights = []
    for count in (MAXIMUM_ROW_NAMES, 10 * MAXIMUM_ROW_NAMES):
        timeline = Timeline()
        layers = [make.layer(f"layer_{i}") for i in range(count)]
        for step in range(3):
            timeline.add(make.observation(step, layers=layers))
        picture = units_over_time(timeline)
        heights.append(float(re.search(r'height="([\d.]+)pt"', picture)[1]))
        assert sum("layer" in text for text in named(picture)) == MAXIMUM_ROW_NAMES
    assert heights[0] == pytest.approx(heights[1])


@pytest.mark.parametrize("losses", [(2.30, 2.31), (2.0, 5.0), (0.3, 2.9), (1e-3, 10.0), (0.0, 0.0)])
def test_a_short_axis_has_plain_numbers_and_several(make, losses):
    timeline = Timeline()
    for step, loss in enumerate(losses):
        timeline.add(make.observation(step, loss=loss))
    picture = loss_over_time(timeline, [])
    if 0 < losses[1] < 10 * losses[0]:
        assert "10^" not in picture
        assert "mathdefault" not in picture
        assert len([text for text in named(picture) if re.fullmatch(r"\d\.?\d*", text)]) >= 5
    assert "Loss, and where" in picture


@pytest.mark.parametrize("draw", [updates_over_time, loss_over_time])
def test_every_root_cause_is_marked(make, course, draw):
    roots = [
        Finding("learning_rate_too_high", None, "warning", 1, "m", "r"),
        Finding("dying_units", "a", "warning", 1, "m", "r"),
        Finding("dying_units", "b", "warning", 1, "m", "r"),
        Finding("overfitting", None, "note", 3, "m", "r"),
    ]
    texts = named(draw(course(*[[make.kernel()]] * 4), roots))
    assert "learning_rate_too_high, dying_units" in texts
    assert "overfitting" in texts


def test_names_of_marks_neither_overlap_nor_leave_the_picture(make, course):
    moments = course(*[[make.kernel()]] * 60).moments
    onsets = {"dying_units": 10, "saturated_units": 12, "overfitting": 59, "non_finite": 40}
    roots = [Finding(name, None, "warning", step, "m", "r") for name, step in onsets.items()]
    marks = marks_of(moments, roots)
    assert {mark.text: mark.column for mark in marks} == onsets
    assert [mark.line for mark in marks] == [0, 1, 0, 0]
    assert marks[-1].start < 59
    late = marks_of(moments, [Finding("overfitting", None, "note", 1000, "m", "r")])
    assert late[0].column == 59


@pytest.mark.compiling
def test_pages_show_updates_with_their_caption_where_kernels_were_seen(make, course):
    with_kernels = Report(timeline=course(*[[make.kernel()]] * 2))._repr_html_()
    assert "White is usual, about 0.001" in with_kernels
    assert "White is usual" not in Report(timeline=course([], []))._repr_html_()
    # One look has no course.
    assert "White is usual" not in Report(timeline=course([make.kernel()]))._repr_html_()


def test_a_long_run_keeps_few_updates_and_a_look_costs_nothing_until_it_is_drawn(make):
    made = []

    def kernels(step):
        made.append(step)
        return [make.kernel(update=step / 1000)]

    timeline = Timeline()
    for step in range(MAXIMUM_POINTS):
        look = make.observation(step)
        object.__setattr__(look, "weights", Later(lambda step=step: kernels(step)))
        timeline.add(look)
    assert made == []
    for step in range(MAXIMUM_POINTS, 4 * MAXIMUM_POINTS):
        timeline.add(make.observation(step, weights=[make.kernel(update=step / 1000)]))
    updates = [moment.update["hidden/kernel"] for moment in timeline.moments]
    assert len(updates) <= MAXIMUM_POINTS
    assert np.all(np.diff(updates) > 0)
