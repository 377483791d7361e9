"""Image augmentation: declared transforms, fused into as few passes over the pixels as possible."""

from kerastricks.augment.pipeline import Pipeline
from kerastricks.augment.transforms.aug_mix import AugMix
from kerastricks.augment.transforms.auto_augment import AutoAugment
from kerastricks.augment.transforms.color_jitter import ColorJitter
from kerastricks.augment.transforms.cut_mix import CutMix
from kerastricks.augment.transforms.mix_up import MixUp
from kerastricks.augment.transforms.pad import Pad
from kerastricks.augment.transforms.rand_augment import RandAugment
from kerastricks.augment.transforms.random_auto_contrast import RandomAutoContrast
from kerastricks.augment.transforms.random_brightness import RandomBrightness
from kerastricks.augment.transforms.random_contrast import RandomContrast
from kerastricks.augment.transforms.random_crop import RandomCrop
from kerastricks.augment.transforms.random_elastic import RandomElastic
from kerastricks.augment.transforms.random_equalize import RandomEqualize
from kerastricks.augment.transforms.random_erasing import RandomErasing
from kerastricks.augment.transforms.random_flip import RandomFlip
from kerastricks.augment.transforms.random_gaussian_blur import RandomGaussianBlur
from kerastricks.augment.transforms.random_grayscale import RandomGrayscale
from kerastricks.augment.transforms.random_hue import RandomHue
from kerastricks.augment.transforms.random_invert import RandomInvert
from kerastricks.augment.transforms.random_noise import RandomNoise
from kerastricks.augment.transforms.random_perspective import RandomPerspective
from kerastricks.augment.transforms.random_posterize import RandomPosterize
from kerastricks.augment.transforms.random_resized_crop import RandomResizedCrop
from kerastricks.augment.transforms.random_rotation import RandomRotation
from kerastricks.augment.transforms.random_saturation import RandomSaturation
from kerastricks.augment.transforms.random_sharpness import RandomSharpness
from kerastricks.augment.transforms.random_shear import RandomShear
from kerastricks.augment.transforms.random_solarize import RandomSolarize
from kerastricks.augment.transforms.random_translation import RandomTranslation
from kerastricks.augment.transforms.random_zoom import RandomZoom
from kerastricks.augment.transforms.resize import Resize
from kerastricks.augment.transforms.trivial_augment import TrivialAugment

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
