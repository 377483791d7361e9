"""Damaged and hostile files: a clear error or a right answer, no crash, no hang, no memory.

What the package reads are models of Keras 2 (`addons.load_model`), models and arrays (the checkup
command), and programs and notebooks (`addons check`). Reports are written and never read.
"""

import gzip
import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import strategies as st

from kerastricks.addons.__main__ import main

SPEC = importlib.util.spec_from_file_location("damage", Path(__file__).with_name("damage.py"))
damage = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(damage)
OLD = Path(__file__).parents[1] / "addons" / "loading"
MOST = 2**30
"""Bytes that memory may grow by for a file of some kilobytes."""


@pytest.fixture
def law(worker, count, tmp_path):
    """Asks the worker, and counts what came of it."""

    def law(task, *arguments, allowed):
        outcome, said, grown = worker.ask(task, *arguments)
        count(outcome)
        assert outcome in allowed, said
        assert grown < MOST, f"{grown} bytes more: {said}"

    return law


def amounts(few, many):
    return pytest.mark.parametrize(
        "examples", [few, pytest.param(many, marks=pytest.mark.slow)], ids=["few", "many"]
    )


AS_IT_IS = (lambda whole, how: whole), None
KINDS = {
    ".keras": (damage.archive_damage, damage.damaged_archive),
    ".h5": (damage.hdf5_damage, damage.damaged_hdf5),
    ".ipynb": (damage.json_damage, damage.damaged_notebook),
}


def damage_of(suffix):
    """Draws what damages a file of this kind: any bytes, or its parts."""
    drawn = st.tuples(st.just(damage.damaged_bytes), damage.bytes_damage)
    if suffix in KINDS:
        of_kind, change = KINDS[suffix]
        drawn |= st.tuples(st.just(change), of_kind)
    return drawn


@amounts(6, 40)
@pytest.mark.parametrize("name", ["tiny", "tiny_functional"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_old_models(suffix, name, examples, fuzz, law, tmp_path):
    whole = gzip.decompress((OLD / f"{name}{suffix}.gz").read_bytes())
    path = tmp_path / f"a{suffix}"

    def hold(drawn, allowed=("right", "other", "error")):
        change, how = drawn
        path.write_bytes(change(whole, how))
        law("load", path, OLD / f"{name}.npz", allowed=allowed)

    hold(AS_IT_IS, allowed=["right"])
    fuzz(damage_of(suffix), examples, hold)


@pytest.fixture
def healthy(tmp_path):
    """A model and data with which the checkup command finds nothing."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(64) % 3)
    return tmp_path / "model.keras", tmp_path / "data.npz"


@amounts(4, 20)
@pytest.mark.parametrize("which", ["model", "data"])
def test_checkup(which, examples, healthy, fuzz, law, tmp_path):
    files = dict(zip(("model", "data"), healthy, strict=True))
    whole = files[which].read_bytes()
    files[which] = tmp_path / f"broken{files[which].suffix}"

    def hold(drawn, allowed=("right", "other", "error")):
        change, how = drawn
        files[which].write_bytes(change(whole, how))
        law("checkup", *files.values(), allowed=allowed)

    hold(AS_IT_IS, allowed=["right"])
    fuzz(damage_of(files[which].suffix), examples, hold)


PROGRAM = """\
import tensorflow_addons as tfa
from tensorflow_addons.layers import Maxout, WeightNormalization as WN
import tensorflow_addons.image

def f(x):
    y = tfa.activations.mish(x)  # \N{SNOWMAN}
    return WN(Maxout(3))(tensorflow_addons.image.rotate(y, 0.1))
"""
NOTEBOOK = json.dumps(
    {"cells": [{"cell_type": "code", "source": PROGRAM.splitlines(keepends=True)}], "nbformat": 4}
)


@amounts(6, 40)
@pytest.mark.parametrize("suffix", [".py", ".ipynb"])
def test_programs(suffix, examples, fuzz, law, tmp_path):
    path = tmp_path / f"program{suffix}"
    whole = (PROGRAM if suffix == ".py" else NOTEBOOK).encode()

    def hold(drawn, allowed=("right", "error")):
        change, how = drawn
        path.write_bytes(change(whole, how))
        law("check", path, suffix, allowed=allowed)

    hold(AS_IT_IS, allowed=["right"])
    fuzz(damage_of(suffix), examples, hold)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("encoding.py", b"\x80import tensorflow_addons"),
        ("coding.py", b"# coding: nonsense\nimport tensorflow_addons"),
        ("list.ipynb", b'["tensorflow_addons"]'),
        ("cells.ipynb", b'{"cells": 3, "of": "tensorflow_addons"}'),
        ("lines.ipynb", b'{"cells": [{"cell_type": "code", "source": ["tensorflow_addons", 3]}]}'),
    ],
)
def test_what_is_no_program_is_named(name, data, tmp_path, capsys):
    (tmp_path / name).write_bytes(data)
    assert main(["check", str(tmp_path / name)]) == 1
    assert f"{name}: cannot be parsed: " in capsys.readouterr().out
