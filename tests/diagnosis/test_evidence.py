import math

import pytest

from kerastricks.diagnosis import Finding, Report
from kerastricks.diagnosis.evidence import in_words


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("healthy_size", [0.02, 10.0], "0.02 to 10"),
        ("range", [-1.5, 2.0], "-1.5 to 2"),
        ("row_sums", [0.25, 3.0], "0.25 to 3"),
        ("target_row_sums", (1.0, 2.0), "1 to 2"),
        ("healthy_range", [0, None], "0 and more"),
        ("healthy_range", (-math.inf, 1.0), "up to 1"),
        ("healthy_range", (0, math.inf), "0 and more"),
        ("largest_columns", [7, 6, 1, 2, 4], "7, 6, 1, 2, 4"),
        ("largest_columns", [7, 6], "7, 6"),
        ("mean_of_largest_columns", [1.23456, 0.5], "1.235, 0.5"),
        ("linear_hidden_layers", ["net/a", "net/b"], "net/a, net/b"),
        ("between", [], "none"),
        ("scale_per_layer", {"a": 1.0, "b": 0.000123456, "c": None}, "a: 1, b: 0.0001235"),
        ("pixels", True, "yes"),
        ("healthy_from_logits", False, "no"),
        ("healthy_loss", "huber", "huber"),
        ("observations", 1, "1"),
        ("last_finite_step", 0, "0"),
        ("ratio", math.nan, "nan"),
    ],
)
def test_a_value_reads_as_what_it_is(name, value, words):
    assert in_words({name: value}) == {name.replace("_", " "): words}


def test_what_is_not_known_is_left_out():
    assert in_words({"units": None, "samples": 3}) == {"samples": "3"}


def test_pages_and_notebooks_show_evidence_in_words():
    evidence = {"largest_columns": [7, 6, 1], "ignore_class": None, "pixels": True}
    finding = Finding("unnormalized_inputs", "dense", "warning", 0, "m", "r", evidence)
    shown = Report([finding])._repr_html_()
    assert "<dt>largest columns</dt><dd>7, 6, 1</dd>" in shown
    assert "<dt>pixels</dt><dd>yes</dd>" in shown
    assert "ignore class" not in shown
    assert "None" not in shown


def test_the_text_has_no_evidence_to_misread():
    finding = Finding("overfitting", None, "warning", 3, "m", "r", {"a": [1, 2], "b": None})
    summary = Report([finding]).summary()
    assert summary == "1. overfitting (warning) in the model, since step 3\n   m\n   Remedy: r"
