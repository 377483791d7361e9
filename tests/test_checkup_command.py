import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.__main__ import main


@pytest.fixture
def files(tmp_path):
    """Writes a compiled model and data, and returns their names."""

    def files(scale=1.0, compiled=True, **arrays):
        x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
        if compiled:
            model.compile("adam", "sparse_categorical_crossentropy")
        model.save(tmp_path / "model.keras")
        np.savez(tmp_path / "data.npz", **(arrays or {"x": scale * x, "y": np.arange(64) % 3}))
        return [str(tmp_path / "model.keras"), str(tmp_path / "data.npz")]

    return files


def test_a_healthy_model_leaves_with_zero(files, capsys):
    assert main(["checkup", *files()]) == 0
    assert capsys.readouterr().out.startswith("Healthy")


def test_a_sick_model_leaves_with_one_and_says_why(files, capsys):
    assert main(["checkup", *files(scale=1000)]) == 1
    assert "unnormalized_inputs" in capsys.readouterr().out


def test_json_is_json(files, capsys):
    assert main(["checkup", *files(scale=1000), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["healthy"] is False
    assert report["findings"][0]["condition"] == "unnormalized_inputs"


def test_what_cannot_be_used_leaves_with_two(files, tmp_path, capsys):
    def refused(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["checkup", *arguments])
        assert stop.value.code == 2
        return capsys.readouterr().err

    model, data = files()
    assert "cannot be opened" in refused(str(tmp_path / "no.keras"), data)
    assert "cannot be read" in refused(model, str(tmp_path / "no.npz"))
    archive = (tmp_path / "data.npz").read_bytes()
    for broken in (b"no archive", b"", archive[: len(archive) // 2]):
        (tmp_path / "broken.npz").write_bytes(broken)
        assert "cannot be read" in refused(model, str(tmp_path / "broken.npz"))
    assert "does not run on this data" in refused(*files(x=np.ones((8, 5)), y=np.ones(8)))
    assert "arrays x and y" in refused(*files(a=np.ones((8, 4)), b=np.ones(8)))
    assert "uncompiled" in refused(*files(compiled=False))


@keras.saving.register_keras_serializable(package="tests")
class WithoutLayers(keras.Model):
    def build(self, input_shape):
        self.factor = self.add_weight(shape=(3,), initializer="ones", name="factor")

    def call(self, inputs):
        return inputs * self.factor


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_model_that_cannot_be_observed_is_not_called_healthy(options, tmp_path, capsys):
    model = WithoutLayers()
    model.compile("sgd", "mse")
    x = np.ones((8, 3), "float32")
    model.fit(x, x, verbose=0)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=x, y=x)
    with pytest.raises(SystemExit) as stop:
        main(["checkup", str(tmp_path / "model.keras"), str(tmp_path / "data.npz"), *options])
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "nothing of this model can be observed" in said.err
    assert "no layer has weights" in " ".join(said.err.split())


def test_findings_count_where_nothing_was_observed(files, monkeypatch):
    finding = kt.diagnosis.Finding(
        condition="no_nonlinearity",
        layer=None,
        severity="warning",
        onset=0,
        message="It is linear.",
        remedy="Put activations in.",
    )
    for findings, status in (([finding], 1), ([replace(finding, severity="note")], 2)):
        report = kt.diagnosis.Report(findings=findings)
        monkeypatch.setattr(kt, "checkup", lambda *_, report=report: report)
        if status == 1:
            assert main(["checkup", *files()]) == 1
        else:
            with pytest.raises(SystemExit):
                main(["checkup", *files()])
