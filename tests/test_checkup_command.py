import json

import keras
import numpy as np
import pytest

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
    (tmp_path / "text.npz").write_text("no archive", encoding="utf-8")
    assert "cannot be read" in refused(model, str(tmp_path / "text.npz"))
    assert "does not run on this data" in refused(*files(x=np.ones((8, 5)), y=np.ones(8)))
    assert "arrays x and y" in refused(*files(a=np.ones((8, 4)), b=np.ones(8)))
    assert "uncompiled" in refused(*files(compiled=False))
