import itertools
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kerastricks.addons as tfa
from kerastricks.addons._loading.graph import planned
from kerastricks.addons._loading.tree import Tree


def entry(name, module="keras.layers", /, **config):
    return {"module": module, "class_name": name, "config": config}


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (entry("Lambda", name="trick", function=["4wEAAAA=", None, None]), "Lambda .*'trick'"),
        (entry("TFOpLambda", name="tf.add", function="math.add"), r"TFOpLambda .*'tf\.add'.*code"),
        (entry("Activation", name="a", activation=entry("__lambda__")), "__lambda__.*code"),
        (entry("system", "os", name="x"), "has a system"),
        (entry("TFSMLayer", name="s", filepath="x"), "TFSMLayer .*code"),
        (entry("StringLookup", name="s", vocabulary="/etc/passwd"), "reads the file '/etc/passwd'"),
        (entry("Sequence", "keras.utils", name="x"), "has a Sequence"),
        (entry("CRF", "tensorflow_addons.layers.crf", name="c"), "Addons>CRF.*TensorFlow Addons"),
        (entry("Activation", name="a", activation="Addons>nonsense"), "Addons>nonsense"),
        (entry("Dense", name="d", units=2, kernel_initializer=entry("Evil", "x")), "has a Evil"),
        ({"class_name": "Dense", "config": None}, "Dense has no config"),
        (entry("Dense", name="d", unitss=2), "cannot be opened"),
    ],
)
def test_code_and_strangers_are_refused_by_name(layer, words, keras_file):
    with pytest.raises(ValueError, match=words):
        tfa.load_model(keras_file([layer]))


def test_missing_and_misshapen_weights_are_named(keras_file):
    dense = entry("Dense", name="dense", units=2, use_bias=False)
    with pytest.raises(ValueError, match=r"no values for the weights \['.*dense/kernel'\]"):
        tfa.load_model(keras_file([dense]))
    with pytest.raises(ValueError, match=r"shape \(3, 2\); the layer's weight has \(4, 2\)"):
        tfa.load_model(keras_file([dense], {"layers/dense/vars/0": np.ones((3, 2))}))
    text = np.full((4, 2), "x", dtype=h5py.string_dtype())
    with pytest.raises(ValueError, match="not numbers"):
        tfa.load_model(keras_file([dense], {"layers/dense/vars/0": text}))


def test_nothing_outside_the_file_is_read(old_models, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.ones((3, 3, 2, 4), "float32")
    np.ones((3, 3, 2, 4), "float32").tofile(tmp_path / "secret.bin")
    place = "model_weights/conv2d/conv2d/kernel:0"

    def external(file):
        return file.create_dataset(
            place, (3, 3, 2, 4), "float32", external=[(str(tmp_path / "secret.bin"), 0, 288)]
        )

    def virtual(file):
        layout = h5py.VirtualLayout((3, 3, 2, 4), "float32")
        layout[:] = h5py.VirtualSource(str(secret), "x", (3, 3, 2, 4))
        file.create_virtual_dataset(place, layout)

    for words, link in {
        "ExternalLink": lambda file: file.__setitem__(place, h5py.ExternalLink(str(secret), "x")),
        "SoftLink": lambda file: file.__setitem__(place, h5py.SoftLink("/model_weights")),
        "within the file, and is none": external,
        "array within the file": virtual,
    }.items():
        path = tmp_path / "linked.h5"
        shutil.copy(old_models / "tiny.h5", path)
        with h5py.File(path, "r+") as file:
            del file[place]
            link(file)
        with pytest.raises(ValueError, match=words):
            tfa.load_model(path)


def test_what_lies_outside_the_file_makes_no_difference(tmp_path):
    """Not even whether it is there."""
    with h5py.File(tmp_path / "there.h5", "w") as file:
        file["x"] = 1
    with h5py.File(tmp_path / "model.h5", "w") as file:
        for name in ("there", "gone"):
            file[name] = h5py.ExternalLink(f"{name}.h5", "x")
        assert ("there" in Tree(file)) == ("gone" in Tree(file))
        assert "nothing" not in Tree(file)


def archive(path, compression=zipfile.ZIP_STORED, **parts):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in parts.items():
            file.writestr(name.replace("__", "."), data)
    return path


def test_archives_that_are_none_or_hostile_are_refused(tmp_path, old_models):
    path = tmp_path / "a.keras"
    bomb = archive(path, zipfile.ZIP_DEFLATED, config__json=b" " * 10**7, metadata__json="{}")
    with pytest.raises(ValueError, match="decompression bomb"):
        tfa.load_model(bomb)
    with pytest.raises(ValueError, match=r"one metadata\.json in it; there are 0"):
        tfa.load_model(archive(path, config__json="{}"))
    with pytest.raises(ValueError, match="JSON object, not list"):
        tfa.load_model(archive(path, config__json="[]"))
    for text in ("{", "[" * 10**5, "\xff", ""):
        with pytest.raises(ValueError, match="cannot be opened"):
            tfa.load_model(archive(path, config__json=text, metadata__json="{}"))
    with zipfile.ZipFile(old_models / "tiny.keras") as file:
        parts = {name: file.read(name) for name in file.namelist()}
    absolute = tmp_path / "absolute"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {**parts, "../escaped": b"x", str(absolute): b"x"}.items():
            file.writestr(name, data)
    tfa.load_model(path)  # what else is in it is not unpacked
    assert not (tmp_path.parent / "escaped").exists()
    assert not absolute.exists()
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {**parts, "assets/vocabulary.txt": b"x"}.items():
            file.writestr(name, data)
    with pytest.raises(ValueError, match="assets"):
        tfa.load_model(path)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="SavedModel"):
        tfa.load_model(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        tfa.load_model(tmp_path / "no.h5")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_group("model_weights")
    with pytest.raises(ValueError, match="weights but no model"):
        tfa.load_model(tmp_path / "weights.h5")
    (tmp_path / "text.keras").write_text("model")
    with pytest.raises(ValueError, match=r"neither a \.keras archive nor an HDF5 file"):
        tfa.load_model(tmp_path / "text.keras")


@pytest.mark.parametrize("file", ["tiny.h5", "tiny.keras"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_ends_in_a_value_error_or_in_a_model(file, data, old_models, tmp_path):
    whole = (old_models / file).read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    broken = whole[:place] if cut else whole[:place] + b"\xff" * 16 + whole[place + 16 :]
    path = tmp_path / file
    path.write_bytes(broken)
    try:
        tfa.load_model(path, compile=False)
        said = None
    except ValueError as error:
        said = str(error)
    assert (said is None and not cut) or str(path) in said


def node(name, *sources):
    inbound = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"name": name, "class_name": "Dense", "config": {}, "inbound_nodes": inbound}


def test_graphs_that_feed_themselves_are_refused_before_they_are_built():
    ends = {"input_layers": [["a", 0, 0]], "output_layers": [["b", 0, 0]]}
    with pytest.raises(ValueError, match=r"\['b', 'c'\] feed themselves"):
        planned({"layers": [node("a"), node("b", "c"), node("c", "b")], **ends})
    with pytest.raises(ValueError, match="inputs of its layer 'b' are not understood"):
        planned({"layers": [node("a"), node("b", "nobody")], **ends})
    with pytest.raises(ValueError, match="same name"):
        planned({"layers": [node("a"), node("a")], **ends})


@pytest.mark.parametrize("key", ["config", "class_name"])
def test_configs_that_are_no_configs_are_refused(key, old_models, edited):
    path = edited(old_models / "tiny.keras", lambda text: json.dumps({**json.loads(text), key: []}))
    with pytest.raises(ValueError, match="cannot be opened"):
        tfa.load_model(path)


def objects_of(heap):
    """Places in a global heap of the size of each object, by its number."""
    at, found = 16, {}
    while len(heap) - at >= 16:
        number, size = int.from_bytes(heap[at : at + 2], "little"), heap[at + 8 : at + 16]
        found[number] = at + 8
        size = int.from_bytes(size, "little")
        at += 16 + -(-size // 8) * 8 if number else size
    return found


@pytest.mark.parametrize(
    ("number", "size"),
    [(0, 0), *itertools.product([0, 1], [2**20, 2**64 - 16, 2**64 - 1])],
)
def test_a_heap_that_would_be_read_for_ever_is_refused(number, size, old_models, tmp_path):
    data = bytearray((old_models / "tiny.h5").read_bytes())
    begin = data.find(b"GCOL\x01\0\0\0")
    end = begin + int.from_bytes(data[begin + 8 : begin + 16], "little")
    place = begin + objects_of(data[begin:end])[number]
    data[place : place + 8] = size.to_bytes(8, "little")
    (tmp_path / "a.h5").write_bytes(data)
    with pytest.raises(ValueError, match="heap of its HDF5"):
        tfa.load_model(tmp_path / "a.h5")


@pytest.mark.parametrize("cut", [2060, 2100, 6000])
def test_a_heap_that_is_cut_off_is_refused(cut, old_models, tmp_path):
    data = (old_models / "tiny.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(data[:cut])
    with pytest.raises(ValueError, match=r"heap of its HDF5|cannot be opened"):
        tfa.load_model(tmp_path / "a.h5")


def test_weights_with_lengths_of_four_bytes_are_refused(old_models, tmp_path):
    data = bytearray((old_models / "tiny.h5").read_bytes())
    data[14] = 4
    (tmp_path / "a.h5").write_bytes(data)
    with pytest.raises(ValueError, match="does not begin as h5py"):
        tfa.load_model(tmp_path / "a.h5")
