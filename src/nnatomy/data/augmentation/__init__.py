"""More data from less: images varied anew in every epoch, with their masks and boxes."""

from nnatomy.data.augmentation.color import PixelScale
from nnatomy.data.augmentation.images import augment_boxes, augment_images, augment_masks
from nnatomy.data.augmentation.samples import AugmentedSamples
from nnatomy.data.augmentation.settings import PRESETS, Augmentation, augmentation_from

__all__ = [
    "PRESETS",
    "Augmentation",
    "AugmentedSamples",
    "PixelScale",
    "augment_boxes",
    "augment_images",
    "augment_masks",
    "augmentation_from",
]
