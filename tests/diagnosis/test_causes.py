import itertools
from dataclasses import replace

import pytest

from kerastricks.diagnosis import CONDITIONS, Finding
from kerastricks.diagnosis.causes import _ROOTS_FIRST, explain

DEPTH = {f"layer{i}": i for i in range(5)}


def finding(condition, layer="layer0", onset=0, severity="critical"):
    return Finding(condition, layer, severity, onset, "message", "remedy")


def links(findings):
    return {
        (f.condition, f.layer): f.caused_by and (f.caused_by.condition, f.caused_by.layer)
        for f in explain(findings, DEPTH)
    }


def test_saturation_starves_its_own_layer_and_those_before_it():
    blocked = finding("saturated_units", "layer2")
    found = links([blocked, *(finding("vanishing_gradients", f"layer{i}") for i in (1, 2, 3))])
    assert found["vanishing_gradients", "layer1"] == ("saturated_units", "layer2")
    assert found["vanishing_gradients", "layer2"] == ("saturated_units", "layer2")
    assert found["vanishing_gradients", "layer3"] is None


@pytest.mark.parametrize("place", ["the inputs", "the targets", "the loss"])
def test_nan_explains_what_follows_where_it_is_in_the_data(place):
    nan = replace(finding("non_finite", None, onset=2), evidence={"place": place})
    exploding = finding("exploding_gradients", "layer1", onset=2)
    found = links([nan, exploding, finding("dying_units", "layer2", onset=1)])
    if place == "the loss":
        assert found["non_finite", None] == ("exploding_gradients", "layer1")
    else:
        assert found["non_finite", None] is None
        assert found["exploding_gradients", "layer1"] == ("non_finite", None)
    assert found["dying_units", "layer2"] is None  # it was there before


def test_a_cause_does_not_begin_after_its_effect():
    late = finding("saturated_units", "layer2", onset=9)
    found = links([late, finding("vanishing_gradients", "layer1", onset=3)])
    assert found["vanishing_gradients", "layer1"] is None


def test_the_likelier_root_wins():
    findings = [finding(c) for c in ("vanishing_gradients", "dying_units", "symmetric_units")]
    assert set(links(findings).values()) == {None, ("symmetric_units", "layer0")}


def test_saturation_from_the_start_is_the_root_of_what_explodes_later():
    late = finding("exploding_gradients", "layer0", onset=3)
    assert links([finding("saturated_units", "layer2"), late])["exploding_gradients", "layer0"]
    found = links([finding("saturated_units", "layer2", onset=4), late])
    assert found["saturated_units", "layer2"] == ("exploding_gradients", "layer0")


def test_death_spreads_forwards_and_vanishing_backwards():
    found = links([finding("dying_units", f"layer{i}") for i in range(3)])
    assert found["dying_units", "layer0"] is None
    assert found["dying_units", "layer2"] == ("dying_units", "layer0")
    found = links([finding("vanishing_gradients", f"layer{i}") for i in range(3)])
    assert found["vanishing_gradients", "layer2"] is None
    assert found["vanishing_gradients", "layer0"] == ("vanishing_gradients", "layer2")


def constant_from(place):
    """Outputs of the last layer that are constant from an earlier one on."""
    return replace(finding("constant_output", "layer4"), evidence={"constant_from": place})


def test_units_behind_what_never_varied_are_dead_for_its_sake():
    found = links([constant_from("layer1"), finding("dying_units", "layer2")])
    assert found["constant_output", "layer4"] is None
    assert found["dying_units", "layer2"] == ("constant_output", "layer4")


@pytest.mark.parametrize("blocks", ["dying_units", "saturated_units"])
def test_units_that_let_nothing_through_make_all_behind_them_constant(blocks):
    for place in ("layer2", "layer3"):
        found = links([constant_from(place), finding(blocks, "layer2")])
        assert found["constant_output", "layer4"] == (blocks, "layer2")
        assert found[blocks, "layer2"] is None


def test_a_start_that_shrinks_the_signal_is_the_root_of_constant_answers():
    found = links([finding("constant_output"), finding("poor_initialization", "layer3")])
    assert found["constant_output", "layer0"] == ("poor_initialization", "layer3")


def test_a_validation_with_stale_averages_tells_nothing_of_overfitting():
    stale = finding("stale_batch_statistics", "layer2", onset=3, severity="warning")
    worse = finding("overfitting", None, onset=50, severity="warning")
    assert links([worse, stale])["overfitting", None] == ("stale_batch_statistics", "layer2")
    passed = finding("stale_batch_statistics", "layer2", onset=3, severity="note")
    assert links([worse, passed])["overfitting", None] is None


def test_every_watched_condition_can_be_ordered():
    from kerastricks.diagnosis import RULES

    assert set(_ROOTS_FIRST) == set(RULES)


@pytest.mark.parametrize("pair", list(itertools.permutations(_ROOTS_FIRST, 2)))
def test_links_never_form_a_ring_and_roots_come_first(pair):
    findings = [finding(c, f"layer{i}", onset=i % 2) for c in pair for i in range(4)]
    ordered = explain(findings, DEPTH)
    assert len(ordered) == len(findings)
    seen = []
    for each in ordered:
        assert each.caused_by is None or any(each.caused_by is before for before in seen)
        seen.append(each)


def test_a_finding_keeps_to_the_vocabulary():
    assert len(set(CONDITIONS)) == len(CONDITIONS)
    with pytest.raises(ValueError, match="CONDITIONS"):
        finding("tired_units")
    with pytest.raises(ValueError, match="severity"):
        finding("dying_units", severity="bad")
