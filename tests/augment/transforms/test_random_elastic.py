import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import BSpline

import kerastricks as kt
from kerastricks.augment.elastic import displacement, undisplaced
from kerastricks.augment.threefry import SampleKeys

A = kt.augment
SIZE = 24, 40
CELLS = 4


def places(count=3, seed=0):
    random = np.random.default_rng(seed)
    height, width = SIZE
    x = random.uniform(-width / 2, width / 2, (count, 5, 7)).astype("float32")
    y = random.uniform(-height / 2, height / 2, (count, 5, 7)).astype("float32")
    return x, y


def control_points(count=3, reach=1.0, cells=CELLS):
    shape = count, cells + 3, cells + 3, 2
    return np.random.default_rng(1).uniform(-reach, reach, shape).astype("float32")


@pytest.mark.parametrize("cells", [1, CELLS, 30])  # of 30, points near a place are looked up
def test_the_surface_is_scipys_spline(ops, tensor, to_numpy, cells):
    grid, (x, y) = control_points(cells=cells), places()
    found = displacement(ops, tensor(grid), tensor(x), tensor(y), SIZE)
    knots = np.arange(-3, cells + 4)
    u, v = (x / SIZE[1] + 0.5) * cells, (y / SIZE[0] + 0.5) * cells
    for sample in range(3):
        down = BSpline(knots, grid[sample].astype("float64"), 3)(v[sample])
        for axis in range(2):
            expected = [
                BSpline(knots, row, 3)(at)
                for row, at in zip(
                    down[..., axis].reshape(-1, cells + 3), u[sample].ravel(), strict=True
                )
            ]
            out = to_numpy(found[axis])[sample].ravel()
            np.testing.assert_allclose(out, expected, atol=1e-4)


@pytest.mark.parametrize("common", [0, 0.5])
def test_what_was_displaced_is_found_again(ops, tensor, to_numpy, common):
    """At the steepest that is allowed: half a cell of the shorter side, about any middle."""
    points = control_points(reach=0.25 * SIZE[0] / CELLS) + np.float32(common * SIZE[0])
    grid, (x, y) = tensor(points), map(tensor, places())
    x, y = 0.8 * x, 0.8 * y
    shift = displacement(ops, grid, x, y, SIZE)
    back = undisplaced(ops, grid, x + shift[0], y + shift[1], SIZE)
    np.testing.assert_allclose(to_numpy(back[0]), to_numpy(x), atol=0.02)
    np.testing.assert_allclose(to_numpy(back[1]), to_numpy(y), atol=0.02)


def test_at_the_steepest_that_is_allowed_nothing_folds(ops, tensor, to_numpy):
    """|J v| <= |J| |v| in the largest norm: p + d(p) is one to one where rows of J are below 1."""
    points = CELLS + 3
    size = SIZE[0], SIZE[0]
    # A surface for each control point; d is linear in them, so that their signs may be the worst.
    grid = np.zeros((points**2, points**2, 2), "float32")
    np.einsum("iic->ic", grid)[:] = 0.25 * SIZE[0] / CELLS
    grid = tensor(grid.reshape(-1, points, points, 2))
    ways = np.linspace(-6, 6, 17, dtype="float32")
    x, y = np.broadcast_arrays(ways, ways[:, None], np.zeros((points**2, 1, 1)))[:2]

    def slope(across, down):
        ahead, behind = (
            displacement(ops, grid, tensor(x + side * across), tensor(y + side * down), size)[0]
            for side in np.float32([0.05, -0.05])
        )
        return to_numpy(ahead - behind) / 0.1

    along, down = slope(1, 0), slope(0, 1)
    assert max(np.abs(each).sum(axis=0).max() for each in (along, down)) < 0.5
    both = max(np.abs(along + sign * down).sum(axis=0).max() for sign in (1, -1))
    assert 0.45 < both < 0.55


@pytest.mark.parametrize(
    ("displacement", "drawn_from"), [(0.05, (-0.05, 0.1)), ((0.3, 0.45), (0.3, 0.15))]
)
def test_control_points_move_independently_by_uniform_shares(
    ops, tensor, to_numpy, displacement, drawn_from
):
    elastic = A.RandomElastic(displacement, 2)
    keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.arange(4000, dtype="int32")))
    uniforms = keys.uniform(ops, 0, elastic.num_draws)
    moves = to_numpy(elastic.grid(ops, uniforms, SIZE)).reshape(4000, -1) / SIZE[0]
    for move in moves.T[:6]:
        assert stats.kstest(move, "uniform", drawn_from).pvalue > 1e-3
    correlation = np.corrcoef(moves.T) - np.eye(moves.shape[1])
    assert np.abs(correlation).max() < 0.08


def test_a_number_is_the_range_about_zero():
    assert A.RandomElastic(0.05) == A.RandomElastic((-0.05, 0.05))


def test_one_shift_for_all_control_points_is_a_translation(run, images):
    square = images[:, :, :11]
    out = run([A.RandomElastic((0.2, 0.2))], square, output_dtype="float32")
    shift = A.RandomTranslation((-0.2, -0.2), (-0.2, -0.2))
    shifted = run([shift, A.RandomRotation(0)], square, output_dtype="float32")
    np.testing.assert_allclose(out, shifted, atol=0.02)


def test_without_displacement_nothing_changes(run, images):
    np.testing.assert_array_equal(run([A.RandomElastic(probability=0)], images), images)


def test_flipping_a_bent_image_is_flipping_its_pixels(run, images):
    bend, flip = A.RandomElastic(), A.RandomFlip(probability=1)
    exact = {"output_dtype": "float32"}
    bent = run([bend], images, **exact)
    np.testing.assert_allclose(run([bend, flip], images, **exact), bent[:, :, ::-1], atol=0.02)


def test_bending_and_turning_are_one_resample(run, images):
    """Each alone would blur: on whole pixels and back a picture stays as it was."""
    turn, back = A.RandomRotation((90, 90)), A.RandomRotation((-90, -90))
    square = images[:, :, :11]
    exact = {"output_dtype": "float32"}
    bent = run([A.RandomFlip(probability=0), A.RandomElastic()], square, **exact)
    turned = run([turn, A.RandomElastic(0.0), back], square, **exact)
    np.testing.assert_allclose(turned, square, atol=0.02)
    assert np.abs(bent - square).max() > 1


@pytest.mark.parametrize("displacement", [0.1, (-0.1, 0.1), (0.2, 0.35)])
def test_displacements_that_would_fold_are_refused(displacement):
    assert A.RandomElastic((0.2, 0.325)).displacement == (0.2, 0.325)
    with pytest.raises(ValueError, match=r"up to 0.0625, or .* at most 0.125 apart.*Received"):
        A.RandomElastic(displacement)


@pytest.mark.parametrize("displacement", [-0.1, "far", None, (0.1, 0), (1, 1.1)])
def test_displacements_that_are_no_range_are_refused(displacement):
    with pytest.raises(ValueError, match=r"RandomElastic: `displacement`.*Received"):
        A.RandomElastic(displacement)
