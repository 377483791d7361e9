"""Image augmentation: declared transforms, fused into as few passes over the pixels as possible."""

from kerastricks.augment.pad import Pad
from kerastricks.augment.pipeline import Pipeline
from kerastricks.augment.random_crop import RandomCrop
from kerastricks.augment.random_flip import RandomFlip
from kerastricks.augment.random_perspective import RandomPerspective
from kerastricks.augment.random_resized_crop import RandomResizedCrop
from kerastricks.augment.random_rotation import RandomRotation
from kerastricks.augment.random_shear import RandomShear
from kerastricks.augment.random_translation import RandomTranslation
from kerastricks.augment.random_zoom import RandomZoom
from kerastricks.augment.resize import Resize

__all__ = [
    "Pad",
    "Pipeline",
    "RandomCrop",
    "RandomFlip",
    "RandomPerspective",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Resize",
]
