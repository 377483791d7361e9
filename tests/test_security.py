"""What SECURITY.md promises: strangers' text stays text, and nothing in the package runs code."""

import ast
import inspect
import json
import sys
import unicodedata
import zipfile
from collections import Counter
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import keras
import matplotlib
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.__main__ import main
from kerastricks._printable import printable
from kerastricks._untrusted import RefusedError, check_archive
from kerastricks.callbacks._monitor import Monitor
from kerastricks.diagnosis import Finding, Report
from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.drawing import svg
from kerastricks.diagnosis.observation import LayerStatistics, Observation, WeightStatistics
from kerastricks.diagnosis.page import Section, write_page
from kerastricks.diagnosis.timeline import Timeline
from kerastricks.surgery._trials import Trial
from kerastricks.surgery.treat import _show

PACKAGE = Path(kt.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
HOSTILE = {
    "markup": "<script>alert(1)<\\script>",
    "attribute": "\"'><img src=x onerror=alert(1)>",
    "end of a comment": "--><svg onload=alert(1)>]]>",
    "end of a style": "</style></svg><script>alert(1)</script>",
    "template": "{{ 7 * 7 }}{% include 'style.css' %}",
    "terminal": "\x1b[2J\x1b]0;title\x07\x9b31mred",
    "return": "dense\rHealthy: no findings.",
    "lines": "dense\nHealthy: no findings.\u2028more",
    "rich": "[bold red]dense[/] [link=file:x]y[/link] [/nope]",
    "direction": "\u202egpj.exe\u2066\u200f",
    "nothing": "a\x00b\x08\x7f",
    "surrogate": "\ud800",
    "formula": r"$\frac{$x$ $\undefined$ ${",
    "long": "n" * 20_000,
    "of other scripts": "層 слой שכבה 🧅",
}
every_text = pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))


def control_characters(text):
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return sorted({char for char in text if unicodedata.category(char) in kinds} - {"\n"})


@pytest.fixture
def report_about():
    """A report of a run whose layers, messages and reasons have texts in them."""

    def report_about(*texts):
        tanh = Activation("tanh", low=-0.95, high=0.95)
        zeros = np.zeros(4)
        layers = tuple(
            LayerStatistics(
                path=f"{text}/{text}",
                activation=tanh,
                head=False,
                source=text,
                examples=8,
                samples=8,
                mean=zeros,
                variance=zeros + 1,
                events=zeros,
                nonfinite=0,
            )
            for text in texts
        )
        weights = tuple(
            WeightStatistics(
                path=f"{layer.path}/kernel",
                layer=layer.path,
                kernel=True,
                units=4,
                norm=3.0,
                gradient=0.3,
                update=0.003,
                nonfinite=0,
                unit_gradient=zeros,
                unit_signature=np.ones((2, 4)),
                unit_gradient_signature=zeros,
            )
            for layer in layers
        )
        timeline = Timeline()
        for step in range(5):
            timeline.add(Observation(step, 2.3, 0, layers, weights, at_start=step == 0))
        findings = []
        for text, layer in zip(texts, layers, strict=True):
            evidence = {"healthy_names": [text], text: text, "by": {text: 1.0}}
            message, remedy = f"message {text}", f"remedy {text}"
            of_layer = partial(Finding, layer=layer.path, message=message, remedy=remedy)
            root = of_layer("dying_units", severity="critical", onset=0, evidence=evidence)
            effect = of_layer("vanishing_gradients", severity="warning", onset=1, caused_by=root)
            findings += [root, effect]
        places = {f"place {text}": f"reason {text}" for text in texts}
        return Report(findings, timeline, places)

    return report_about


class Page(HTMLParser):
    """Elements, attributes and text as a browser reads them, in pictures and around them."""

    def __init__(self):
        super().__init__()
        self.around, self.drawn, self.attributes = [], Counter(), []
        self.said, self.written = [], []
        self._within = 0

    def handle_starttag(self, tag, attributes):
        self.attributes += attributes
        self._within += tag == "svg"
        if self._within:
            self.drawn[tag] += 1
        else:
            self.around.append(tag)

    def handle_endtag(self, tag):
        self._within -= tag == "svg"

    def handle_data(self, data):
        (self.written if self._within else self.said).append(data)


def read(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


# Not all at once: of many layers every other one is named in the pictures.
@pytest.mark.parametrize("half", [0, 1])
def test_a_page_shows_names_and_has_no_elements_of_theirs(half, report_about, tmp_path):
    path = tmp_path / "report.html"
    texts = list(HOSTILE.values())[half::2]

    def page_about(texts):
        about = "".join(texts)
        sections = [Section(f"title {about}", report_about(*texts), f"description {about}")]
        table = [[f"head {about}"], [f"cell {about}"]]
        write_page(path, f"page {about}", sections, introduction=f"intro {about}", table=table)
        return read(path)

    plain, shown = page_about([f"dense{n}" for n in range(len(texts))]), page_about(texts)
    assert shown.around == plain.around
    assert shown.drawn.keys() == plain.drawn.keys()
    assert [name for name, _ in shown.attributes if name.startswith("on")] == []
    addresses = [v for n, v in shown.attributes if n in ("href", "src", "xlink:href", "action")]
    assert [v for v in addresses if not v.startswith(("#", "data:image/png;base64,"))] == []
    assert control_characters(path.read_text(encoding="utf-8")) == []
    said = "".join(shown.said)
    assert [text for text in texts if f"reason {printable(text)}" not in said] == []
    named = [printable(text.rpartition("/")[2]) for text in texts]
    ends = [end for name in named for end in (name[:20], name[-19:])]
    assert [end for end in ends if end not in "".join(shown.written)] == []

    notebook = Page()
    notebook.feed(report_about(*texts)._repr_html_())
    assert {"script", "img", "iframe"}.isdisjoint(notebook.around + list(notebook.drawn))


def test_names_in_pictures_are_not_handed_to_tex():
    """Which reads files and, where that is allowed, runs commands."""
    seen = []
    with matplotlib.rc_context({"text.usetex": True}):
        svg(lambda *_: seen.append(matplotlib.rcParams["text.usetex"]), 1, 1)
    assert seen == [False]


@every_text
def test_a_summary_has_lines_of_its_own_alone(text, report_about):
    summary = report_about(text).summary()
    assert control_characters(summary) == []
    assert summary.count("\n") == report_about("dense").summary().count("\n")


@every_text
def test_json_is_ascii_and_comes_back(text, report_about, tmp_path):
    report = report_about(text)
    report.to_json(tmp_path / "report.json")
    written = (tmp_path / "report.json").read_bytes()
    assert written.isascii()
    assert control_characters(written.decode()) == []
    assert json.loads(written) == report.to_dict()


@every_text
def test_what_a_callback_prints_is_neither_markup_nor_control(text, report_about, capsys):
    monitor = Monitor({})
    report = report_about(text)
    known = {finding.key: finding for finding in report.findings}
    monitor._say(f"it broke: {text}")
    monitor._speak(report.findings[:1], known)
    said = capsys.readouterr().out
    assert control_characters(said) == []
    assert f"it broke: {printable(text)}\n" in said
    assert f"Remedy: remedy {printable(text)}\n" in said


@every_text
def test_what_is_made_printable_stays_so(text):
    once = printable(text)
    assert once.isprintable()
    assert printable(once) == once
    assert text.isprintable() == (once == text)


def test_lines_are_kept_where_a_caller_wants_them():
    assert printable("a\n\tb\x1b", keep="\n") == "a\n\\tb\\x1b"


FORBIDDEN_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve", "yaml"}
FORBIDDEN_CALLS = {"__import__", "compile", "eval", "exec"}
FORBIDDEN_ATTRIBUTES = {
    "enable_unsafe_deserialization",
    "import_module",
    "popen",
    "system",
    "unsafe_load",
}


def offences(source):
    """What in a program reads or runs code that data may bring, as (line, what)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = {name.partition(".")[0] for name in names}
            if isinstance(node, ast.ImportFrom):
                modules = {str(node.module).partition(".")[0]}
                modules |= {name for name in names if name in FORBIDDEN_ATTRIBUTES}
            yield from ((node.lineno, name) for name in modules & FORBIDDEN_MODULES)
            yield from ((node.lineno, name) for name in modules & FORBIDDEN_ATTRIBUTES)
        elif isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_ATTRIBUTES:
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN_CALLS - {"compile"}:
            yield node.lineno, node.id
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                yield node.lineno, node.func.id
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                if keyword.arg == "allow_pickle" and value is not False:
                    yield node.lineno, "allow_pickle"
                if keyword.arg == "safe_mode" and value is not True:
                    yield node.lineno, "safe_mode"
                if keyword.arg == "shell" and value is not False:
                    yield node.lineno, "shell"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "from importlib import import_module",
        "import yaml as y",
        "eval('1')",
        "f = exec",
        "np.load(f, allow_pickle=True)",
        "keras.saving.load_model(f, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "importlib.import_module(name)",
        "subprocess.run(x, shell=True)",
    ],
)
def test_offences_are_found(source):
    assert len(set(offences(source))) == 1
    assert list(offences("model.compile(loss)\nnp.load(f, allow_pickle=False)")) == []


def test_no_source_reads_pickles_or_runs_text():
    found = {
        str(path.relative_to(PACKAGE)): list(offences(path.read_text(encoding="utf-8")))
        for path in FILES
    }
    assert {path: what for path, what in found.items() if what} == {}


def test_an_array_that_is_a_pickle_is_not_opened(tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return (Path(tmp_path / "sprung").touch, ())

    objects = np.empty(1, object)
    objects[0] = Trap()
    np.savez(tmp_path / "data.npz", x=objects, y=objects)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.keras")

    with pytest.raises(SystemExit) as stop:
        main(["checkup", str(tmp_path / "model.keras"), str(tmp_path / "data.npz")])
    assert stop.value.code == 2
    assert "allow_pickle=False" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()


@pytest.fixture
def described(tmp_path):
    """Writes a `.keras` file whose model has a layer that is described by a dictionary."""

    def described(layer):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        whole, path = tmp_path / "whole.keras", tmp_path / "model.keras"
        model.save(whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == "config.json":
                    config = json.loads(data)
                    config["config"]["layers"][-1] |= layer
                    data = json.dumps(config)
                new.writestr(name, data)
        return path

    return described


def function(module, name):
    return {"module": module, "class_name": "function", "config": name}


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"class_name": "Lambda", "config": {"function": "4wEAAAA="}}, "a Lambda, which is code"),
        ({"config": {"activation": {"class_name": "__lambda__"}}}, "__lambda__, which is code"),
        ({"class_name": "TFSMLayer", "config": {"filepath": "x"}}, "TFSMLayer, which is code"),
        ({"class_name": "TorchModuleWrapper", "config": {}}, "TorchModuleWrapper, which is code"),
        (function("keras.utils", "get_file"), "names keras.utils.get_file, which is no part"),
        (function("keras", "utils.get_file"), "names keras.utils.get_file, which is no part"),
        (function("keras.config", "enable_unsafe_deserialization"), "which is no part"),
        (function("keras.models", "load_model"), "which is no part"),
        (function("keras.src.utils.file_utils", "get_file"), "which is no part"),
        ({"module": "os", "class_name": "system", "registered_name": "system"}, "os.system"),
        ({"module": "this", "class_name": "s", "registered_name": None}, "registered nowhere"),
        ({"config": {"activation": function("keras_hub.utils", "f")}}, "registered nowhere"),
        ({"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}, "file elsewhere"),
    ],
    ids=str,
)
def test_the_command_opens_no_model_with_code(layer, words, described, tmp_path, capsys):
    np.savez(tmp_path / "data.npz", x=np.ones((8, 1)), y=np.ones(8))
    with pytest.raises(SystemExit) as stop:
        main(["checkup", str(described(layer)), str(tmp_path / "data.npz")])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
    assert "this" not in sys.modules


def test_a_name_adds_no_line_to_what_a_command_says_of_a_file(described, tmp_path, capsys):
    np.savez(tmp_path / "data.npz", x=np.ones((8, 1)), y=np.ones(8))

    def said(name):
        with pytest.raises(SystemExit):
            main(["checkup", str(described({"class_name": name})), str(tmp_path / "data.npz")])
        return capsys.readouterr().err

    hostile = said("x\nHealthy: no findings.\x1b[2J\u2028y")
    assert control_characters(hostile) == []
    assert "Healthy" in hostile
    assert hostile.count("\n") == said("x").count("\n")


def test_what_models_are_made_of_passes(tmp_path):
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    scaled = kt.layers.Dropout(0.1)(keras.layers.Rescaling(1 / 255)(inputs))
    features = keras.layers.TimeDistributed(keras.layers.LSTM(2))(scaled)
    features = keras.ops.reshape(keras.ops.add(features, 1), (-1, 16))
    outputs = keras.layers.Dense(2, keras.activations.softmax, dtype="mixed_float16")(features)
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(keras.optimizers.Adam(rate), loss, [keras.metrics.SparseCategoricalAccuracy()])
    model.save(tmp_path / "model.keras")
    check_archive(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    with pytest.raises(RefusedError, match=r"no \.keras archive"):
        check_archive(tmp_path / "model.h5")


@pytest.mark.parametrize("name", ["evil.h5", "evil.hdf5", "evil", "evil.keras.h5"])
def test_an_archive_by_another_name_is_refused(tmp_path, name):
    """Keras goes by the name: a file of HDF5 with an archive behind it would be read as HDF5."""
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "model.keras")
    (tmp_path / "model.keras").rename(tmp_path / name)
    with pytest.raises(RefusedError, match=r"no \.keras archive"):
        check_archive(tmp_path / name)
    with pytest.raises(RefusedError, match="no such file"):
        check_archive("hf://somebody/model.keras")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.src.applications.convnext", "LayerScale"),
        ("keras.src.applications.inception_resnet_v2", "CustomScaleLayer"),
        ("keras._legacy.layers", "ThresholdedReLU"),
    ],
)
def test_layers_that_keras_has_elsewhere_pass(tmp_path, module, name):
    def archived(config):
        with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(config))
        return tmp_path / "model.keras"

    check_archive(archived({"module": module, "class_name": name, "config": {}}))
    other = {"module": "keras.applications", "class_name": "function", "config": "ResNet50"}
    with pytest.raises(RefusedError, match="no part of a model"):
        check_archive(archived(other))


def test_a_surgery_prints_names_as_they_are(capsys):

    fields = inspect.signature(Trial).parameters
    given = dict.fromkeys(fields) | {
        "condition": "dying_units",
        "remedy": "[red]x[/nope]\x1b[2J",
        "kept": True,
        "reason": "\x9b",
    }
    _show([Trial(**given)], starts_anew=True)
    said = capsys.readouterr().out
    assert control_characters(said) == []
    assert "[/nope]" in said
