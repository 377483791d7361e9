import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.preview import contact_sheet

A = kt.augment


def test_a_row_is_an_image_and_its_first_epochs(images, to_numpy):
    pytest.importorskip("PIL")
    pipeline = A.Pipeline([A.RandomRotation(30), A.ColorJitter(0.4)], seed=3)
    sheet = np.asarray(pipeline.preview(images[:2], draws=2))
    assert sheet.shape == (2 * 11 + 2, 3 * 17 + 4, 3)
    np.testing.assert_array_equal(sheet[:11, :17], images[0])
    for draw in range(2):  # the calls of the layer are the same epochs
        out = to_numpy(pipeline(images[:2], training=True))
        left = (draw + 1) * 19
        np.testing.assert_array_equal(sheet[13:, left : left + 17], out[1])


def test_looking_changes_nothing(images, to_numpy):
    pytest.importorskip("PIL")
    looked, other = (A.Pipeline([A.RandomFlip()], seed=0) for _ in range(2))
    looked.preview(images)
    np.testing.assert_array_equal(
        to_numpy(looked(images, training=True)), to_numpy(other(images, training=True))
    )


def test_pictures_of_other_sizes_channels_and_ranges():
    row = [np.full((4, 6, 1), -1.0), np.full((2, 2, 4), 1.0)]
    sheet = contact_sheet([row, row[:1]], (-1, 1))
    assert sheet.shape == (4 + 2 + 4, 6 + 2 + 6, 3)
    assert (sheet[:4, :6] == 0).all()
    assert (sheet[6:, :6] == 0).all()
    assert (sheet[:, 8:] == 255).all()


def test_no_number_of_draws_is_refused(images):
    with pytest.raises(ValueError, match=r"preview: `draws` is a whole number"):
        A.Pipeline([]).preview(images, draws=0)


def test_a_single_image_of_a_resizing_pipeline():
    pytest.importorskip("PIL")
    image = keras.ops.ones((8, 8, 3))
    assert A.Pipeline([A.Resize(20, 10)], seed=0).preview(image, draws=1).size == (22, 20)
