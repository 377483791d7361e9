"""Image augmentation: declared transforms, fused into as few passes over the pixels as possible."""

from kerastricks.augment.pipeline import Pipeline
from kerastricks.augment.random_flip import RandomFlip
from kerastricks.augment.random_rotation import RandomRotation

__all__ = [
    "Pipeline",
    "RandomFlip",
    "RandomRotation",
]
