"""A folder with damaged images: skipped and told, and the doctor sees a whole training."""

import keras
import numpy as np
import pytest

import kerastricks as kt

pytest.importorskip("tensorflow")


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for number in range(24):
        path = tmp_path / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        keras.utils.save_img(path, random.integers(0, 256, (12, 12, 3)), scale=False)
    for name, damage in [("a/02", lambda data: data[:60]), ("b/07", lambda data: b"no image")]:
        path = tmp_path / f"{name}.png"
        path.write_bytes(damage(path.read_bytes()))
    return tmp_path


@pytest.mark.compiling
@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras', of an unknown length
def test_the_training_goes_on_without_them(folder):
    images = keras.utils.image_dataset_from_directory(
        folder, batch_size=None, image_size=(12, 12), shuffle=False, verbose=False
    )
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], value_range=(0, 255), seed=0)
    dataset = pipeline.augment(images, unreadable="skip").batch(4)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Rescaling(1 / 127.5, -1),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    doctor = kt.callbacks.TrainingDoctor(verbose=0, every=1)
    with pytest.warns(UserWarning, match="2 of 24 elements could not be"):
        history = model.fit(dataset, epochs=2, shuffle=False, verbose=0, callbacks=[doctor])
    assert np.isfinite(history.history["loss"]).all()
    # 22 images in batches of 4: six steps an epoch.
    assert doctor.report.to_dict()["observed_steps"] == list(range(12))
    assert doctor.report.unobserved == {}
    assert "non_finite" not in {finding.condition for finding in doctor.report.findings}
