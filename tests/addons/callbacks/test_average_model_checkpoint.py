"""Files have the averages; training goes on as it is told to."""

import keras
import pytest

import kerastricks.addons as tfa

Checkpoint = tfa.callbacks.AverageModelCheckpoint


def value(model):
    return float(model.get_weights()[0][0, 0])


def saved(folder):
    return {
        p.name: value(keras.models.load_model(p, compile=False)) for p in sorted(folder.iterdir())
    }


def test_training_is_left_alone(averaged_model, train, tmp_path):
    model = averaged_model()
    train(model, 1, Checkpoint(False, str(tmp_path / "{epoch}.keras")), epochs=3)
    assert value(model) == -3
    # -0.5, -1.25, -2.125
    assert saved(tmp_path) == {"1.keras": -0.5, "2.keras": -1.25, "3.keras": -2.125}


def test_training_goes_on_from_the_averages(averaged_model, train, tmp_path):
    model = averaged_model()
    train(model, 1, Checkpoint(True, str(tmp_path / "{epoch}.keras")), epochs=2)
    # -1 averages to -0.5; from there -1.5 averages to -1.
    assert saved(tmp_path) == {"1.keras": -0.5, "2.keras": -1.0}
    assert value(model) == -1


@pytest.mark.parametrize("update", [True, False])
def test_only_the_best_is_saved(update, averaged_model, train, tmp_path):
    callback = Checkpoint(
        update, str(tmp_path / "{epoch}.keras"), "loss", save_best_only=True, mode="max"
    )
    model = averaged_model()
    train(model, 1, callback, epochs=3)
    # The loss only falls; averages take the weights' place all the same.
    assert saved(tmp_path) == {"1.keras": -0.5}
    assert value(model) == (-1.5 if update else -3)


def test_weights_alone(averaged_model, train, tmp_path):
    path = tmp_path / "last.weights.h5"
    train(averaged_model(), 2, Checkpoint(False, str(path), save_weights_only=True))
    model = averaged_model()
    model.load_weights(path)
    assert value(model) == -1.25


def test_a_number_of_batches(averaged_model, train, tmp_path):
    model = averaged_model(0.0)
    callback = Checkpoint(False, str(tmp_path / "{epoch}-{batch}.keras"), save_freq=3)
    train(model, 7, callback, epochs=2)
    assert value(model) == -14
    # The 3rd, 6th, 9th and 12th batch of all.
    assert saved(tmp_path) == {"1-3.keras": -3, "1-6.keras": -6, "2-2.keras": -9, "2-5.keras": -12}


def test_steps_that_are_made_together_are_all_counted(averaged_model, train, tmp_path):
    if keras.backend.backend() == "torch":
        pytest.skip("Keras makes one step at a time with torch")
    model = averaged_model(0.0, steps_per_execution=2)
    train(model, 8, Checkpoint(False, str(tmp_path / "{batch}.keras"), save_freq=3))
    assert value(model) == -8
    # Every second batch is looked at: 4 is the first after 3, 8 the first 3 after that.
    assert list(saved(tmp_path).values()) == [-4, -8]


def test_in_mixed_precision(averaged_model, train, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = averaged_model()
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        train(model, 2, Checkpoint(False, str(tmp_path / "last.keras")))
    finally:
        keras.config.set_dtype_policy(before)
    assert (value(model), saved(tmp_path)) == (-2, {"last.keras": -1.25})


def test_a_model_that_cannot_be_saved_has_its_weights_back(averaged_model, train, tmp_path):
    class FullError(Exception):
        pass

    def full(*args, **kwargs):
        raise FullError

    model = averaged_model()
    model.save = full
    with pytest.raises(FullError):
        train(model, 2, Checkpoint(False, str(tmp_path / "last.keras")))
    assert value(model) == -2


def test_what_is_refused(averaged_model, train, tmp_path):
    model = averaged_model()
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="MovingAverage"):
        train(model, 1, Checkpoint(False, "last.keras"))
    for freq in ("batch", 0, 1.5):
        with pytest.raises(ValueError, match="save_freq"):
            Checkpoint(False, "last.keras", save_freq=freq)
    with pytest.raises(ValueError, match="filepath"):
        Checkpoint(False, str(tmp_path / "folder"))
    with pytest.raises(TypeError, match="filepath"):
        Checkpoint(False, None)
    with pytest.raises(TypeError, match="monitor"):
        Checkpoint(False, "last.keras", monitor=-1)
