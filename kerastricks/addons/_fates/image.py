"""The operations on images of TensorFlow Addons."""

from kerastricks.addons._fates.fate import gone, here, in_keras

FATES = {
    **here(
        "image",
        "adjust_hsv_in_yiq angles_to_projective_transforms blend compose_transforms "
        "connected_components cutout dense_image_warp equalize euclidean_dist_transform "
        "gaussian_filter2d interpolate_bilinear mean_filter2d median_filter2d random_cutout "
        "random_hsv_in_yiq rotate sharpness shear_x shear_y transform translate translate_xy "
        "translations_to_projective_transforms",
    ),
    "resampler": in_keras(
        "ops.image.map_coordinates",
        "It takes one channel of one image at a time, and coordinates as (y, x) with the axis "
        "first; `kerastricks.addons.image.interpolate_bilinear` takes whole batches of (y, x) "
        "points. Outside the image the original gave zeros.",
    ),
    **gone(
        "interpolate_spline sparse_image_warp",
        "It solved a linear system of all control points for each image. Interpolate the few "
        "displacements to a dense field (SciPy's `RBFInterpolator` has the same splines), and "
        "warp by `kerastricks.addons.image.dense_image_warp`.",
    ),
}
"""Fates by name."""
