import re
from pathlib import Path

import keras
import pytest

import kerastricks.addons as tfa
from kerastricks.addons.__main__ import main
from kerastricks.addons._fates import COVERED, FATES, look_up, markdown

VERSION = tuple(int(part) for part in keras.__version__.split(".")[:2])
ALL = [(package, name, fate) for package, fates in FATES.items() for name, fate in fates.items()]
LATER = {"MultiOptimizer": hasattr(keras.optimizers, "MultiOptimizer")}
"""Names that are here where Keras has what they adapt."""


def found(path):
    """What a dotted name stands for; the first part is the module."""
    value = {"keras": keras, "kerastricks": tfa}[path.partition(".")[0]]
    for part in path.removeprefix("kerastricks.addons.").removeprefix("keras.").split("."):
        value = getattr(value, part)
    return value


def test_what_is_said_to_be_here_is_exported_and_nothing_else():
    for package in COVERED:
        room = getattr(tfa, package)
        here = {name for name, fate in FATES[package].items() if fate.kind == "here"}
        assert set(room.__all__) == {name for name in here if LATER.get(name, True)}


@pytest.mark.every_variant
@pytest.mark.parametrize(("package", "name", "fate"), [entry for entry in ALL if entry[2].use])
def test_what_is_to_be_used_exists(package, name, fate):
    if fate.since <= VERSION and LATER.get(name, True):
        assert callable(found(fate.use))


def test_what_the_notes_name_exists():
    notes = " ".join(fate.note for _, _, fate in ALL)
    for path in set(re.findall(r"`((?:keras|kerastricks\.addons)\.[a-z][\w.]*\w)", notes)):
        assert found(path), path


def test_every_fate_says_what_to_do():
    for _, name, fate in ALL:
        assert fate.use or len(fate.note) > 30, name
        assert (fate.kind == "nothing") == (fate.use == "")
        assert not fate.note or fate.note.endswith("."), name
        assert "|" not in fate.note, name  # it stands in a table


@pytest.mark.parametrize(
    ("access", "words"),
    [
        (lambda: tfa.losses.TripletSemiHardLoss, ["TripletSemiHardLoss", "keras.ops"]),
        (lambda: tfa.losses.SigmoidFocalCrossEntropy, ["keras.losses.BinaryFocalCrossentropy"]),
        (lambda: tfa.seq2seq, ["BasicDecoder", "keras.layers.RNN"]),
        (lambda: tfa.image.sparse_image_warp, ["dense_image_warp"]),
        (lambda: tfa.optimizers.LazyAdam, ["keras.optimizers.Adam"]),
        (lambda: tfa.register_all, ["custom_objects"]),
    ],
)
def test_a_name_that_is_not_here_says_what_to_use(access, words):
    with pytest.raises(AttributeError) as error:
        access()
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from kerastricks.addons.layers import CRF", "Structured prediction"),
        ("from kerastricks.addons.optimizers import LazyAdam", "keras.optimizers.Adam"),
        ("from kerastricks.addons import losses", "keras.losses.BinaryFocalCrossentropy"),
        ("from kerastricks.addons.layers import Dens", "cannot import name 'Dens'"),
    ],
)
def test_importing_a_name_that_is_not_here_says_what_to_use(statement, words):
    with pytest.raises(ImportError, match=re.escape(words)):
        exec(statement)


def test_a_name_that_never_was_is_an_attribute_error_as_any_other():
    with pytest.raises(AttributeError, match=r"module 'kerastricks.addons' has no 'layers\.Dens'"):
        _ = tfa.layers.Dens
    assert not hasattr(tfa, "nonsense")


def test_names_are_found_in_the_files_that_define_them():
    assert look_up("optimizers.weight_decay_optimizers.AdamW").name == "optimizers.AdamW"
    assert look_up("text.crf.crf_decode").name == "text.crf_decode"
    assert look_up("text.crf").name == "text.crf"
    assert look_up("register_all").fate.use == "kerastricks.addons.custom_objects"
    assert look_up("layers.netvlad.NetVLAD") is None


def test_the_page_has_the_table():
    page = Path(__file__).parents[2] / "docs" / "addons.md"
    if page.exists():  # not beside an installed wheel
        assert markdown() in page.read_text(encoding="utf-8")


def test_the_command_prints_the_table(capsys):
    assert main(["table"]) == 0
    assert capsys.readouterr().out == markdown()
