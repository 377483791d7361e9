"""Image augmentation: declared transforms, fused into as few passes over the pixels as possible."""

from kerastricks.augment.aug_mix import AugMix
from kerastricks.augment.auto_augment import AutoAugment
from kerastricks.augment.color_jitter import ColorJitter
from kerastricks.augment.cut_mix import CutMix
from kerastricks.augment.mix_up import MixUp
from kerastricks.augment.pad import Pad
from kerastricks.augment.pipeline import Pipeline
from kerastricks.augment.rand_augment import RandAugment
from kerastricks.augment.random_auto_contrast import RandomAutoContrast
from kerastricks.augment.random_brightness import RandomBrightness
from kerastricks.augment.random_contrast import RandomContrast
from kerastricks.augment.random_crop import RandomCrop
from kerastricks.augment.random_elastic import RandomElastic
from kerastricks.augment.random_equalize import RandomEqualize
from kerastricks.augment.random_erasing import RandomErasing
from kerastricks.augment.random_flip import RandomFlip
from kerastricks.augment.random_gaussian_blur import RandomGaussianBlur
from kerastricks.augment.random_grayscale import RandomGrayscale
from kerastricks.augment.random_hue import RandomHue
from kerastricks.augment.random_invert import RandomInvert
from kerastricks.augment.random_noise import RandomNoise
from kerastricks.augment.random_perspective import RandomPerspective
from kerastricks.augment.random_posterize import RandomPosterize
from kerastricks.augment.random_resized_crop import RandomResizedCrop
from kerastricks.augment.random_rotation import RandomRotation
from kerastricks.augment.random_saturation import RandomSaturation
from kerastricks.augment.random_sharpness import RandomSharpness
from kerastricks.augment.random_shear import RandomShear
from kerastricks.augment.random_solarize import RandomSolarize
from kerastricks.augment.random_translation import RandomTranslation
from kerastricks.augment.random_zoom import RandomZoom
from kerastricks.augment.resize import Resize
from kerastricks.augment.trivial_augment import TrivialAugment

__all__ = [
    "AugMix",
    "AutoAugment",
    "ColorJitter",
    "CutMix",
    "MixUp",
    "Pad",
    "Pipeline",
    "RandAugment",
    "RandomAutoContrast",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomElastic",
    "RandomEqualize",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomNoise",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomSolarize",
    "RandomTranslation",
    "RandomZoom",
    "Resize",
    "TrivialAugment",
]
