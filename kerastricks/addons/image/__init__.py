"""The operations on images of TensorFlow Addons, by their names there."""

from kerastricks.addons._uncovered import explainer
from kerastricks.addons.image.blend import blend
from kerastricks.addons.image.connected_components import connected_components
from kerastricks.addons.image.cutout import cutout, random_cutout
from kerastricks.addons.image.dense_image_warp import dense_image_warp
from kerastricks.addons.image.equalize import equalize
from kerastricks.addons.image.euclidean_dist_transform import euclidean_dist_transform
from kerastricks.addons.image.gaussian_filter2d import gaussian_filter2d
from kerastricks.addons.image.hsv_in_yiq import adjust_hsv_in_yiq, random_hsv_in_yiq
from kerastricks.addons.image.interpolate_bilinear import interpolate_bilinear
from kerastricks.addons.image.mean_filter2d import mean_filter2d
from kerastricks.addons.image.median_filter2d import median_filter2d
from kerastricks.addons.image.projective_transforms import (
    angles_to_projective_transforms,
    compose_transforms,
    translations_to_projective_transforms,
)
from kerastricks.addons.image.rotate import rotate
from kerastricks.addons.image.sharpness import sharpness
from kerastricks.addons.image.shear import shear_x, shear_y
from kerastricks.addons.image.transform import transform
from kerastricks.addons.image.translate import translate, translate_xy

__all__ = [
    "adjust_hsv_in_yiq",
    "angles_to_projective_transforms",
    "blend",
    "compose_transforms",
    "connected_components",
    "cutout",
    "dense_image_warp",
    "equalize",
    "euclidean_dist_transform",
    "gaussian_filter2d",
    "interpolate_bilinear",
    "mean_filter2d",
    "median_filter2d",
    "random_cutout",
    "random_hsv_in_yiq",
    "rotate",
    "sharpness",
    "shear_x",
    "shear_y",
    "transform",
    "translate",
    "translate_xy",
    "translations_to_projective_transforms",
]

__getattr__ = explainer("image")
