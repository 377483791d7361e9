import numpy as np
import pytest
from scipy import stats

import kerastricks as kt

Perspective = kt.augment.RandomPerspective


def corners_in(matrices, size=(20, 30)):
    """Where the corners of the input come to lie in the output, as shares of half the image."""
    half = np.array([size[1] / 2, size[0] / 2])
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    points = np.concatenate([square * half, np.ones((4, 1))], axis=1)
    moved = np.linalg.inv(matrices) @ points.T
    return np.swapaxes(moved[:, :2] / moved[:, 2:], 1, 2) / half, square


@pytest.mark.parametrize(("distortion", "drawn_from"), [(0.4, (0, 0.4)), ((0.1, 0.5), (0.1, 0.4))])
def test_corners_move_inwards_by_uniform_shares(draw, distortion, drawn_from):
    moved, square = corners_in(draw(Perspective(distortion)))
    ways = (1 - moved * square).reshape(-1, 8)
    for way in ways.T:
        assert stats.kstest(way, "uniform", drawn_from).pvalue > 1e-3
    assert np.abs(np.corrcoef(ways.T) - np.eye(8)).max() < 0.07


def test_a_number_is_the_range_from_zero():
    assert Perspective(0.4) == Perspective((0, 0.4))


def test_corners_that_all_move_alike_shrink_the_image(draw):
    shrunk = draw(Perspective((0.25, 0.25)), count=2)
    np.testing.assert_allclose(
        shrunk, draw(kt.augment.RandomZoom((0.75, 0.75)), count=2), atol=1e-4
    )


def test_straight_lines_stay_straight(draw):
    """The middle of the image, where its diagonals meet, goes where they meet then."""
    matrices = draw(Perspective(0.6), count=50)
    moved, _ = corners_in(matrices)
    middle = np.linalg.inv(matrices)[:, :, 2]
    middle = middle[:, :2] / middle[:, 2:] / (15, 10)
    a, b, c, d = np.swapaxes(moved, 0, 1)
    for one, other in ((a, c), (b, d)):
        way, of = other - one, middle - one
        np.testing.assert_allclose(way[:, 0] * of[:, 1], way[:, 1] * of[:, 0], atol=1e-4)


@pytest.mark.parametrize("distortion", [0.99, (0.6, 0.9)])
def test_corners_make_a_convex_quadrilateral(draw, distortion):
    """As a sheet does; of free draws from 0 to 0.99 more than one in a hundred does not."""
    moved, square = corners_in(draw(Perspective(distortion)))
    edge = np.roll(moved, -1, axis=1) - moved
    after = np.roll(edge, -1, axis=1)
    assert (edge[..., 0] * after[..., 1] > edge[..., 1] * after[..., 0]).all()
    ways, (low, high) = 1 - moved * square, np.broadcast_to(distortion, 2)
    assert ways.max() <= high + 1e-5
    assert ways.min() >= (low if isinstance(distortion, tuple) else 0) - 1e-5


def test_without_distortion_nothing_changes(run, images):
    np.testing.assert_array_equal(run([Perspective(0.5, probability=0)], images), images)
    difference = run([Perspective(0.0)], images).astype(int) - images
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("distortion", [1, -0.1, (0, 1), (0.5, 0.2), (-0.1, 0.5), None])
def test_a_distortion_outside_its_range_is_refused(distortion):
    with pytest.raises(ValueError, match=r"RandomPerspective: `distortion`.*Received"):
        Perspective(distortion)
