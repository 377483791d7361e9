"""Bars show what Keras reports."""

import builtins

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

pytest.importorskip("tqdm")

FORMATS = {
    "overall_bar_format": "{desc} {n_fmt}/{total_fmt}",
    "epoch_bar_format": "{n_fmt}/{total_fmt} - {desc}",
}


def lines(error):
    """The bars that are done; the others end in a way up to the line before."""
    last = [line.split("\r")[-1].strip() for line in error.split("\n")]
    return [line for line in last if line and not line.endswith("\x1b[A")]


def bar(**arguments):
    return tfa.callbacks.TQDMProgressBar(**{**FORMATS, **arguments})


def test_bars_of_a_training(averaged_model, train, capsys):
    train(averaged_model(), 4, bar(), epochs=2, validation_split=0.5)
    shown = capsys.readouterr()
    assert shown.out == "Epoch 1/2\nEpoch 2/2\n"
    *epochs, overall = lines(shown.err)
    assert overall == "Training 2/2"
    # How often the bar for all epochs is drawn before depends on time.
    assert [line for line in epochs if not line.startswith("Training")] == [
        "2/2 - loss: -0.5000 - val_loss: -2.0000",
        "2/2 - loss: -2.5000 - val_loss: -4.0000",
    ]


def test_metrics_within_an_epoch_are_keras_own(averaged_model, train, capsys):
    train(averaged_model(), 3, bar(update_per_second=1e9, metrics_format="{value:.2f}"))
    # Losses 0, -1, -2: Keras reports their mean so far, which is not averaged once more.
    moves = [m.strip() for m in capsys.readouterr().err.split("\r")]
    assert "3/3 - -1.00" in moves
    assert not {m for m in moves if "- -0.50" in m and m.startswith("3/3")}


def test_the_bar_of_an_evaluation(averaged_model, capsys):
    model = averaged_model()
    model.set_weights([np.full((1, 1), 2.0)])
    x = np.arange(6, dtype="float32").reshape(6, 1)
    callback = bar()
    model.evaluate(x, x, batch_size=2, verbose=0, callbacks=[callback])
    # The mean of 0 ... 10; the mean of means so far would be 3.
    assert lines(capsys.readouterr().err) == ["3/3 - loss: 5.0000"]


# Keras says so at the end of the data where it was not told their size.
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_size(averaged_model, capsys):
    def batches():
        for _ in range(3):
            yield np.ones((2, 1), "float32"), np.ones((2, 1), "float32")

    callback = bar(show_overall_progress=False)
    averaged_model().fit(batches(), verbose=0, shuffle=False, callbacks=[callback])
    assert lines(capsys.readouterr().err)[0].startswith("3/")


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({"show_epoch_progress": False}, 1),
        ({"show_overall_progress": False}, 2),
        ({"show_epoch_progress": False, "show_overall_progress": False}, 0),
    ],
)
def test_bars_can_be_hidden(arguments, count, averaged_model, train, capsys):
    train(averaged_model(), 2, bar(**arguments), epochs=2)
    shown = capsys.readouterr()
    assert len(lines(shown.err)) == count
    assert ("Epoch" in shown.out) == arguments.get("show_epoch_progress", True)


def test_steps_that_are_made_together_are_all_counted(averaged_model, train, capsys):
    if keras.backend.backend() == "torch":
        pytest.skip("Keras makes one step at a time with torch")
    model = averaged_model(steps_per_execution=2)
    train(model, 4, bar(update_per_second=1e9, show_overall_progress=False))
    assert lines(capsys.readouterr().err) == ["4/4 - loss: -1.5000"]


def test_arguments_are_kept():
    callback = bar(update_per_second=3, metrics_separator=",", leave_epoch_progress=False)
    config = keras.saving.serialize_keras_object(callback)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == callback.get_config()
    assert again.format_metrics({"loss": 4.0, "size": 3}, factor=2) == "loss: 2.0000"
    with pytest.raises(ValueError, match=r"update_per_second.*Received: 0"):
        bar(update_per_second=0)
    with pytest.raises(ValueError, match=r"update_per_second.*Received: nan"):
        bar(update_per_second=float("nan"))


@pytest.mark.parametrize(
    "arguments",
    [
        {"metrics_separator": 1.5},
        {"metrics_format": "{nonsense}"},
        {"metrics_format": "{value:s}"},
        {"overall_bar_format": "{nonsense}"},
        {"epoch_bar_format": 3},
    ],
)
def test_what_is_no_format_is_refused_before_training(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"`{name}`.*Received: .*{name}={value!r}"):
        bar(**arguments)


def test_a_metric_steers_no_terminal():
    assert bar().format_metrics({"\x1b[2Jloss\n": 0.5}) == r"\x1b[2Jloss\n: 0.5000"


def test_without_tqdm(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("tqdm"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install kerastricks\[addons\]"):
        bar()
